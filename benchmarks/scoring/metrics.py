"""Binary segmentation metrics from the counts of `counts.py`, with each choice an argument.

Sources: OpenNLPLab/AVSBench (IoU, the soft rule for empty frames, F over 255 thresholds),
vvvb-github/AVSegFormer (the same over batches of 2 clips), the released GAVS code,
GeWu-Lab/Generalizable-Audio-Visual-Segmentation (threshold 0.4, one clip per batch).
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from benchmarks.scoring.counts import FrameScores

BETA2 = 0.3

Unit = Literal["frame", "clip", "dataset"] | int
FUnit = Literal["frame", "clip", "set"] | int
Empty = Literal["soft", "hard", "skip"]
FEmpty = Literal["zero", "skip"]
Resolution = Literal["native", "squash"]


@dataclass(frozen=True)
class Terms:
    """A score as a ratio of sums over M terms, from which its variance over videos follows."""

    video: np.ndarray  # (M,)
    numerator: np.ndarray  # (M,)
    denominator: np.ndarray  # (M,)

    @property
    def value(self) -> float:
        """The score, 0..1; NaN when there is nothing to average."""
        total = self.denominator.sum()
        return float(self.numerator.sum() / total) if total else float("nan")

    def by_video(self) -> "Terms":
        """The same score with one term per video, (V,) sorted: all that statistics need."""
        videos, rows = np.unique(self.video, return_inverse=True)
        sums = (np.bincount(rows, values) for values in (self.numerator, self.denominator))
        return Terms(videos, *sums)


S = TypeVar("S", bound=Any)  # FrameScores or BoxScores


def restrict(scores: S, uids: Collection[str]) -> S:
    """The frames or images of some clips. ValueError names clips that these scores don't hold."""
    absent = sorted(set(uids) - set(scores.uid))
    if absent:
        raise ValueError(f"no scores of {len(absent)} clips, e.g. {absent[0]}")
    rows = np.isin(scores.uid, list(uids))
    arrays = {f.name: getattr(scores, f.name) for f in fields(scores)}
    common = ("thresholds", "rules")  # of all frames
    return type(scores)(**{k: v if k in common else v[rows] for k, v in arrays.items()})


def miou(
    scores: FrameScores,
    threshold: float = 0.5,
    unit: Unit = "frame",
    empty: Empty = "soft",
    resolution: Resolution = "native",
) -> float:
    """Mean IoU, 0..1.

    threshold: one of `scores.thresholds`.
    unit: `frame` averages frames; `clip` the means of clips; a number n the means of batches of n
        clips, in stored order; `dataset` divides summed intersections by summed unions.
    empty: what a frame without target counts. `soft`: its share of dark pixels (AVSBench and all
        who took it over); `hard`: 1 if nothing is lit, else 0; `skip`: the frame is left out. With
        unit `dataset`, `soft` and `hard` are one: what the frame lights is added to the union.
    resolution: the mask's own, or the square of `score_frames`.
    """
    return iou_terms(scores, threshold, unit, empty, resolution).value


def iou_terms(
    scores: FrameScores,
    threshold: float = 0.5,
    unit: Unit = "frame",
    empty: Empty = "soft",
    resolution: Resolution = "native",
) -> Terms:
    """The terms of `miou`: one per unit, for `dataset` one per frame."""
    _check("unit", unit, ("frame", "clip", "dataset"))
    if unit == "dataset":
        intersection, union, target, _ = _counts(scores, threshold, resolution)
        used = (target > 0) | (empty != "skip")
        return Terms(scores.video[used], intersection[used], union[used])
    value, used = _frame_iou(scores, threshold, empty, resolution)
    groups, video = _groups(scores, unit)
    total, number = np.bincount(groups, value * used), np.bincount(groups, used)
    scored = number > 0
    return Terms(video[scored], total[scored] / number[scored], np.ones(scored.sum()))


def fscore(scores: FrameScores, unit: FUnit = "clip", empty: FEmpty = "zero") -> float:
    """Largest F (beta^2 = 0.3) over the 255 thresholds (p >= t), 0..1.

    In each unit the F curves of the frames with a target are averaged, then the maximum is taken.

    unit: `frame`, `clip`, a number of clips (a batch, in stored order) or the whole `set`. Smaller
        units score higher, since each gets its own best threshold.
    empty: a unit without any target counts 0, as published, or is skipped.
    """
    return fscore_terms(scores, unit, empty).value


