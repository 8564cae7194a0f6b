"""Cells: one training and its scores. Idempotent by fingerprint, whoever asks and however often."""

import fcntl
import inspect
import json
import logging
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.data.files import sha256, write_atomic, write_json
from benchmarks.data.index import load_index
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.features.extract import frames_checksum, header
from benchmarks.features.store import FeatureStore
from benchmarks.params import Params, Row, TrainingParams
from benchmarks.scoring.counts import save_scores
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.selection import select
from benchmarks.training.clips import ClipSet, Features, audio_of_other_classes
from benchmarks.training.evaluate import evaluate, overlay_samples, predict
from benchmarks.training.loop import count_parameters, peak_memory_mb, train
from benchmarks.workers import worker_pool
from gavs.method import Method
from gavs.sam import SAM_SIZES

SCHEMA = 1
SCORING_CODE = ("counts", "metrics", "selection")
ROOT = Path(__file__).parent.parent
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """A place in a table: which row, on which benchmark, trained how, with which seed."""

    table: str
    stage: str  # the DVC stage, and the folder of records that it owns
    row: str
    benchmark: str
    setting: str  # train, or floor: trained and tested with silent audio
    seed: int

    @property
    def file_stem(self) -> str:
        stem = f"{self.benchmark}-{self.setting}-seed{self.seed}"
        return stem if self.row == self.stage else f"{self.row}-{stem}"

    def __str__(self) -> str:
        return f"{self.table} {self.row} {self.benchmark} {self.setting} seed {self.seed}"


def cells_of(params: Params, table: str, stage: str) -> list[Cell]:
    """Every cell that the parameters ask of one stage of a table."""
    stages = params.table_rows(table)
    if stage not in stages:
        raise KeyError(f"tables.{table} has no '{stage}'; it has {', '.join(stages)}")
    cells = []
    for row in stages[stage]:
        for benchmark in params.table_benchmarks(table):
            oracle = params.row(row, benchmark).cls.oracle
            seeds = params.seeds[:1] if oracle else params.seeds
            cells += [Cell(table, stage, row, benchmark, "train", seed) for seed in seeds]
            if table == "table1" and not oracle:
                floors = [seed for seed in params.scoring.floor_seeds if seed in seeds]
                cells += [Cell(table, stage, row, benchmark, "floor", seed) for seed in floors]
    return cells


def prune(params: Params, table: str, stage: str, cells: list[Cell]) -> None:
    """Remove records that the parameters no longer ask for; their runs stay, and cost nothing."""
    folder = params.work / "records" / table / stage
    wanted = {cell.file_stem for cell in cells}
    for path in folder.glob("*"):
        if not path.name.startswith(".") and path.name.split(".")[0] not in wanted:
            path.unlink()


class Workbench:
    """What the cells of a process share: the index, the opened stores, the encoders."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.encoders = ProfileEncoders(params.encoders, params.audio)
        self._stores: dict[str, FeatureStore] = {}

    @cached_property
    def index(self) -> pd.DataFrame:
        index = load_index(self.params.work / "index.csv")
        index["first_row"] = index.frames.cumsum() - index.frames
        return index

    def store(self, name: str) -> FeatureStore:
        if name not in self._stores:
            rows = self.params.features.rows_per_shard
            expected = header(name, self.index, self.encoders, rows)
            self._stores[name] = FeatureStore(self.params.work / "features" / name, expected)
        return self._stores[name]

    def store_names(self, row: Row) -> list[str]:
        return sorted({"vggish", *row.cls.inputs(row.method_config()).values()})

    def build(self, row: Row, seed: int) -> Method:
        torch.manual_seed(int(np.random.SeedSequence([seed, 0]).generate_state(1)[0]))
        return row.cls(row.method_config(), self.encoders)

    def clips(
        self, row: Row, method: Method, benchmark: str, split: str, **options: Any
    ) -> ClipSet:
        chosen = (self.index.benchmark == benchmark) & (self.index.split == split)
        features = Features(
            {name: self.store(name) for name in self.store_names(row)},
            self.encoders.silence,
            SAM_SIZES[self.params.encoders.sam.size].img_size,
        )
        index = self.index[chosen].reset_index(drop=True)
        return ClipSet(index, self.params.data.root, features, method, **options)

    def identity(self, cell: Cell) -> dict[str, Any]:
        """Everything that a cell's numbers depend on; its checksum is the fingerprint."""
        row = self.params.row(cell.row, cell.benchmark)
        known = recipe(self.params, row) | {
            "schema": SCHEMA,
            "benchmark": cell.benchmark,
            "setting": cell.setting,
            "seed": cell.seed,
        }
        known["checksums"] |= {
            "index": frames_checksum(self.index),
            "stores": {name: self.store(name).checksum for name in self.store_names(row)},
            "weights": {
                name: self.encoders.checksum(name)
                for name in ("vggish", *row.cls.encoders(row.method_config()))
            },
        }
        return known


