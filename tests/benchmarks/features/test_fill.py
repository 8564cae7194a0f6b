"""An extraction that memory is too short for names the bound and a remedy."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch

from benchmarks.features import fill
from benchmarks.features.store import Header, StoreError

JOB = fill.ShardJob("avs", (Header("pixels8", 4, (3, 8, 8), "uint8", 4, {}),), 0)


def _no_memory(*_):
    raise MemoryError


def _no_memory_of_torchs(*_):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def _killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does over a control group's limit


@pytest.mark.parametrize(
    ("encoded", "kind", "what"),
    [
        (_no_memory, StoreError, "MemoryError"),
        (_no_memory_of_torchs, StoreError, "DefaultCPUAllocator: can't allocate"),
        (_killed, BrokenProcessPool, "a worker process was killed, as when memory runs out"),
    ],
)
def test_short_memory_is_an_error_with_the_bound_and_the_remedy(
    tmp_path, monkeypatch, encoded, kind, what
):
    monkeypatch.setattr(fill, "_encoded", encoded)
    plan = fill.FillPlan(tmp_path, {}, None, 4, "fp32", 1)
    with pytest.raises(kind) as error:
        list(fill.fill([JOB], plan, [torch.device("cpu")], 1))
    text = str(error.value)
    assert text.startswith(f"features: {what}") and "GiB are free here, by " in text
    assert "features.batch_size or fewer workers" in text


def test_another_error_keeps_its_own_words(tmp_path, monkeypatch):
    def broken(*_):
        raise StoreError("row 3 holds NaN")

    monkeypatch.setattr(fill, "_encoded", broken)
    plan = fill.FillPlan(tmp_path, {}, None, 4, "fp32", 1)
    with pytest.raises(StoreError, match="^row 3 holds NaN$"):
        list(fill.fill([JOB], plan, [torch.device("cpu")], 1))


def test_a_trial_is_of_frames_from_all_jobs_in_the_stores_own_shares(monkeypatch, tmp_path):
    """Two stores, of which one takes the first shard alone: half of a trial's rows."""
    stores = tuple(Header(name, 64, (3, 8, 8), "uint8", 32, {}) for name in ("pixels8", "pixels9"))
    jobs = [fill.ShardJob("avs", stores, k, {"pixels9": np.full(32, k == 0)}) for k in (0, 1)]
    plan = fill.FillPlan(tmp_path, {}, None, 8, "fp32", 1)
    read = []

    def encoded(job, rows, taken):
        read.append((rows.tolist(), taken["pixels8"].mean(), taken["pixels9"].mean()))
        return []

    monkeypatch.setattr(fill, "_plan", plan, raising=False)
    monkeypatch.setattr(fill, "_encoded", encoded)
    fill._pace(jobs)
    last, whole, half = read[-1]
    assert (whole, half) == (1, 0.5)
    assert len(last) == 8 and not set(last) & {row for rows, _, _ in read[:-1] for row in rows}