def fscore_terms(
    scores: FrameScores,
    unit: FUnit = "clip",
    empty: FEmpty = "zero",
    curves: np.ndarray | None = None,
) -> Terms:
    """The terms of `fscore`, one a unit. `curves`: `fscore_curves(scores)`, if it is at hand."""
    _check("unit", unit, ("frame", "clip", "set"))
    _check("empty", empty, get_args(FEmpty))
    groups, video = _groups(scores, unit)
    curves = fscore_curves(scores) if curves is None else curves
    order = np.argsort(groups, kind="stable")
    first = np.flatnonzero(np.diff(groups[order], prepend=-1))
    number = np.bincount(groups, scores.target > 0)  # frames without target have a curve of zeros
    best = np.add.reduceat(curves[order], first).max(1) / np.maximum(number, 1)
    scored = (number > 0) | (empty == "zero")
    return Terms(video[scored], best[scored], np.ones(scored.sum()))


def fscore_curves(scores: FrameScores) -> np.ndarray:
    """(N, 255) F at each threshold: 1.3 pr / (0.3 p + r) in terms of counts; 0 without target."""
    hits = _reaching(scores.foreground)
    predicted = hits + _reaching(scores.background)
    target = scores.target.astype(np.int64)[:, None]
    return (1 + BETA2) * hits / np.maximum(BETA2 * target + predicted, BETA2)


def lit_area(scores: FrameScores, threshold: float = 0.5) -> float:
    """Mean share of lit pixels on the frames without target, 0..1; NaN if there are none."""
    return lit_terms(scores, threshold, silent_only=True).value


def lit_terms(scores: FrameScores, threshold: float = 0.5, silent_only: bool = False) -> Terms:
    """Share of pixels lit, one term per frame; `silent_only`: of frames without target."""
    lit = scores.predicted[:, _column(scores, threshold)] / scores.pixels
    used = (scores.target == 0) | (not silent_only)
    return Terms(scores.video[used], lit[used], np.ones(used.sum()))


def class_mean(scores: FrameScores, threshold: float = 0.5, empty: Empty = "soft") -> float:
    """Mean over classes of the mean frame IoU; a frame counts for each class of its clip."""
    value, used = _frame_iou(scores, threshold, empty, "native")
    values: dict[str, list[float]] = {}
    for names, iou in zip(scores.classes[used], value[used], strict=True):
        for name in str(names).split("_"):
            values.setdefault(name, []).append(iou)
    return float(np.mean([np.mean(v) for v in values.values()])) if values else float("nan")


def _frame_iou(
    scores: FrameScores, threshold: float, empty: Empty, resolution: Resolution
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) IoU of each frame and (N,) whether the frame counts."""
    _check("empty", empty, get_args(Empty))
    intersection, union, target, pixels = _counts(scores, threshold, resolution)
    value = intersection / np.maximum(union, 1)
    silent = target == 0  # there the union is what the prediction lights
    if empty == "skip":
        return value, ~silent
    without = 1 - union / pixels if empty == "soft" else union == 0
    return np.where(silent, without, value), np.ones_like(silent)


def _counts(scores: FrameScores, threshold: float, resolution: Resolution) -> list[np.ndarray]:
    """Intersection, union, target and pixels, (N,) each, wide enough to compute with."""
    _check("resolution", resolution, get_args(Resolution))
    column = _column(scores, threshold)
    prefix = "squash_" if resolution == "squash" else ""
    names = ("intersection", "union", "target", "pixels")
    arrays = [getattr(scores, prefix + name).astype(np.int64) for name in names]
    return [a[:, column] if a.ndim == 2 else a for a in arrays]


def _column(scores: FrameScores, threshold: float) -> int:
    columns = np.flatnonzero(scores.thresholds == threshold)
    if not len(columns):
        raise ValueError(
            f"no counts at threshold {threshold}: these scores hold {scores.thresholds.tolist()}; "
            "score again with it among `thresholds`"
        )
    return int(columns[0])


def _reaching(histogram: np.ndarray) -> np.ndarray:
    """(N, 256) pixels by thresholds reached -> (N, 255) pixels that reach each threshold."""
    return np.cumsum(histogram[:, :0:-1], axis=1, dtype=np.int32)[:, ::-1]


def _groups(scores: FrameScores, unit: Unit | FUnit) -> tuple[np.ndarray, np.ndarray]:
    """(N,) number of the unit that each frame belongs to, and the (G,) video of each unit."""
    if unit == "frame":
        return np.arange(len(scores)), scores.video
    if unit == "set":
        return np.zeros(len(scores), int), np.array(["set"])
    _, first, inverse = np.unique(scores.uid, return_index=True, return_inverse=True)
    order = np.argsort(first)
    clip = np.argsort(order)[inverse]  # clips numbered as stored, not by name
    if unit == "clip":
        return clip, scores.video[first[order]]
    batch = clip // unit  # type: ignore[operator]  # a number: the names have returned
    return batch, np.array([f"batch {i}" for i in range(batch.max() + 1)])


def _check(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices and not (name == "unit" and isinstance(value, int) and value > 0):
        clips = " or a number of clips" if name == "unit" else ""
        raise ValueError(f"{name} {value!r}: expected {', '.join(choices)}{clips}")