def recipe(params: Params, row: Row) -> dict[str, Any]:
    """What makes a row's numbers apart from the data: its parameters and its code."""
    return {
        "method": row.method,
        "parameters": {
            "method": row.config,
            "training": row.training.model_dump(exclude={"checkpoint_seconds"}),
            "scoring": params.scoring.model_dump(exclude={"batch_frames", "floor_seeds"}),
        },
        "checksums": {"code": code_checksum(row.cls)},
    }


@lru_cache
def code_checksum(cls: type[Method]) -> str:
    """Of the code that decides a method's numbers: gavs, the method's file, loop and metrics."""
    own = Path(inspect.getfile(cls))
    files = [*(ROOT / "gavs").glob("*.py"), *(ROOT / "benchmarks/training").glob("*.py")]
    files += [ROOT / "benchmarks/scoring" / f"{name}.py" for name in SCORING_CODE] + [own]
    if own.parent.name == "baselines":
        files += (ROOT / "baselines").glob("_[!_]*.py")
    return sha256(*sorted(set(files)))


def run_cells(params: Params, cells: list[Cell], workers: int) -> list[str]:
    """Run cells side by side, the longest first; the reasons of those that failed.

    Each worker is one process with one torch thread, so `workers` never changes a result.
    """
    bench = Workbench(params)
    cells = sorted(cells, key=lambda cell: -_cost(bench, cell))
    for row in {(c.row, c.benchmark) for c in cells}:  # errors before work, and before forking
        for name in bench.store_names(params.row(*row)):
            bench.store(name)
    failures = []
    global _shared
    _shared = bench  # inherited by the forked workers: a pickled store would be read whole
    with worker_pool(min(workers, len(cells))) as pool:
        futures = {pool.submit(_run_shared, cell): cell for cell in cells}
        for done, future in enumerate(as_completed(futures), start=1):
            cell = futures[future]
            try:
                line = future.result()
                log.info("[%d/%d] %s: %s", done, len(cells), cell, line)
            except Exception as error:  # a failing cell must not stop the others
                log.error("[%d/%d] %s: FAILED: %s", done, len(cells), cell, error)
                failures.append(f"{cell}: {error}")
    return failures


_shared: Workbench | None = None


def _run_shared(cell: Cell) -> str:
    return run_cell(_shared, cell)


def _cost(bench: Workbench, cell: Cell) -> float:
    """Roughly, frames that pass through the method."""
    row = bench.params.row(cell.row, cell.benchmark)
    clips = bench.index[bench.index.benchmark == cell.benchmark]
    frames = clips.groupby("split").frames.sum()
    return (
        frames.get("train", 0) * row.training.epochs * (4 if row.cls.temporal else 2) + frames.sum()
    )


