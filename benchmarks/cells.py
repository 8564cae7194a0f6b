"""Cells: one training and its scores. Idempotent by fingerprint, whoever asks and however often.

A model (`work/<profile>/models`) is trained once, whatever the number of cells that score it
(`work/<profile>/runs`); both are found again by the checksum of all that they depend on.
"""

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
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import few_videos
from benchmarks.data.files import sha256, write_atomic, write_json
from benchmarks.data.index import load_index
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.features.extract import frames_checksum, header
from benchmarks.features.store import FeatureStore
from benchmarks.few_videos import FEW, FewVideos
from benchmarks.params import Params, Row, TrainingParams
from benchmarks.protocol import (
    Cell,
    ClipSets,
    Evaluation,
    Model,
    evaluations_of,
    model_of,
    supervision_of,
    training_of,
)
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.npz import save_scores
from benchmarks.scoring.selection import select
from benchmarks.scoring.vggss import BoxScores, box_terms
from benchmarks.training import checkpoint
from benchmarks.training.audio import Heard, audio_from
from benchmarks.training.clips import ClipSet, Features
from benchmarks.training.evaluate import evaluate, evaluate_boxes, overlay_samples, predict
from benchmarks.training.loop import count_parameters, peak_memory_mb, train, updates
from benchmarks.training.pseudo import sam_masks
from benchmarks.workers import worker_pool
from gavs.method import Method
from gavs.sam import SAM_SIZES
from splits import vggss_boxes

SCHEMA = 2
SCORING_CODE = ("counts", "metrics", "selection", "vggss")
ROOT = Path(__file__).parent.parent
log = logging.getLogger(__name__)


def prune(params: Params, table: str, stage: str | None, cells: list[Cell]) -> None:
    """Remove records that the parameters no longer ask for; their runs stay, and cost nothing.

    `cells` are all that are asked of the stage, or of every stage of the table for None.
    """
    folder = params.work / "records" / table
    wanted = {folder / cell.stage / cell.file_stem for cell in cells}
    for path in (folder / stage if stage else folder).rglob("*"):
        stem = path.name.removesuffix(".json").removesuffix(".npz").removesuffix(".overlays")
        if path.is_file() and not stem.startswith(".") and path.with_name(stem) not in wanted:
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

    @cached_property
    def clip_sets(self) -> ClipSets:
        return ClipSets(self.params, self.index)

    @cached_property
    def classes(self) -> list[str]:
        """AVSBench's class tokens that the index holds, in the order of `Batch.classes`."""
        names = self.index.classes[self.index.boxes == ""]
        return sorted({token for joined in set(names) for token in joined.split("_")})

    @cached_property
    def features(self) -> Features:
        size = SAM_SIZES[self.params.encoders.sam.size].img_size
        return Features(self.store, self.encoders.silence, self.encoders.noise, size)

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
        self, method: Method, name: str, audio: str = "own", frames: str = "scored"
    ) -> ClipSet:
        """The clips of a set as `method` takes them, with the frames that are scored, that may be
        learned from (`labelled`), or all."""
        index = self.clip_sets[name]
        few = frames == "labelled" and index.video.nunique() < FEW
        return (FewVideos if few else ClipSet)(
            index,
            self.features,
            method,
            self.classes,
            labelled_only=frames == "labelled",
            heard=self._heard(audio, index),
            frames=self.params.scoring.frames_per_clip if frames == "scored" else None,
        )

    def model_identity(self, model: Model) -> dict[str, Any]:
        """Everything that a trained model depends on; its checksum is the model's fingerprint."""
        row, training = training_of(self.params, model)
        sets = {"train": model.train, "val": model.val, "full": model.full}
        few = self.clip_sets[model.train].video.nunique() < FEW
        return {
            "schema": SCHEMA,
            **({"few_videos": sha256(Path(few_videos.__file__))} if few else {}),
            **recipe(self.params, model),
            "seed": model.seed,
            "silent": model.silent,
            "clips": {k: frames_checksum(self.clip_sets[v]) for k, v in sets.items() if v},
            "budget": self.params.protocol.fraction_budget if model.full else None,
            "scoring": self._scoring if training.selection != "last" else None,
            "supervision": supervision_of(self.params, model) if model.shots else None,
            "parent": fingerprint(self.model_identity(model.parent)) if model.parent else None,
            "stores": {name: self.store(name).checksum for name in self.store_names(row)},
            "weights": {
                name: self.encoders.checksum(name)
                for name in ("vggish", *row.cls.encoders(row.method_config()))
            },
        }

    def _heard(self, audio: str, index: pd.DataFrame) -> Heard:
        """Whose sound each clip gets; by what really sounds, where the data set says it."""
        if "heard" in index:
            known = index.heard.where(index.heard != "", index.classes)
            index = index.assign(classes=known)
        return audio_from(audio, index)

    def _borrowed(self, test: Evaluation) -> str | None:
        """Checksum of the sound that a test takes from elsewhere."""
        if test.audio in ("own", "silence"):
            return None
        heard = self._heard(test.audio, self.clip_sets[test.clips])
        return sha256((self.features.noise if isinstance(heard, str) else heard).tobytes())

    @cached_property
    def _scoring(self) -> dict[str, Any]:
        wanted = {"thresholds", "squash_size", "frames_per_clip"}
        return self.params.scoring.model_dump(include=wanted)

    def identity(self, cell: Cell) -> dict[str, Any]:
        """Everything that a cell's numbers depend on; its checksum is the cell's fingerprint."""
        return {
            "model": fingerprint(self.model_identity(model_of(cell))),
            "benchmark": cell.benchmark,
            "setting": cell.setting,
            "seed": cell.seed,
            "draw": cell.draw,
            "tests": [
                [
                    test.name,
                    test.audio,
                    test.rules,
                    frames_checksum(self.clip_sets[test.clips]),
                    self._borrowed(test),
                    sha256(Path(vggss_boxes.__file__)) if test.rules else None,
                ]
                for test in evaluations_of(self.params, cell)
            ],
            "scoring": self._scoring,
        }


