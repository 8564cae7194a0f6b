"""Cells: one training's scores in one place of a table. Idempotent by fingerprint.

A run (`work/<profile>/runs`) is found again by the checksum of all that it depends on, so a cell
costs nothing the second time, whoever asks.
"""

import logging
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.closure import ROOT
from benchmarks.common.files import clear_parts, link, read_sealed, write_atomic
from benchmarks.common.memory import free_memory
from benchmarks.common.paths import PathError, below
from benchmarks.common.ranks import devices, this_rank
from benchmarks.common.workers import peak_memory_mb, worker_pool
from benchmarks.grid.fingerprint import fingerprint, recipe_checksum
from benchmarks.grid.folders import discard_damaged, finish
from benchmarks.grid.models import lock, pick_device, trained
from benchmarks.grid.protocol import (
    Cell,
    Evaluation,
    evaluations_of,
    model_of,
    record_stem,
    training_of,
)
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params
from benchmarks.scoring.boxes import BoxScores, box_terms
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.npz import save_scores
from benchmarks.scoring.records import SCHEMA, write_record
from benchmarks.training import distributed
from benchmarks.training.evaluate import evaluate, evaluate_boxes, overlay_samples, predict
from benchmarks.training.loop import Diverged, count_parameters

log = logging.getLogger(__name__)


def prune(params: Params, table: str, stage: str | None, cells: list[Cell]) -> None:
    """Remove records that the parameters no longer ask for; their runs stay, and cost nothing.

    Args:
        cells: all that are asked of the stage, or of every stage of the table for None.

    Raises:
        PathError: a name leads out of the table's records, or their folder is a link.
    """
    folder = below(params.work / "records", table)
    stems = {below(folder, cell.stage, cell.file_stem) for cell in cells}
    top = below(folder, stage) if stage else folder
    if any(path.is_symlink() for path in (top, folder)):
        raise PathError(f"{top}: a link; records are removed from plain folders only")
    for parent, _, names in os.walk(top):  # which doesn't follow links
        for path in (Path(parent, name) for name in names):
            stem = path.name.removesuffix(".json").removesuffix(".npz").removesuffix(".overlays")
            if path.is_symlink() or not path.is_file() or stem.startswith("."):
                continue
            if path.with_name(stem) not in stems:
                path.unlink(missing_ok=True)  # another run may be quicker


def run_cells(params: Params, cells: list[Cell], workers: int) -> list[str]:
    """Run cells side by side, the longest first; the reasons of those that failed.

    Each worker is one process with one torch thread, so `workers` never changes a result.
    """
    devices(params.device, this_rank())  # errors before work, and before forking
    bench = Workbench(params)
    for model in {model_of(cell) for cell in cells}:
        bench.stores(params.row(model.row, model.benchmark))
    for cell in cells:
        for test in evaluations_of(params, cell):
            bench.clip_sets[test.clips]
    for folder in {record_stem(params, cell).parent for cell in cells}:
        clear_parts(folder)
    cells = sorted(cells, key=lambda cell: -cost(bench, cell))
    failures = []
    for number, (cell, result) in enumerate(_results(bench, cells, workers), start=1):
        try:
            log.info("[%d/%d] %s: %s", number, len(cells), cell, result())
        except BrokenProcessPool:
            raise BrokenProcessPool(
                f"a worker process was killed, as when memory runs out; {free_memory()}: set fewer "
                "workers or smaller batches in params.yaml; the same command continues where it "
                "stopped"
            ) from None
        except Exception as error:  # a failing cell must not stop the others
            if distributed.several() and not isinstance(error, Diverged):
                raise  # the other ranks don't know of it, and would wait for this one
            text = str(error) if " " in str(error) else f"{type(error).__name__}: {error}"
            log.error("[%d/%d] %s: FAILED: %s", number, len(cells), cell, text)
            failures.append(f"{cell}: {text}")
    return failures


def _results(
    bench: Workbench, cells: list[Cell], workers: int
) -> Iterator[tuple[Cell, Callable[[], str]]]:
    """Cells as they end, each with a call that gives its line or raises what stopped it; over
    several ranks one after the other."""
    if distributed.several():
        yield from ((cell, partial(run_cell, bench, cell)) for cell in cells)
        return
    global _shared
    _shared = bench  # inherited by the forked workers: a pickled store would be read whole
    with worker_pool(min(workers, len(cells))) as pool:
        futures = {pool.submit(_run_shared, cell): cell for cell in cells}
        for future in as_completed(futures):
            yield futures[future], future.result


_shared: Workbench


