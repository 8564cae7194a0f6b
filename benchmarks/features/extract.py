"""Filling the feature stores: each frozen encoder, once, over the frames that a table reads.

`encode.py` says what a store's name stands for, `layout.py` which clips a store covers.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.files import clear_parts, locked, write_json
from benchmarks.common.ranks import devices, this_rank
from benchmarks.common.workers import worker_pool
from benchmarks.features.fill import FillPlan, ShardJob, fill
from benchmarks.features.layout import covered, kind_of
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import (
    FeatureStore,
    Header,
    StoreError,
    listed_shards,
    shard_path,
    shard_problem,
    stored_rows,
    write_manifest,
)

log = logging.getLogger(__name__)
PATIENCE = 2 * 3600  # seconds that the slowest shard may take; a rank that was killed never ends


def extract(
    headers: Mapping[str, Header],
    index: pd.DataFrame,
    folder: Path,
    encoders: ProfileEncoders,
    batch_size: int,
    workers: int,
    device: str = "cpu",
    precision: str = "fp32",
    needed: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Fill every store under `folder`; what is finished already is kept.

    Writes `folder/manifest.json`, the checksums of all stores, last. Processes that torchrun or
    srun starts side by side deal the shards out among themselves.

    Args:
        headers: what each store must be made from, by "{cover}/{name}" (`Fingerprints.stores`).
        needed: which rows of a store are read, by the same keys, (rows,) bool; without a key, all.
            A shard that lacks some is encoded again, with what it held.
        workers: processes; on GPUs one each for the frames, with as many threads that decode them.
        device: of the image encoder, as in params.yaml.

    Raises:
        StoreError: more than the disk can take, no such device, values that are not finite.
    """
    rank = this_rank()
    places = devices(device, rank)
    stores: dict[str, list[str]] = {}  # names by what they cover
    for key in headers:
        cover, name = key.split("/")
        stores.setdefault(cover, []).append(name)
    parts = {cover: covered(index, cover) for cover in stores}
    with locked(folder.with_name(f"{folder.name}.lock-{rank.number}"), "features"):
        listed, stored = listed_and_stored(folder, headers, needed or {})
        _refuse_full_disk(folder, headers, listed, stored)
        jobs = [
            ShardJob(
                cover,
                tuple(headers[f"{cover}/{name}"] for name in group),
                shard,
                {name: stored[f"{cover}/{name}"][shard] for name in group},
            )
            for cover in parts
            for group in passes(stores[cover])
            for shard in range(headers[f"{cover}/{group[0]}"].shards)
        ][rank.number :: rank.size]
        finished = _still_whole(folder, jobs, listed, workers)
        todo = [
            replace(job, stores=unfinished)
            for job in jobs
            if (unfinished := tuple(h for key, h in job.keyed if job.shard not in finished[key]))
        ]
        gigabytes = sum(h.row_bytes * sum(map(sum, stored[k])) for k, h in headers.items()) / 2**30
        log.info(
            "%d stores, %.2f GiB in all; %d of %d shards to fill%s",
            *(len(headers), gigabytes, sum(len(j.stores) for j in todo)),
            sum(len(j.stores) for j in jobs),
            f" by rank {rank.number} of {rank.size}" if rank.size > 1 else "",
        )
        start = time.monotonic()
        number = rank.number if rank.size > 1 else None
        for key, h in headers.items():  # even of one that has nothing left to do: it is waited for
            write_manifest(folder / key, h, finished[key], number)
        readers = 1 if places[0].type == "cpu" else workers
        plan = FillPlan(folder, parts, encoders, batch_size, precision, readers)
        for job, entries in fill(todo, plan, places, workers):
            for key, entry in entries.items():
                finished[key][job.shard] = entry
                write_manifest(folder / key, headers[key], finished[key], number)
        for key in headers:  # of writers that were dying when the first shard was begun
            clear_parts(folder / key)
        log.info("features ready after %.0f s", time.monotonic() - start)
        if rank.number:
            return
        if rank.size > 1:
            _gather(folder, headers)
        checksums = {k: FeatureStore(folder / k, h).checksum for k, h in headers.items()}
        write_json(folder / "manifest.json", checksums)


