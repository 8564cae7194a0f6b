"""Scores at one threshold for a whole test set, chosen on other clips from their histograms.

Every system is published at its own cut, or scored by the best of 255 for each clip. A loss without
an overlap term leaves probabilities low, so a cut at 0.5 says as much of the loss as of the masks.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import Terms, fscore_curves, fscore_terms


def iou_curves(scores: FrameScores) -> np.ndarray:
    """(N, 255) IoU of each frame where a pixel is lit if p >= i / 254; a frame without target has
    its share of dark pixels, as `metrics.miou` by default."""
    hits, lit = _reaching(scores.foreground), _reaching(scores.background)
    lit += hits
    target, pixels = (a.astype(np.int64)[:, None] for a in (scores.target, scores.pixels))
    return np.where(target > 0, hits / np.maximum(lit + target - hits, 1), 1 - lit / pixels)


def best_threshold(scores: Sequence[FrameScores], metric: str) -> int:
    """Number i of the threshold i / 254 at which the mean over several evaluations is highest.

    metric: "miou", or "fscore" of clips. The lowest of equal ones.
    """
    means = []
    for part in scores:
        if metric == "miou":
            means.append(iou_curves(part).mean(0))
        else:
            curves = fscore_curves(part)
            columns = (curves[:, [i]] for i in range(curves.shape[1]))
            means.append(np.array([fscore_terms(part, curves=c).value for c in columns]))
    return int(np.mean(means, 0).argmax())


def terms_at(scores: FrameScores, metric: str, number: int) -> Terms:
    """Terms of a metric of `best_threshold` at one threshold: of each frame, or of each clip."""
    if metric == "miou":
        return Terms(scores.video, iou_curves(scores)[:, number], np.ones(len(scores)))
    return fscore_terms(scores, curves=fscore_curves(scores)[:, [number]])


def _reaching(histogram: np.ndarray) -> np.ndarray:
    """(N, 256) pixels by thresholds reached -> (N, 255) pixels that reach each threshold."""
    return np.cumsum(histogram[:, :0:-1], axis=1, dtype=np.int64)[:, ::-1]
