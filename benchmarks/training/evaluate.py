"""Scoring a trained method on a set of clips: per-frame counts, nothing reduced yet."""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.scoring.boxes import BoxScores, Rule, score_boxes
from benchmarks.scoring.config import ScoringParams
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.tensors import score_tensors
from benchmarks.training import distributed
from benchmarks.training.clips import Samples
from gavs.method import Method
from gavs.views import to_native


@torch.inference_mode()
def evaluate(
    method: Method, clips: Samples, device: torch.device, params: ScoringParams
) -> FrameScores:
    """Counts of every frame at its own resolution, and squashed to a common square."""

    def score(numbers: np.ndarray) -> list[FrameScores]:
        return [
            score_tensors(
                logits.sigmoid(),
                clips.native_masks(frames).to(device),
                uid=frames.uid,
                video=frames.video,
                frame=frames.frame,
                classes=frames.classes,
                thresholds=tuple(params.thresholds),
                squash=params.squash_size,
            )
            for frames, logits, _ in native_logits(method, clips, device, numbers)
        ]

    method.to(device).eval()
    parts = distributed.spread(clips.batches(params.batch_frames), score)
    return FrameScores.concatenate(list(chain.from_iterable(parts)))


@torch.inference_mode()
def evaluate_boxes(
    method: Method,
    clips: Samples,
    device: torch.device,
    params: ScoringParams,
    rules: Sequence[Rule],
) -> BoxScores:
    """Counts of every image against its boxes, by rules of VGG-SS."""

    def score(numbers: np.ndarray) -> list[BoxScores]:
        return [
            score_boxes(
                logits.cpu(),
                [json.loads(boxes) for boxes in images.boxes],
                uid=images.uid,
                video=images.video,
                classes=images.classes,
                rules=rules,
                confidence=None if confidence is None else confidence.cpu(),
            )
            for images, logits, confidence in native_logits(method, clips, device, numbers)
        ]

    method.to(device).eval()
    parts = distributed.spread(clips.batches(params.batch_frames), score)
    return BoxScores.concatenate(list(chain.from_iterable(parts)))


@torch.inference_mode()
def held_out_loss(method: Method, clips: Samples, device: torch.device, size: int) -> float:
    """Mean loss over batches of `size` clips, the same each time: what unlabelled clips tell."""

    def loss(numbers: np.ndarray) -> float:
        batch = clips.batch(numbers).to(device)
        terms: Any = method.loss(method(batch), batch).values()
        return sum(terms).item()

    method.to(device).eval()
    return float(np.mean(distributed.spread(clips.epoch(np.random.default_rng(0), size), loss)))


def native_logits(
    method: Method, clips: Samples, device: torch.device, numbers: np.ndarray
) -> Iterator[tuple[pd.DataFrame, Tensor, Tensor | None]]:
    """A batch's scored frames of one size, their logits at it (n, H, W), and the method's own
    confidence (n,) if it has one, until every frame has come."""
    prediction = method(clips.batch(numbers, targets=False).to(device))
    logits = prediction.logits.float().flatten(0, 1)  # (B*T, G, G)
    confidence = prediction.aux.get("confidence")  # (B, T)
    table = clips.frame_table(numbers)
    for (height, width), same in table[table.scored].groupby(["height", "width"], sort=False):
        rows = same.index.tolist()
        native = _to_native(logits[rows], (height, width), method, clips)
        yield same, native, None if confidence is None else confidence.flatten()[rows]


def _to_native(logits: Tensor, size: tuple[int, int], method: Method, clips: Samples) -> Tensor:
    return to_native(logits, size, method.config.geometry, clips.features.image_size)


def overlay_samples(clips: Samples, count: int) -> np.ndarray:
    """Numbers of the samples that figures show: clips spread evenly, the same for all."""
    chosen = np.linspace(0, len(clips.index) - 1, count).round().astype(int)
    middle = {clip: clips.index.frames.iloc[clip] // 2 for clip in chosen}
    return np.array(
        [
            number
            for number, (clip, frames) in enumerate(clips.samples)
            if clip in middle and middle[clip] in frames
        ],
        int,
    )


@torch.inference_mode()
def predict(method: Method, clips: Samples, samples: np.ndarray, device: torch.device) -> bytes:
    """Probabilities of the samples' middle frames as npz: `{uid}/{frame}` -> (H, W) uint8."""
    method.to(device).eval()
    maps: dict[str, Any] = {}
    for number in samples:
        batch = clips.batch(np.array([number]), targets=False).to(device)
        logits = method(batch).logits.float()[0]  # (T, G, G)
        table = clips.frame_table(np.array([number]))
        row = table[table.frame == table.frames // 2].iloc[0]
        logit = logits[table.index[table.frame == row.frame]]
        native = _to_native(logit, (row.height, row.width), method, clips)[0]
        maps[f"{row.uid}/{row.frame}"] = (native.sigmoid() * 255).round().byte().cpu().numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **maps)
    return buffer.getvalue()