def _run_shared(cell: Cell) -> str:
    return run_cell(_shared, cell)


def cost(bench: Workbench, cell: Cell) -> float:
    """Roughly, frames that pass through the method."""
    model = model_of(cell)
    row, training = training_of(bench.params, model)
    learned = bench.clip_sets[model.full or model.train].frames.sum() * training.epochs
    if training.steps is not None:
        learned = training.steps * training.batch_frames
    tested = sum(
        bench.clip_sets[test.clips].frames.sum() for test in evaluations_of(bench.params, cell)
    )
    return learned * (4 if row.temporal else 2) + tested


def run_cell(bench: Workbench, cell: Cell) -> str:
    """Train and score a cell unless a finished run has its fingerprint; a line on how it went."""
    params = bench.params
    identity = bench.fingerprints.record(cell)
    checksum = fingerprint(identity)
    folder = params.work / "runs" / checksum[:16]
    with lock(folder, str(cell)):
        if distributed.first():
            discard_damaged(folder, "record.json")
        distributed.wait()
        recorded = (folder / "record.json").is_file()
        if not recorded:
            _score(bench, cell, {"schema": SCHEMA, "fingerprint": checksum, **identity}, folder)
        if not distributed.first():
            return "written by the first rank"
        record = read_sealed(folder / "record.json")
        target = record_stem(params, cell)
        for name, suffix in (("scores", ".npz"), ("overlays", ".overlays.npz")):
            link(target.with_name(target.name + suffix), folder / f"{name}.npz")
    record |= {
        "variant": cell.row,
        "profile": params.profile,
        "recipe": recipe_checksum(params, cell),
        "subsets": bench.clip_sets.subsets(cell),  # they follow the shots, the 0-shot run doesn't
        "checksums": {"index": bench.fingerprints.index, "code": record["code"]},
    }
    write_record(target.with_name(f"{target.name}.json"), record)
    spent = "already run" if recorded else f"{record['run']['seconds']:.1f} s"
    return f"{record['headline']['name']} {100 * record['headline']['value']:.1f} ({spent})"


def _score(bench: Workbench, cell: Cell, identity: dict, folder: Path) -> None:
    started, clock = time.time(), time.monotonic()
    params, device = bench.params, pick_device(bench.params.device)
    method, model = trained(bench, model_of(cell), str(cell))
    scores: dict[str, FrameScores | BoxScores] = {}
    tests = evaluations_of(params, cell)
    for test in tests:
        clips = bench.clips(method, test.clips, test.audio)
        method.guided = test.guided
        if test.rules:
            boxed = evaluate_boxes(method, clips, device, params.scoring, test.rules)
            scores[test.name] = boxed
        else:
            scores[test.name] = evaluate(method, clips, device, params.scoring)
    method.guided = False
    if not distributed.first():
        return
    trainable, total = count_parameters(method)
    all_frames = bench.clips(method, tests[0].clips, tests[0].audio, "all")
    record = identity | {
        **{key: model[key] for key in ("method", "parameters", "code", "history", "selection")},
        "counts": model["counts"]
        | {
            "test_clips": len(all_frames.index),
            "test_videos": all_frames.index.video.nunique(),
            "trainable_parameters": trainable,
            "total_parameters": total,
        },
        "evaluations": sorted(scores),
        "headline": _headline(tests[0], scores[tests[0].name]),
        "run": {
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.monotonic() - clock, 2),
            "training_seconds": model["seconds"],
            "peak_memory_mb": round(peak_memory_mb(device)),
            "processes": distributed.size(),
            "host": platform.node(),
            "machine": platform.machine(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "versions": versions(),
            "git": git_revision(),
        },
    }
    save_scores(folder / "scores.npz", scores)
    samples = overlay_samples(all_frames, params.report.overlay_clips)
    write_atomic(folder / "overlays.npz", predict(method, all_frames, samples, device))
    finish(folder, "record.json", record, ["scores.npz", "overlays.npz"])


def _headline(test: Evaluation, scores: FrameScores | BoxScores) -> dict[str, Any]:
    """One figure for the log; tables reduce the scores themselves."""
    if isinstance(scores, BoxScores):
        value = box_terms(scores, "mean_iou", "fixed", "mask").value
        return {"name": f"{test.name} mean IoU", "value": value}
    return {"name": f"{test.name} mIoU", "value": miou(scores)}


@lru_cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide numbers."""
    names = ("torch", "segment-anything", "mmengine", "timm", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@lru_cache
def git_revision() -> str:
    """Commit of the code, with "+" when the working tree differs from it."""
    git = ["git", "-C", os.fspath(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