def fingerprint(identity: dict[str, Any]) -> str:
    return sha256(json.dumps(identity, sort_keys=True).encode())


def recipe(params: Params, model: Model) -> dict[str, Any]:
    """What makes a model apart from the data: its parameters and its code."""
    row, training = training_of(params, model)
    return {
        "method": row.method,
        "parameters": {
            "method": row.config,
            "training": training.model_dump(exclude={"checkpoint_seconds"}),
        },
        "code": code_checksum(row.cls),
    }


def recipe_checksum(params: Params, cell: Cell) -> str:
    """Of all parameters and code behind a cell's numbers; `stale` compares it with today's."""
    model, chain = model_of(cell), []
    while model is not None:
        chain.append([recipe(params, model), supervision_of(params, model)])
        model = model.parent
    scoring = params.scoring.model_dump(include={"thresholds", "squash_size", "frames_per_clip"})
    parts = [chain, scoring, params.protocol.fraction_budget]
    return sha256(json.dumps(parts, sort_keys=True).encode())[:16]


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
    for model in {model_of(cell) for cell in cells}:  # errors before work, and before forking
        for name in bench.store_names(params.row(model.row, model.benchmark)):
            bench.store(name)
    for cell in cells:
        for test in evaluations_of(params, cell):
            bench.clip_sets[test.clips]
    cells = sorted(cells, key=lambda cell: -_cost(bench, cell))
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
    model = model_of(cell)
    row, training = training_of(bench.params, model)
    learned = bench.clip_sets[model.full or model.train].frames.sum()
    tested = sum(
        bench.clip_sets[test.clips].frames.sum() for test in evaluations_of(bench.params, cell)
    )
    return learned * training.epochs * (4 if row.cls.temporal else 2) + tested


def run_cell(bench: Workbench, cell: Cell) -> str:
    """Train and score a cell unless a finished run has its fingerprint; a line on how it went."""
    params = bench.params
    identity = bench.identity(cell)
    own = fingerprint(identity)
    folder = params.work / "runs" / own[:16]
    with _lock(folder, str(cell)):
        known = (folder / "record.json").is_file()
        if not known:
            _score(bench, cell, {"schema": SCHEMA, "fingerprint": own, **identity}, folder)
        record = json.loads((folder / "record.json").read_text())
    record |= {
        "variant": cell.row,
        "profile": params.profile,
        "recipe": recipe_checksum(params, cell),
        "subsets": bench.clip_sets.subsets(cell),  # they follow the shots, the 0-shot run doesn't
        "checksums": {"index": frames_checksum(bench.index), "code": record["code"]},
    }
    target = params.work / "records" / cell.table / cell.stage / cell.file_stem
    for name, suffix in (("scores", ".npz"), ("overlays", ".overlays.npz")):
        write_atomic(target.with_name(target.name + suffix), (folder / f"{name}.npz").read_bytes())
    write_json(target.with_name(f"{target.name}.json"), record)
    spent = "already run" if known else f"{record['run']['seconds']:.1f} s"
    return f"{record['headline']['name']} {100 * record['headline']['value']:.1f} ({spent})"


@contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """One process a run. The kernel frees the lock of a killed process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: waiting for the process that is running it", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def trained(bench: Workbench, model: Model, name: str) -> tuple[Method, dict[str, Any]]:
    """A model and its history, counts and seconds; trained here if no process has done it before.

    Returns:
        The method with the weights that the selection rule names, and what `model.json` holds.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    identity = bench.model_identity(model)
    folder = bench.params.work / "models" / fingerprint(identity)[:16]
    row, training = training_of(bench.params, model)
    with _lock(folder, name):
        method = bench.build(row, model.seed)
        names = checkpoint.trained_names(method)
        path = folder / "model.pt"
        if not (folder / "model.json").is_file():
            if model.parent and not (folder / "last.pt").is_file():
                start, _ = trained(bench, model.parent, f"{name}: its 0-shot model")
                method.load_state_dict(start.state_dict())
            facts = _train(bench, model, method, row, training, folder, name)
            checkpoint.save(path, checkpoint.trained_state(method, names))
            write_json(folder / "model.json", identity | facts)
            for rest in ("last.pt", "best.pt"):
                (folder / rest).unlink(missing_ok=True)
        else:
            checkpoint.load_trained_state(method, names, checkpoint.load(path), path)
        for key, parameter in method.named_parameters():  # as built, whatever phase came last
            parameter.requires_grad_(key in names)
    return method, json.loads((folder / "model.json").read_text())


def _train(
    bench: Workbench,
    model: Model,
    method: Method,
    row: Row,
    training: TrainingParams,
    folder: Path,
    name: str,
) -> dict[str, Any]:
    started = time.monotonic()
    params, device = bench.params, pick_device(bench.params.device)
    if row.cls.oracle:
        return {"counts": {}, "history": [], "selection": None, "seconds": 0.0}
    audio = "silence" if model.silent else "own"
    clips = bench.clips(method, model.train, audio, "labelled")
    if model.full and params.protocol.fraction_budget == "steps":
        whole = bench.clips(method, model.full, audio, "labelled")
        training = _stretched(training, updates(whole, training), len(whole) / len(clips))
    validate = None
    if training.selection != "last":
        val = bench.clips(method, model.val, audio)

        def validate() -> float:
            return miou(evaluate(method, val, device, params.scoring))

    supervision = supervision_of(params, model)
    if supervision == "sam_mask":
        clips.pseudo = sam_masks(clips, bench.encoders.sam())
    history = train(
        method, clips, training, model.seed, device, folder, validate, name, supervision
    )
    return {
        "counts": {
            "train_clips": len(clips.index),
            "train_videos": clips.index.video.nunique(),
            "train_frames": len({(c, f) for c, frames in clips.samples for f in frames}),
            "updates": updates(clips, training),
        },
        "history": history,
        "selection": select(training.selection, history) if history else None,
        "seconds": round(time.monotonic() - started, 2),
    }


def _stretched(training: TrainingParams, steps: int, times: float) -> TrainingParams:
    """As many optimiser steps on fewer clips, validated as often."""
    return training.model_copy(
        update={
            "steps": steps,
            "validate_from": round(training.validate_from * times),
            "validate_every": max(1, round(times)),
        }
    )


def _score(bench: Workbench, cell: Cell, identity: dict, folder: Path) -> None:
    started, clock = time.time(), time.monotonic()
    params, device = bench.params, pick_device(bench.params.device)
    method, model = trained(bench, model_of(cell), str(cell))
    scores: dict[str, FrameScores | BoxScores] = {}
    tests = evaluations_of(params, cell)
    for test in tests:
        clips = bench.clips(method, test.clips, test.audio)
        if test.rules:
            found = evaluate_boxes(method, clips, device, params.scoring, test.rules)
        else:
            found = evaluate(method, clips, device, params.scoring)
        scores[test.name] = found
    trainable, total = count_parameters(method)
    shown = bench.clips(method, tests[0].clips, tests[0].audio, "all")
    record = identity | {
        **{key: model[key] for key in ("method", "parameters", "code", "history", "selection")},
        "counts": model["counts"]
        | {
            "test_clips": len(shown.index),
            "test_videos": shown.index.video.nunique(),
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
            "host": platform.node(),
            "machine": platform.machine(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "versions": versions(),
            "git": git_revision(),
        },
    }
    save_scores(folder / "scores.npz", scores)
    samples = overlay_samples(shown, params.report.overlay_clips)
    write_atomic(folder / "overlays.npz", predict(method, shown, samples, device))
    write_json(folder / "record.json", record)


def _headline(test: Evaluation, scores: FrameScores | BoxScores) -> dict[str, Any]:
    """One figure for the log; tables reduce the scores themselves."""
    if isinstance(scores, BoxScores):
        value = box_terms(scores, "mean_iou", "fixed", "mask").value
        return {"name": f"{test.name} mean IoU", "value": value}
    return {"name": f"{test.name} mIoU", "value": miou(scores)}


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
