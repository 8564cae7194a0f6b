"""Sizes of everything that is measured: as published, or tiny, to try the code on a CPU."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.params import Params, load
from benchmarks.params.profile import profile_file


@dataclass(frozen=True)
class Scale:
    """Sizes of models, batches and repetitions."""

    params: Params
    sam: str  # of `SAM_SIZES`, in every section
    larger: tuple[str, ...]  # whose extraction is measured besides
    batches: tuple[int, ...]  # images at once, among which the fastest is searched
    compiled: int  # images at once where the encoder is compiled: another number compiles again
    backend: str  # of torch.compile
    looks: int  # frames whose embeddings are compared
    frames: int  # of a GAVS step
    tpavi_side: int
    rows: int  # of the store that the loader reads
    batch: int | None  # most samples of a training step; None: the profile's batch
    calls: int  # that are timed at most


def published(params: Path) -> Scale:
    """Sizes of the paper profile, whatever profile the file holds."""
    paper = load(profile_file("paper", params))
    return Scale(
        paper,
        sam=paper.encoders.sam.size,
        larger=("vit_h",),
        batches=(1, 4, 8, 16, 32),
        compiled=8,
        backend="inductor",
        looks=8,
        frames=paper.training.batch_frames,
        tpavi_side=56,
        rows=1024,
        batch=None,
        calls=20,
    )


def tiny(params: Path) -> Scale:
    """Sizes of the profile that the file holds, and less of everything."""
    loaded = load(params)
    return Scale(
        loaded,
        sam=loaded.encoders.sam.size,
        larger=(),
        batches=(1, 2),
        compiled=2,
        backend="eager",
        looks=2,
        frames=4,
        tpavi_side=8,
        rows=64,
        batch=4,
        calls=3,
    )
