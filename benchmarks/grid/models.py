"""Trained models, each found again by the checksum of all that it depends on.

A model (`work/<profile>/models`) is trained once, whatever the number of cells that score it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.files import locked, read_sealed
from benchmarks.grid.budget import shortened, stretched
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.folders import LOCK, discard_damaged, empty, finish
from benchmarks.grid.protocol import Model, supervision_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Row
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.selection import select
from benchmarks.training import distributed, snapshot
from benchmarks.training.config import TrainingParams
from benchmarks.training.evaluate import evaluate, held_out_loss
from benchmarks.training.loop import train, updates
from benchmarks.training.sam_masks import sam_masks
from gavs.method import Method

log = logging.getLogger(__name__)


@contextmanager
def lock(folder: Path, name: str) -> Iterator[None]:
    """Lock for one process, or one group of ranks, per run."""
    with locked(folder / LOCK, name) if distributed.first() else nullcontext():
        distributed.wait()
        yield
        distributed.wait()  # the first rank's files are there


def trained(bench: Workbench, model: Model, name: str) -> tuple[Method, dict[str, Any]]:
    """A model and its history, counts and seconds; trained here if no process has done it before.

    Returns:
        The method with the weights that the selection rule names, and what `model.json` holds.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Every empty tensor would be filled with NaN before it is written: 4 % of a training.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    identity = bench.fingerprints.model(model)
    folder = bench.params.shared / "models" / fingerprint(identity)[:16]
    row, training = training_of(bench.params, model)
    with lock(folder, name):
        method = bench.build(row, model.seed)
        names = snapshot.trained_names(method)
        path = folder / "model.pt"
        if distributed.first():
            discard_damaged(folder, "model.json")
        distributed.wait()
        if not (folder / "model.json").is_file():
            try:
                facts = _train(bench, model, method, row, training, folder, name)
            except snapshot.SnapshotError as error:  # what a killed training has left
                log.warning("%s; %s is trained from its start", error, name)
                distributed.wait()
                if distributed.first():
                    empty(folder)
                distributed.wait()
                method = bench.build(row, model.seed)
                facts = _train(bench, model, method, row, training, folder, name)
            distributed.wait()  # every rank has read what goes now
            if distributed.first():
                snapshot.save(path, snapshot.trained_state(method, names))
                finish(folder, "model.json", identity | facts, ["model.pt"])
        else:
            snapshot.load_trained_state(method, names, snapshot.load(path), path)
        if distributed.first():
            for rest in ("last.pt", "best.pt"):
                (folder / rest).unlink(missing_ok=True)
        for key, parameter in method.named_parameters():  # as built, whatever phase came last
            parameter.requires_grad_(key in names)
    return method, read_sealed(folder / "model.json")


def _train(
    bench: Workbench,
    model: Model,
    method: Method,
    row: Row,
    training: TrainingParams,
    folder: Path,
    name: str,
) -> dict[str, Any]:
    if model.parent and not (folder / "last.pt").is_file():
        start, _ = trained(bench, model.parent, f"{name}: its 0-shot model")
        method.load_state_dict(start.state_dict())
    started = time.monotonic()
    params, device = bench.params, pick_device(bench.params.device)
    if row.method_config.oracle:
        return {"counts": {}, "history": [], "selection": None, "seconds": 0.0}
    audio = "silence" if model.silent else "own"
    clips = bench.clips(method, model.train, audio, "labelled", training)
    if model.full and params.protocol.fraction_budget == "steps":
        whole = bench.clips(method, model.full, audio, "labelled", training)
        training = stretched(training, updates(whole, training), len(whole) / len(clips))
    elif model.full:
        training = shortened(training, model.train)
    validate = None
    if training.selection != "last":
        val = bench.clips(method, model.val, audio)  # type: ignore[arg-type]  # all who select have

        def validate() -> float:
            if row.method_config.supervised:
                return miou(evaluate(method, val, device, params.scoring))
            return -held_out_loss(method, val, device, training.batch_frames)

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


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where it is. A GPU that is named by number becomes the process's own: seeds
    and the record's name of the machine go by it."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.index is not None:
        torch.cuda.set_device(device)
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, as in `gavs predict`
    return device