def passes(names: Sequence[str]) -> list[list[str]]:
    """Stores that one pass fills together: all that need the frames, each sound's alone.

    So a frame is read and decoded once, whatever the number of its stores.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(kind_of(name)["audio"] or "frames", []).append(name)
    return list(groups.values())


def listed_and_stored(
    folder: Path, headers: Mapping[str, Header], needed: Mapping[str, np.ndarray]
) -> tuple[dict[str, dict[int, Any]], dict[str, list[np.ndarray]]]:
    """List the finished shards of each store, and which rows each of its shards is to hold.

    A finished shard holds all that is needed of it. No row that is there is given up: going back to
    other tables costs nothing.
    """
    listed: dict[str, dict[int, Any]] = {}
    stored: dict[str, list[np.ndarray]] = {}
    for key, h in headers.items():
        there = listed_shards(folder / key, h)
        rows = needed.get(key, np.ones(h.rows, bool))
        parts = [rows[h.shard_rows(k).start : h.shard_rows(k).stop] for k in range(h.shards)]
        held = [stored_rows(there.get(k), len(part)) for k, part in enumerate(parts)]
        stored[key] = [part | old for part, old in zip(parts, held, strict=True)]
        listed[key] = {k: there[k] for k in there if not (parts[k] & ~held[k]).any()}
    return listed, stored


def _refuse_full_disk(
    folder: Path, headers: Mapping[str, Header], listed: Mapping, stored: Mapping
) -> None:
    size = bytes_to_write(folder, headers, listed, stored)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise StoreError(
            f"{folder}: {size / 2**30:.1f} GiB to write, {free / 2**30:.1f} GiB free: free some, "
            "move `work` to a larger disk and leave a link, or take stores out of features.stores "
            "with the rows that read them"
        )


def bytes_to_write(
    folder: Path,
    headers: Mapping[str, Header],
    listed: Mapping[str, Mapping],
    stored: Mapping[str, Sequence[np.ndarray]],
) -> int:
    """Bytes of the shards that no manifest lists, less the files that they replace."""
    total = 0
    for key, h in headers.items():
        for shard in set(range(h.shards)) - set(listed[key]):
            old = shard_path(folder / key, shard)
            replaced = old.stat().st_size if old.is_file() else 0
            total += max(0, h.row_bytes * int(stored[key][shard].sum()) - replaced)
    return total


def _still_whole(
    folder: Path, jobs: Sequence[ShardJob], listed: Mapping[str, Mapping], workers: int
) -> dict[str, dict[int, Any]]:
    """The listed shards of these jobs whose files are as they were written, by store."""
    shards = [(k, job.shard) for job in jobs for k, _ in job.keyed if job.shard in listed[k]]
    finished: dict[str, dict[int, Any]] = {key: {} for key in listed}
    with worker_pool(workers) as pool:
        paths = [shard_path(folder / key, shard) for key, shard in shards]
        entries = [listed[key][shard] for key, shard in shards]
        problems = pool.map(partial(shard_problem, content=True), paths, entries)
        for (key, shard), entry, problem in zip(shards, entries, problems, strict=True):
            if problem:
                log.warning("%s: it is encoded again", problem)
            else:
                finished[key][shard] = entry
    return finished


def _gather(folder: Path, headers: Mapping[str, Header]) -> None:
    """Wait for the other ranks and make one list of theirs."""

    def shards(key: str) -> dict[int, Any]:
        return listed_shards(folder / key, headers[key], "manifest-*.json")

    def missing() -> list[str]:
        return [
            str(shard_path(folder / key, shard))
            for key, h in headers.items()
            for shard in sorted(set(range(h.shards)) - set(shards(key)))
        ]

    _await(missing)
    for key, h in headers.items():
        write_manifest(folder / key, h, shards(key))


def _await(missing: Callable[[], list[str]], seconds: float = 1.0) -> None:
    """Wait until nothing is missing any more.

    Raises:
        StoreError: naming what is, when no more has come for a long time.
    """
    waiting, since = missing(), time.monotonic()
    while waiting:
        if time.monotonic() - since > PATIENCE:
            raise StoreError(
                f"{len(waiting)} shards of other processes don't come, {waiting[0]} first: "
                "one must have "
                "been killed. Start the same command again: it continues"
            )
        time.sleep(seconds)
        current = missing()
        if current != waiting:
            waiting, since = current, time.monotonic()
