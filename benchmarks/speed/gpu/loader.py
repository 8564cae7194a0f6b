"""Reading of stored features, and whether a GAVS step waits for it."""

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch

from benchmarks.features.store import FeatureStore, shard_path
from benchmarks.speed.clock import timed, wait
from benchmarks.speed.gpu.page import Figures, GpuTable, Task
from benchmarks.speed.gpu.scale import Scale
from benchmarks.speed.steps import Step
from benchmarks.speed.store import build
from gavs.sam import build_sam
from gavs.sizes import SAM_SIZES

TEXT = """\
A store of SAM's embeddings, fp16, on this machine's temporary disk: every row once, in random
batches of a training step's frames. From disk: the system's cache was emptied of the files (what
lies below a virtual disk may still cache them). A step reads its rows, makes them fp32 and moves
them to the device, as the trainer does, without its masks; ready: they are there."""
TABLE = GpuTable(
    "loader",
    "Reading stored features",
    TEXT,
    {"GB/s": 2, "GB": 2, "ms per step": 2, "ms ready": 2, "waits, % of the step": 0},
)


def tasks(scale: Scale, device: torch.device) -> list[Task]:
    """List one task for the disk, one for the system's cache."""
    return [
        Task(TABLE.name, name, 4, 20, partial(_measure, scale, device, cold))
        for name, cold in (("from disk", True), ("from the system's cache", False))
    ]


def _measure(scale: Scale, device: torch.device, cold: bool) -> Figures:
    size = SAM_SIZES[scale.sam]
    rng = np.random.default_rng(0)
    shape = (scale.rows, size.out, size.grid, size.grid)
    content = rng.integers(0x3C00, size=shape, dtype=np.uint16).view(np.float16)  # 0 to 1
    with torch.device(device):
        sam = build_sam(scale.sam)
    step = Step(sam, scale.frames, {}, device)
    ready = timed(step.batched, device, scale.calls).seconds
    plan = rng.permutation(scale.rows)
    plan = plan[: len(plan) // scale.frames * scale.frames].reshape(-1, scale.frames)
    with TemporaryDirectory() as folder:
        store = build(Path(folder) / "store", content, max(1, scale.rows // 2))
        half = len(plan) // 2
        empty_cache(store) if cold else _read(store, plan)
        start = perf_counter()
        _read(store, plan[:half])
        read = perf_counter() - start
        start = perf_counter()
        for rows in plan[half:]:
            step.batched(store, rows)
        wait(device)
        stepped = (perf_counter() - start) / (len(plan) - half)
    read_bytes = plan[:half].size * store.header.row_bytes
    return {
        "GB/s": read_bytes / read / 1e9,
        "GB": read_bytes / 1e9,
        "ms per step": 1000 * stepped,
        "ms ready": 1000 * ready,
        "waits, % of the step": 100 * max(0.0, 1 - ready / stepped),
        "remark": f"{scale.frames} frames per step, {store.header.row_bytes / 2**20:.2g} MiB each",
    }


def _read(store: FeatureStore, plan: np.ndarray) -> None:
    for rows in plan:
        store[rows]


def empty_cache(store: FeatureStore) -> None:
    """Ask the system to forget the files' pages; they were synced when they were written."""
    for shard in range(store.header.shards):
        file = os.open(shard_path(store.folder, shard), os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
