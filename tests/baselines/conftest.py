from functools import partial
from types import SimpleNamespace

import pytest

from gavs.backbones import build_backbone
from gavs.swin import swin_base

FULL = {
    "pvt": partial(build_backbone, "pvt_v2_b5"),
    "resnet": partial(build_backbone, "resnet50"),
    "swin": swin_base,
}


@pytest.fixture
def full_backbones() -> SimpleNamespace:
    """Encoders whose backbones have their published size; build on the meta device."""
    return SimpleNamespace(audio_dim=128, backbone=lambda name: FULL[name]())
