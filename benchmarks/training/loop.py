"""The training loop of every method.

All randomness is a function of (seed, step): the batches of an epoch, dropout, noise, the learning
rate. So a resumed training needs no generator states to be equal to an uninterrupted one, bit for
bit, wherever it was killed. Over several processes: `distributed`.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from benchmarks.common.ahead import ahead
from benchmarks.scoring.selection import select
from benchmarks.training import distributed, snapshot
from benchmarks.training.clips import Samples
from benchmarks.training.config import TrainingParams
from gavs.losses import box_projection
from gavs.method import Batch, Method

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
log = logging.getLogger(__name__)


class Diverged(RuntimeError):
    """The loss is no longer finite."""


def train(
    method: Method,
    clips: Samples,
    params: TrainingParams,
    seed: int,
    device: torch.device,
    folder: Path,
    validate: Callable[[], float] | None,
    name: str = "",
    supervision: str = "box_fill",
) -> list[dict[str, Any]]:
    """Train `method` in place and leave it with the weights that the selection rule names.

    Args:
        folder: `last.pt`, at most `params.checkpoint_seconds` behind, and the `best.pt` so far are
            kept here; a training found there is continued.
        validate: a score of the validation clips, the higher the better (mIoU, or minus the loss
            of unlabelled ones), called as `params.validate_*` say and at the end.
        supervision: `box_projection` replaces the method's loss by one that knows of the boxes no
            more than they say; anything else leaves the method its own.

    Returns:
        The history: one entry per stretch, which ends with an epoch or at a validation (epoch, step
        at its end, mean loss and terms, lr, validation or None).

    Raises:
        Diverged: the loss became NaN or infinite.
        SnapshotError: `folder` holds a checkpoint of another architecture.
        ValueError: a batch has fewer samples than there are processes.
    """
    size = params.batch_size(clips.temporal)
    per_epoch = len(clips.epoch(np.random.default_rng(0), size))
    total = updates(clips, params)
    due = validated_at(params, total, per_epoch)
    method.to(device).train()
    distributed.sync_batch_norms(method)
    names = snapshot.trained_names(method)
    groups = method.parameter_groups()
    scales = [group.pop("lr_scale", 1.0) for group in groups]
    optimizer = OPTIMIZERS[params.optimizer](
        groups,
        lr=params.lr,
        weight_decay=params.weight_decay,
        fused=device.type == "cpu",  # half the optimiser's time
    )
    clip = {"max_norm": params.clip_grad} if params.clip_grad else None
    amp = params.amp and device.type == "cuda"
    wrapper = (
        AmpOptimWrapper(optimizer=optimizer, clip_grad=clip, dtype="bfloat16", loss_scale=1.0)
        if amp
        else OptimWrapper(optimizer=optimizer, clip_grad=clip)
    )
    folder.mkdir(parents=True, exist_ok=True)
    step, sums, history = _resume(method, names, optimizer, folder)
    saved = start = time.monotonic()
    phase = -1
    for numbers, batch in batches(clips, seed, size, range(step, total), device):
        # Epoch of `params.epochs`, of which `steps` makes longer or shorter ones.
        if phase != step * params.epochs // total:
            phase = step * params.epochs // total
            method.start_epoch(phase)
        draws = np.random.SeedSequence([seed, 1, step, *distributed.own_draws()])
        _draw_from(int(draws.generate_state(1)[0]), device)
        batch = batch.to(device)
        factor = _schedule(params.schedule, step, total)
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = params.lr * scale * factor
        with wrapper.optim_context(method):
            prediction = method(batch)
            prediction, batch = distributed.whole(method, prediction, batch, len(numbers))
            if supervision == "box_projection":
                terms = {"projection": box_projection(prediction.logits, batch)}
            else:
                terms = method.loss(prediction, batch)
            loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise Diverged(f"{name}: loss is {loss.item()} at step {step} (lr {params.lr})")
        wrapper.backward(loss)
        distributed.average_gradients(method.parameters())
        wrapper.step()
        wrapper.zero_grad()
        method.after_step()
        for key, value in {"loss": loss, **terms}.items():
            sums[key] = sums.get(key, 0.0) + value.item()
        step += 1
        if step % per_epoch == 0 or step in due:
            begin = history[-1]["step"] if history else 0
            entry = _entry((step - 1) // per_epoch, step, begin, sums, params.lr * factor)
            sums = {}
            if validate is not None and step in due:
                entry["validation"] = validate()
                method.train()
            history.append(entry)
            validated = entry["validation"] is not None
            may_be_chosen = step == total or (validated and params.selection != "last")
            chosen = may_be_chosen and select(params.selection, history)["step"] == step
            if chosen and distributed.first():
                snapshot.save(folder / "best.pt", snapshot.trained_state(method, names))
            if distributed.first():
                _log(folder, name, entry, total, time.monotonic() - start)
        if time.monotonic() - saved > params.checkpoint_seconds and distributed.first():
            state = {
                "step": step,
                "sums": sums,
                "history": history,
                "model": snapshot.trained_state(method, names),
                "optimizer": optimizer.state_dict(),
            }
            snapshot.save(folder / "last.pt", state)
            saved = time.monotonic()
    if history:
        distributed.wait()  # until it is written
        best = snapshot.load(folder / "best.pt")
        snapshot.load_trained_state(method, names, best, folder / "best.pt")
    return history


def batches(
    clips: Samples, seed: int, size: int, steps: range, device: torch.device
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Numbers of each step's samples, of all processes, and this process's batch of them.

    With a device of its own to train on, a thread reads the next batch meanwhile: GAVS waited for
    its features almost half the time. On a CPU that would cost more than it saves.
    """

    def planned() -> Iterator[np.ndarray]:
        plan, planned_epoch = clips.epoch(np.random.default_rng(0), size), -1
        per_epoch = len(plan)
        for step in steps:
            epoch, position = divmod(step, per_epoch)
            if epoch != planned_epoch:
                plan, planned_epoch = clips.epoch(np.random.default_rng([seed, epoch]), size), epoch
            yield plan[position]

    def read(numbers: np.ndarray) -> tuple[np.ndarray, Batch]:
        return numbers, clips.batch(distributed.share(numbers))

    return ahead(read, planned(), threads=0 if device.type == "cpu" else 1)


