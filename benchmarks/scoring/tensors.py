"""Counts of tensors where they lie: on a GPU, whose copies of every pixel would take longest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.scoring.counts import (
    SQUASH,
    STEPS,
    THRESHOLDS,
    FrameScores,
    check_range,
    check_shapes,
    frame_scores,
    overlap,
    score_frames,
)
from benchmarks.scoring.resize import nearest


def score_tensors(
    probabilities: Tensor,
    targets: Tensor,
    *,
    thresholds: Sequence[float] = (0.5, 0.4),
    squash: int = SQUASH,
    **names: Any,
) -> FrameScores:
    """Scores of N frames as `score_frames` gives them, counted on the tensors' device."""
    if not probabilities.is_cuda:
        return score_frames(probabilities, targets, thresholds=thresholds, squash=squash, **names)
    counts = count_tensors(probabilities, targets, thresholds)
    squashed, size = counts, (squash, squash)
    if probabilities.shape[1:] != size:
        small = F.interpolate(probabilities[:, None].float(), size, mode="bilinear", antialias=True)
        histogram = _histogram(small[:, 0], nearest(targets.bool(), size), thresholds)
        squashed = _overlap(histogram.sum(-1), thresholds)
    return frame_scores(counts, squashed, thresholds, **names)


def count_tensors(
    probabilities: Tensor, targets: Tensor, thresholds: Sequence[float] = (0.5, 0.4)
) -> dict[str, np.ndarray]:
    """Counts of N frames, as `count_frames` gives them, in one pass."""
    check_shapes(probabilities, targets)
    p, targets = probabilities.float(), targets.bool()
    low, high = p.aminmax()
    check_range(low.item(), high.item())
    histogram = _histogram(p, targets, thresholds, _bins(p), STEPS + 1)
    background, foreground = histogram.sum(1).swapaxes(0, 1)
    counts = _overlap(histogram.sum(-1), thresholds)
    return {**counts, "foreground": foreground, "background": background}


def _bins(p: Tensor) -> Tensor:
    """Number of THRESHOLDS that each pixel reaches, as int32."""
    # The nearest step, then one comparison with the threshold itself: all thresholds below it are
    # surely reached and all above it are not, so the bin is exact however p * 254 is rounded.
    bins = (p * (STEPS - 1)).add_(0.5).int()
    bins += p >= torch.from_numpy(THRESHOLDS).to(p.device)[bins]
    return bins


def _histogram(
    p: Tensor, targets: Tensor, thresholds: Sequence[float], bins: Tensor | int = 0, width: int = 1
) -> np.ndarray:
    """(N, Q + 1, 2, width) pixels by thresholds below p, by target and, if there are, by bin."""
    kinds = targets.int()
    for threshold in thresholds:
        kinds += 2 * (p > threshold)
    n, kinds_a_frame = len(p), 2 * (len(thresholds) + 1)
    codes = kinds + kinds_a_frame * torch.arange(n, device=p.device)[:, None, None]
    codes = codes * width + bins
    counts = torch.bincount(codes.flatten(), minlength=n * kinds_a_frame * width)
    return counts.view(n, -1, 2, width).cpu().numpy()


def _overlap(histogram: np.ndarray, thresholds: Sequence[float]) -> dict[str, np.ndarray]:
    """Counts at each threshold from (N, Q + 1, 2) pixels by thresholds below p, and target."""
    above = histogram[:, ::-1].cumsum(1)[:, ::-1]  # (N, Q + 1, 2) at least so many
    lit = above[:, 1:][:, np.argsort(np.argsort(thresholds))]  # (N, Q, 2)
    every = np.stack([lit.sum(2), lit[..., 1]], 1)
    return overlap(every, above[:, 0, 1], above[:, 0].sum(1))
