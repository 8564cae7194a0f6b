"""Tiny frozen encoders and random batches for tests of methods."""

import os
import re
import shutil
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a forked worker must not meet its thread pool

import hypothesis
import pytest
import torch
from torch import nn

from gavs.backbones import build_backbone
from gavs.method import Batch, Method
from gavs.sam import SamSize, build_sam
from gavs.vggish import PCA

MINI = {"pvt": "pvt_v2_mini", "resnet": "resnet_mini", "resnet18": "resnet_mini"}
LONG = (  # the longest first
    *("test_graph.py", "slurm/test_launch.py", "test_rehearse.py", "test_kill.py"),
    *("launch/test_command.py", "test_extract.py", "test_distributed.py", "test_cells.py"),
    *("test_mutations.py", "test_methods.py", "test_extending.py", "test_world.py"),
)
TINY_SAM = SamSize(64, 8, 16, 4, 2, 2, 0, (), 32, 4, 48)  # 8x8 tokens, 32x32 masks
# Thousands of small files are made and deleted: on a busy disk that takes as long as the tests.
SHM = Path("/dev/shm")
if SHM.is_dir() and shutil.disk_usage(SHM).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(SHM))
hypothesis.settings.register_profile("suite", deadline=None, max_examples=40)
hypothesis.settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: one that came last would run alone, with the other workers idle."""
    items.sort(key=lambda item: [not str(item.path).endswith(name) for name in LONG])


class TinyEncoders:
    """Random encoders; every call hands out the same frozen SAM, as a profile's encoders may."""

    audio_dim = 128
    full = False

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self._sam = build_sam(TINY_SAM)
            for p in self._sam.parameters():
                p.add_(0.1 * torch.randn_like(p))

    def sam(self):
        return self._sam

    def pca(self) -> nn.Module:
        pca = PCA()
        g = torch.Generator().manual_seed(2)
        pca.pca_means.copy_(0.4 + 0.1 * torch.randn(128, generator=g))
        pca.pca_eigen_vectors.copy_(torch.randn(128, 128, generator=g) / 6)
        return pca

    def backbone(self, name: str) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            return build_backbone(MINI[name])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same draws whichever tests came before in this process."""
    torch.manual_seed(0)


@pytest.fixture
def encoders() -> TinyEncoders:
    return TinyEncoders()


@pytest.fixture
def make_batch():
    """make_batch(method, clips=4, frames=2, seed=0): random inputs in the method's geometry.

    Every clip is of another video; with SAM's geometry each second clip fills the upper half of
    the square only. In each second clip frame 0 alone is labelled.
    """
    return _make_batch


def _make_batch(method: Method, clips: int = 4, frames: int = 2, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    shapes = {"sam": (32, 8, 8), "tokens": (8, 8, 16), "logmel": (96, 64)}
    features = {}
    for short, store in method.config.inputs().items():
        kind, number = re.match(r"([a-z]+)(\d*)", store).groups()
        shape = shapes.get(kind) or (3, int(number), int(number))
        features[short] = torch.randn(clips, frames, *shape, generator=g)
    if method.config.oracle:
        sources = 64 * torch.rand(clips, frames, 3, 3, generator=g)
        sources[..., 2] = torch.rand(clips, frames, 3, generator=g) > 0.5
        features["sources"] = sources
    sounds = {"vggish": (128,), "logmel": (96, 64), "spectrogram": (1, 257, 40)}
    heard = sounds[method.config.hears()]
    size = method.target_size
    valid = torch.ones(clips, size, size)
    if method.config.geometry == "sam":
        valid[1::2, size // 2 :] = 0
    supervised = torch.ones(clips, frames, dtype=torch.bool)
    supervised[1::2, 1:] = False
    return Batch(
        audio=torch.randn(clips, frames, *heard, generator=g),
        features=features,
        masks=torch.rand(clips, frames, size, size, generator=g),
        valid=valid,
        supervised=supervised,
        video=torch.arange(clips),
        classes=nn.functional.one_hot(torch.arange(clips) % 5, 5).bool(),
    )


@pytest.fixture
def weights_file(tmp_path):
    """weights_file(state, name, **options): a small file of a published one's keys and shapes.

    Each tensor is one random number repeated. Returns the path and the values.
    """

    def make(state, name="published.pth", wrap=lambda values: values, **options):
        g = torch.Generator().manual_seed(0)
        values = {
            key: torch.rand((), generator=g).to(like.dtype).expand(like.shape)
            for key, like in state.items()
        }
        torch.save(wrap(values), tmp_path / name, **options)
        return tmp_path / name, values

    return make
