"""Scoring a trained method on a set of clips: per-frame counts, nothing reduced yet."""

import io

import numpy as np
import torch

from benchmarks.params import ScoringParams
from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.training.clips import ClipSet, to_native
from gavs.method import Method


@torch.inference_mode()
def evaluate(
    method: Method, clips: ClipSet, device: torch.device, params: ScoringParams
) -> FrameScores:
    """Counts of every frame at its own resolution, and squashed to a common square."""
    method.to(device).eval()
    frames_per_sample = len(clips.samples[0][1])
    scores = []
    for numbers, batch in clips.batches(max(1, params.batch_frames // frames_per_sample)):
        logits = method(batch.to(device)).logits.float().flatten(0, 1)  # (B*T, G, G)
        table = clips.frame_table(numbers)
        for (height, width), same in table.groupby(["height", "width"], sort=False):
            native = to_native(
                logits[same.index.tolist()], height, width, method, clips.features.image_size
            )
            scores.append(
                score_frames(
                    native.sigmoid(),  # (n, H, W)
                    clips.native_masks(same).to(device),
                    uid=same.uid,
                    video=same.video,
                    frame=same.frame,
                    classes=same.classes,
                    thresholds=tuple(params.thresholds),
                    squash=params.squash_size,
                )
            )
    return FrameScores.concatenate(scores)


def overlay_samples(clips: ClipSet, wanted: int) -> np.ndarray:
    """Numbers of the samples that figures show: clips spread evenly, the same for all."""
    chosen = np.linspace(0, len(clips.index) - 1, wanted).round().astype(int)
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
def predict(method: Method, clips: ClipSet, samples: np.ndarray, device: torch.device) -> bytes:
    """Probabilities of the samples' middle frames as npz: `{uid}/{frame}` -> (H, W) uint8."""
    method.to(device).eval()
    maps = {}
    for number in samples:
        logits = method(clips.batch(np.array([number])).to(device)).logits.float()[0]  # (T, G, G)
        table = clips.frame_table(np.array([number]))
        row = table[table.frame == table.frames // 2].iloc[0]
        logit = logits[table.index[table.frame == row.frame]]
        native = to_native(logit, row.height, row.width, method, clips.features.image_size)[0]
        maps[f"{row.uid}/{row.frame}"] = (native.sigmoid() * 255).round().byte().cpu().numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **maps)
    return buffer.getvalue()