def run_cell(bench: Workbench, cell: Cell) -> str:
    """Train and score a cell unless a finished run has its fingerprint; a line on how it went."""
    params = bench.params
    identity = bench.identity(cell)
    fingerprint = sha256(json.dumps(identity, sort_keys=True).encode())
    folder = params.work / "runs" / fingerprint[:16]
    with _lock(folder, cell):
        known = (folder / "record.json").is_file()
        if not known:
            _train_and_score(bench, cell, identity | {"fingerprint": fingerprint}, folder)
        record = json.loads((folder / "record.json").read_text())
    record |= {"variant": cell.row, "profile": params.profile}
    target = params.work / "records" / cell.table / cell.stage / cell.file_stem
    for name, suffix in (("scores", ".npz"), ("overlays", ".overlays.npz")):
        write_atomic(target.with_suffix(suffix), (folder / f"{name}.npz").read_bytes())
    write_json(target.with_suffix(".json"), record)
    spent = "already run" if known else f"{record['run']['seconds']:.1f} s"
    return f"mIoU {100 * record['headline']['miou']:.1f} ({spent})"


@contextmanager
def _lock(folder: Path, cell: Cell) -> Iterator[None]:
    """One process a run. The kernel frees the lock of a killed process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: waiting for the process that is running it", cell)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _train_and_score(bench: Workbench, cell: Cell, identity: dict, folder: Path) -> None:
    started, clock = time.time(), time.monotonic()
    torch.use_deterministic_algorithms(True, warn_only=True)
    params = bench.params
    device = pick_device(params.device)
    row = params.row(cell.row, cell.benchmark)
    method = bench.build(row, cell.seed)
    audio = "silent" if cell.setting == "floor" else None
    history, counts = [], {}
    if not row.cls.oracle:
        clips = bench.clips(
            row, method, cell.benchmark, "train", labelled_only=True, audio_from=audio
        )
        val = bench.clips(row, method, cell.benchmark, "val", audio_from=audio)

        def validate() -> float:
            return miou(evaluate(method, val, device, params.scoring))

        wants_val = row.training.selection != "last"
        history = train(
            method,
            clips,
            row.training,
            cell.seed,
            device,
            folder,
            validate if wants_val else None,
            str(cell),
        )
        counts = {
            "train_clips": len(clips.index),
            "train_videos": clips.index.video.nunique(),
            "train_frames": len({(c, f) for c, frames in clips.samples for f in frames}),
            "updates": _updates(len(clips), method, row.training),
        }
    test = bench.clips(row, method, cell.benchmark, "test", audio_from=audio)
    scores = {"test": evaluate(method, test, device, params.scoring)}
    if audio is None and cell.seed in params.scoring.shuffle_seeds and not row.cls.oracle:
        test.audio_from = audio_of_other_classes(test.index)
        scores["test_shuffled"] = evaluate(method, test, device, params.scoring)
    trainable, total = count_parameters(method)
    record = identity | {
        "counts": counts
        | {
            "test_clips": len(test.index),
            "test_videos": test.index.video.nunique(),
            "trainable_parameters": trainable,
            "total_parameters": total,
        },
        "selection": select(row.training.selection, history) if history else None,
        "history": history,
        "evaluations": sorted(scores),
        "headline": {"miou": miou(scores["test"])},  # for people; tables reduce the scores
        "run": {
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.monotonic() - clock, 2),
            "peak_memory_mb": round(peak_memory_mb(device)),
            "host": platform.node(),
            "machine": platform.machine(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "versions": versions(),
            "git": git_revision(),
        },
    }
    save_scores(folder / "scores.npz", scores)
    test.audio_from = audio
    samples = overlay_samples(test, params.report.overlay_clips)
    write_atomic(folder / "overlays.npz", predict(method, test, samples, device))
    write_json(folder / "record.json", record)


def _updates(samples: int, method: Method, training: TrainingParams) -> int:
    size = min(training.batch_clips if method.temporal else training.batch_frames, samples)
    return samples // size * training.epochs


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where it is."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@lru_cache
def versions() -> dict[str, str]:
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