def updates(clips: Samples, params: TrainingParams) -> int:
    """Optimiser steps of a training."""
    if params.steps is not None:
        return params.steps
    size = params.batch_size(clips.temporal)
    return len(clips.epoch(np.random.default_rng(0), size)) * params.epochs


def validated_at(params: TrainingParams, total: int, per_epoch: int) -> set[int]:
    """Numbers of updates after which a training of `total` is validated, its end among them."""
    if params.validations is not None:
        parts = params.validations + 1
        return {max(1, round(total * part / parts)) for part in range(2, parts + 1)}
    epochs = range(params.validate_from, total // per_epoch)
    scheduled = (epoch for epoch in epochs if (epoch + 1) % params.validate_every == 0)
    return {*((epoch + 1) * per_epoch for epoch in scheduled), total}


def _resume(
    method: Method, names: frozenset[str], optimizer: torch.optim.Optimizer, folder: Path
) -> tuple[int, dict[str, float], list[dict[str, Any]]]:
    path = folder / "last.pt"
    if not path.is_file():
        return 0, {}, []
    state = snapshot.load(path)
    snapshot.load_trained_state(method, names, state["model"], path)
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["sums"], state["history"]


def _draw_from(seed: int, device: torch.device) -> None:
    """`torch.manual_seed`, less what it notes down for devices not in use: 4 % of GAVS's steps."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _schedule(name: str, step: int, total: int) -> float:
    """Share of the peak learning rate at a step.

    one_cycle: cosine from 1/25 up to 1 over the first 30 %, cosine down to 1/250,000 (the shape and
    constants of torch's OneCycleLR); cosine: from 1 down to 0.
    """
    progress = step / max(1, total - 1)
    if name == "constant":
        return 1.0
    if name == "cosine":
        return _anneal(1.0, 0.0, progress)
    peak = 0.3
    if progress < peak:
        return _anneal(1 / 25, 1.0, progress / peak)
    return _anneal(1.0, 1 / 25e4, (progress - peak) / (1 - peak))


def _anneal(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _entry(epoch: int, step: int, begin: int, sums: dict[str, float], lr: float) -> dict[str, Any]:
    terms = {key: value / (step - begin) for key, value in sums.items()}
    place = {"epoch": epoch, "step": step, "loss": terms.pop("loss")}
    return {**place, "terms": terms, "lr": lr, "validation": None}


def _log(folder: Path, name: str, entry: dict[str, Any], total: int, seconds: float) -> None:
    val = "" if entry["validation"] is None else f"  validation {entry['validation']:.3f}"
    line = f"{name}  update {entry['step']}/{total}  loss {entry['loss']:.4f}{val}"
    log.debug("%s  %.0f s", line, seconds)  # with -v
    with (folder / "log.jsonl").open("a") as file:
        file.write(json.dumps(entry | {"seconds": round(seconds, 1)}) + "\n")


def count_parameters(method: Method) -> tuple[int, int]:
    """(trainable, all) parameters."""
    sizes: list[tuple[Tensor, int]] = [(p, p.numel()) for p in method.parameters()]
    return sum(n for p, n in sizes if p.requires_grad), sum(n for _, n in sizes)
