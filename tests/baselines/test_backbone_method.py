import pytest
import torch

from baselines.auss import AUSS
from baselines.autr import AuTR
from baselines.avsc import AVSC

SMALL = {"backbone": "pvt", "image_size": 64, "dim": 16, "heads": 2, "hidden": 16, "queries": 3}


@pytest.fixture(params=[AuTR, AUSS, AVSC])
def method(request, encoders):
    torch.manual_seed(0)
    return request.param(request.param.Config(**SMALL, backbone_lr_scale=0.3), encoders).eval()


def test_backbone_learns_at_its_own_rate(method):
    rest, backbone = method.parameter_groups()
    assert (rest["lr_scale"], backbone["lr_scale"]) == (1.0, 0.3)
    ids = {id(p) for p in method.backbone.parameters()}
    assert {id(p) for p in backbone["params"]} == ids
    assert {id(p) for p in rest["params"]} == {id(p) for p in method.parameters()} - ids


def test_audio_is_rectified(method, make_batch):
    """The published VGGish ends in its ReLU."""
    batch = make_batch(method, clips=2)
    before = method(batch).logits
    batch.audio[batch.audio < 0] *= 7
    assert torch.equal(method(batch).logits, before)


def test_frames_stay_in_their_place(method, make_batch):
    batch = make_batch(method, clips=2, frames=3)
    before = method(batch).logits
    batch.features["pixels"][1, 2] += 1
    change = (method(batch).logits - before).abs().amax((2, 3)) > 0
    assert change.tolist() == [[False, False, False], [False, False, True]]


@pytest.mark.parametrize(
    ("cls", "millions"),
    [
        (AuTR, {"swin": 100.482, "pvt": 94.952, "resnet": 37.738}),
        (AUSS, {"pvt": 104.571, "resnet": 47.357}),
        (AVSC, {"pvt": 101.338, "resnet": 44.124}),
    ],
)
def test_parameter_counts_at_full_width(full_backbones, cls, millions):
    """No total is published; the parts' are in test_mask2former and test_backbones."""
    for backbone, expected in millions.items():
        with torch.device("meta"):
            method = cls(cls.Config(backbone=backbone), full_backbones)
        total = sum(p.numel() for p in method.parameters())
        assert total / 1e6 == pytest.approx(expected, abs=5e-4)
