"""Filling shards in worker processes: the sound's, then the frames'."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.common.memory import free_memory, ran_out
from benchmarks.common.workers import peak_memory_mb, worker_pool
from benchmarks.features.encode import encode
from benchmarks.features.layout import kind_of
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import Header, ShardWriter, StoreError
from gavs.reading import reason

Entries = dict[str, dict[str, Any]]  # what a manifest says of a shard, by store
SOUNDS = 40  # rows of a trial: some whole clips
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardJob:
    """One shard of the stores that one pass over the frames can fill.

    stored: which of the shard's rows each store gets, by its name, (n,) bool; all without it.
    """

    cover: str
    stores: tuple[Header, ...]
    shard: int
    stored: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    @property
    def keyed(self) -> list[tuple[str, Header]]:
        """Headers of the stores by "{cover}/{name}"."""
        return [(f"{self.cover}/{header.name}", header) for header in self.stores]

    def _of(self, name: str) -> np.ndarray:
        every = np.ones(len(self.stores[0].shard_rows(self.shard)), bool)
        return self.stored.get(name, every)

    @property
    def _some(self) -> np.ndarray:
        return np.any([self._of(header.name) for header in self.stores], axis=0)

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the rows that some store gets."""
        return np.array(self.stores[0].shard_rows(self.shard))[self._some]

    @property
    def taken(self) -> dict[str, np.ndarray]:
        """Which of `rows` each store gets, by its name."""
        return {header.name: self._of(header.name)[self._some] for header in self.stores}

    @property
    def kind(self) -> str:
        """Name of the jobs that take as long per row."""
        return ", ".join(key for key, _ in self.keyed)

    @property
    def by_sam(self) -> bool:
        """True if SAM encodes it, which is worth a GPU."""
        return any(header.name.startswith(("sam", "tokens")) for header in self.stores)


@dataclass(frozen=True)
class FillPlan:
    """Arguments that all jobs share."""

    folder: Path
    parts: dict[str, pd.DataFrame]  # rows of the clip index by cover
    encoders: ProfileEncoders
    batch_size: int
    precision: str
    readers: int  # threads of each process that decode frames


# Inherited by the forked workers: pickled, it would be copied for each job.
_plan: FillPlan
_devices: Any = None  # a queue with a device for each worker


def fill(
    jobs: Sequence[ShardJob], plan: FillPlan, devices: Sequence[torch.device], workers: int
) -> Iterator[tuple[ShardJob, Entries]]:
    """Each job as it is done; SAM's last, one process per GPU."""
    cpus = [torch.device("cpu")] * workers
    for by_sam, places in ((False, cpus), (True, cpus if devices == cpus[:1] else devices)):
        group = [job for job in jobs if job.by_sam == by_sam]
        if not group:
            continue
        places = places[: len(group)]
        with _pool(plan, places) as pool:
            try:
                _log_paces(pool, group, len(places))
                futures = {pool.submit(_fill, job): job for job in group}
                total = sum(len(job.rows) for job in group)
                with tqdm(total=total, desc="encoding", unit=" rows", disable=None) as bar:
                    for future in as_completed(futures):
                        yield futures[future], future.result()
                        bar.update(len(futures[future].rows))
            except BaseException as error:
                pool.shutdown(cancel_futures=True)  # else all that waits runs before the error
                if ran_out(error):
                    raise _short_of_memory(error) from error
                raise


def _short_of_memory(error: BaseException) -> Exception:
    """The same error with the bound and the remedy; a killed worker's keeps its type."""
    killed = isinstance(error, BrokenProcessPool)
    what = "a worker process was killed, as when memory runs out" if killed else reason(error)
    kind = BrokenProcessPool if killed else StoreError
    return kind(
        f"features: {what}; {free_memory()}: set a smaller features.batch_size or fewer workers in "
        "params.yaml; the same command continues where it stopped"
    )


def pace(jobs: Sequence[ShardJob], plan: FillPlan, device: torch.device) -> tuple[float, float]:
    """Seconds per row of jobs of one kind and GiB of one process, by a short trial."""
    with _pool(plan, [device]) as pool:
        seconds = pool.submit(_pace, jobs).result()
        return seconds, pool.submit(peak_memory_mb, device).result() / 2**10


def _pool(plan: FillPlan, devices: Sequence[torch.device]) -> ProcessPoolExecutor:
    """A worker process for each device."""
    global _plan, _devices
    _plan, _devices = plan, get_context("fork").SimpleQueue()
    for device in devices:
        _devices.put(str(device))
    return worker_pool(len(devices))


def _log_paces(pool: ProcessPoolExecutor, jobs: Sequence[ShardJob], workers: int) -> None:
    """Log how long each kind of job takes, by a short trial."""
    kinds: dict[str, list[ShardJob]] = {}
    for job in jobs:
        if len(job.rows):
            kinds.setdefault(job.kind, []).append(job)
    paces = {kind: pool.submit(_pace, same) for kind, same in kinds.items()}
    for kind, pace in paces.items():
        rows = sum(len(job.rows) for job in kinds[kind])
        seconds = pace.result()
        log.info(
            "%s: %.3g rows/s a process, about %.0f s for %d rows with %d",
            *(kind, 1 / seconds, rows * seconds / workers, rows, workers),
        )


@cache
def _device() -> torch.device:
    """The device of this worker process."""
    return torch.device(_devices.get())


def _fill(job: ShardJob) -> Entries:
    """Encode and write a shard of each store; in a worker process."""
    with ExitStack() as stack:
        writers = {
            h.name: stack.enter_context(
                ShardWriter(_plan.folder / key, h, job.shard, job.stored.get(h.name))
            )
            for key, h in job.keyed
        }
        for rows in _encoded(job, job.rows, job.taken):
            for name, values in rows.items():
                writers[name].append(values)
        return {key: writers[h.name].finish() for key, h in job.keyed}


def _encoded(
    job: ShardJob, rows: np.ndarray, taken: Mapping[str, np.ndarray]
) -> Iterator[dict[str, np.ndarray]]:
    return encode(
        job.stores,
        _plan.parts[job.cover],
        rows,
        _plan.encoders,
        _plan.batch_size,
        _device(),
        _plan.precision,
        _plan.readers,
        taken,
    )


def _pace(jobs: Sequence[ShardJob]) -> float:
    """Seconds per row; in a worker process.

    Of frames from all the jobs, since each store takes another share of their rows, and of some
    that no trial has read before: a file's first reading checks it against the index. Sound is
    read in order, since a clip's costs as much for one row as for all.
    """
    rows = np.concatenate([job.rows for job in jobs])
    takes = [job.taken for job in jobs]
    taken = {name: np.concatenate([take[name] for take in takes]) for name in takes[0]}
    sound = bool(kind_of(jobs[0].stores[0].name)["audio"])
    size = SOUNDS if sound else _plan.batch_size
    most = min(len(rows), 2 * size)
    picks = np.arange(most) if sound else np.linspace(0, len(rows) - 1, most).astype(int)
    first, second = (picks[:size], picks[size:]) if sound else (picks[::2], picks[1::2])

    def seconds(part: np.ndarray) -> float:
        part = part if len(part) else first
        start = time.monotonic()
        for _ in _encoded(jobs[0], rows[part], {name: t[part] for name, t in taken.items()}):
            pass
        return (time.monotonic() - start) / len(part)

    seconds(first[:1])  # loads the encoder
    one = seconds(first[1:3])
    if one > 2:  # memory and kernels made for the first batch hardly count
        return one
    seconds(first)
    return seconds(second)
