"""Counts of pixels that are kept of a scored frame, from which each published metric follows.

The repositories of the field differ in threshold, in the unit that is averaged, in what a frame
without a sounding object counts, and in resolution; the same masks then differ by several points.
So an evaluation stores counts, and `metrics.py` reduces them with each choice named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.scoring.resize import nearest, resize

STEPS = 255
SQUASH = 224  # side of the square on which AVSBench scores
BLOCK = 2**16  # pixels at once, which a core's cache holds
DOUBT = np.float32(1e-4)  # more than what float32 rounds of p * 254


def _thresholds() -> np.ndarray:
    """The field's 255 thresholds, torch.linspace(0, 1 - 1e-10, 255), to the last bit.

    They are i / 254 to one ulp, the last exactly 1: torch counts from both ends by a float32 step.
    """
    step = np.float32(1 / (STEPS - 1)).astype(float)
    lower, upper = step * np.arange(127), 1 - step * np.arange(127, -1, -1)
    return np.concatenate([lower, upper]).astype(np.float32)


THRESHOLDS = _thresholds()


@dataclass(frozen=True)
class FrameScores:
    """Counts of N scored frames at Q thresholds, in pixels."""

    uid: np.ndarray  # (N,) clip
    video: np.ndarray  # (N,) source video, the unit of statistics
    frame: np.ndarray  # (N,) index in the clip
    classes: np.ndarray  # (N,) classes of the clip joined by "_", as AVSBench's a_obj
    thresholds: np.ndarray  # (Q,) a pixel is lit where p > threshold
    intersection: np.ndarray  # (N, Q)
    union: np.ndarray  # (N, Q)
    predicted: np.ndarray  # (N, Q)
    target: np.ndarray  # (N,)
    pixels: np.ndarray  # (N,)
    foreground: np.ndarray  # (N, 256) target pixels by how many of THRESHOLDS are <= p
    background: np.ndarray  # (N, 256) the other pixels
    squash_intersection: np.ndarray  # (N, Q) as above, with the frame squashed to a square
    squash_union: np.ndarray  # (N, Q)
    squash_target: np.ndarray  # (N,)
    squash_pixels: np.ndarray  # (N,)

    def __len__(self) -> int:
        return len(self.uid)

    def arrays(self) -> dict[str, np.ndarray]:
        """Field name -> array, whole numbers in the smallest unsigned type that holds them."""
        return {f.name: _shrink(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FrameScores":
        """The scores whose `arrays()` these are."""
        return cls(**{f.name: arrays[f.name] for f in fields(cls)})

    @classmethod
    def concatenate(cls, parts: Sequence["FrameScores"]) -> "FrameScores":
        """All frames in order. ValueError if the parts were counted at different thresholds."""
        thresholds = {tuple(p.thresholds.tolist()) for p in parts}
        if len(thresholds) != 1:
            raise ValueError(
                f"cannot join scores counted at thresholds {sorted(thresholds)}; "
                "count all with the same"
            )
        names = [f.name for f in fields(cls) if f.name != "thresholds"]
        joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        return cls(thresholds=parts[0].thresholds, **joined)


def score_frames(
    probabilities: Any,
    targets: Any,
    *,
    uid: Sequence[str],
    video: Sequence[str],
    frame: Sequence[int],
    classes: Sequence[str],
    thresholds: Sequence[float] = (0.5, 0.4),
    squash: int = SQUASH,
) -> FrameScores:
    """Scores of N frames of one size: (N, H, W) probabilities against (N, H, W) boolean targets.

    Counted at the given size, and on `squash` x `squash` pixels, to which probabilities are resized
    bilinearly and targets to the nearest pixel. Both are arrays or a CPU's tensors. Raises
    ValueError as `count_frames` does.
    """
    p, targets = np.asarray(probabilities, np.float32), np.asarray(targets, bool)
    counts = count_frames(p, targets, thresholds)
    squashed, size = counts, (squash, squash)
    if p.shape[1:] != size:
        small, mask = resize(p, size), nearest(targets, size)
        lit = np.array([_lit(*pair, thresholds) for pair in zip(small, mask, strict=True)])
        squashed = overlap(lit, mask.sum((1, 2)), np.full(len(p), squash**2))
    return frame_scores(counts, squashed, thresholds, uid, video, frame, classes)


def frame_scores(
    counts: Mapping[str, np.ndarray],
    squashed: Mapping[str, np.ndarray],
    thresholds: Sequence[float],
    uid: Sequence[str],
    video: Sequence[str],
    frame: Sequence[int],
    classes: Sequence[str],
) -> FrameScores:
    """Scores from counts at a frame's own size and on the square."""
    return FrameScores(
        uid=np.asarray(uid, dtype=str),
        video=np.asarray(video, dtype=str),
        frame=np.asarray(frame),
        classes=np.asarray(classes, dtype=str),
        thresholds=np.asarray(thresholds, dtype=np.float64),
        **counts,
        **{f"squash_{n}": squashed[n] for n in ("intersection", "union", "target", "pixels")},
    )


def count_frames(
    probabilities: Any, targets: Any, thresholds: Sequence[float] = (0.5, 0.4)
) -> dict[str, np.ndarray]:
    """Counts of N frames, (N, H, W) each, taken as float32.

    Returns `intersection`, `union`, `predicted` (N, Q); `target`, `pixels` (N,); `foreground`,
    `background` (N, 256). ValueError for shapes that differ, NaN, and values outside 0..1.
    """
    p, targets = np.asarray(probabilities, np.float32), np.asarray(targets, bool)
    check_shapes(p, targets)
    parts = [_count(*pair, thresholds) for pair in zip(p, targets, strict=True)]
    histograms, lit = (np.array(part) for part in zip(*parts, strict=True))
    foreground, every = histograms.swapaxes(0, 1)
    counts = {"foreground": foreground, "background": every - foreground}
    return overlap(lit, foreground.sum(1), every.sum(1)) | counts


def check_shapes(p: Any, targets: Any) -> None:
    """Raise ValueError for probabilities and targets, arrays or tensors, not of one shape."""
    if p.shape != targets.shape or p.ndim != 3:
        raise ValueError(
            f"probabilities {tuple(p.shape)} and targets {tuple(targets.shape)} must "
            "have one shape (N, H, W); resize the prediction to its mask first"
        )


def check_range(low: float, high: float) -> None:
    """Raise ValueError for the least and largest of what are no probabilities."""
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise ValueError(
            f"probabilities must lie in 0..1, found {low:g}..{high:g}; apply a sigmoid to logits"
        )


def overlap(lit: np.ndarray, target: np.ndarray, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Counts at Q thresholds from pixels lit, all and in the target, (N, 2, Q)."""
    predicted, intersection = lit.swapaxes(0, 1)
    union = predicted + target[:, None] - intersection
    return {
        "intersection": intersection,
        "union": union,
        "predicted": predicted,
        "target": target,
        "pixels": pixels,
    }


def _count(
    p: np.ndarray, targets: np.ndarray, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of one frame (H, W): pixels by how many of THRESHOLDS they reach, of the target and
    all, (2, 256); and those lit, all and in the target, (2, Q)."""
    steps = np.empty(p.shape, np.uint8)
    lit = np.zeros((2, len(thresholds)), np.int64)
    for part, mask, out in zip(_blocks(p), _blocks(targets), _blocks(steps), strict=True):
        check_range(part.min(), part.max())
        _steps(part, out)
        lit += _lit(part, mask, thresholds)
    outside = targets.view(np.uint8) - np.uint8(1)  # 255, which is no step, where no target is
    histograms = np.zeros((2, STEPS + 1), np.int64)
    for counts, picture in zip(histograms, (steps | outside, steps), strict=True):
        counts[1:] = _values(picture)[:STEPS]  # all reach the threshold 0
    return histograms, lit


def _steps(p: np.ndarray, out: np.ndarray) -> None:
    """Number of the last of THRESHOLDS that each pixel reaches, 0..254, into `out`."""
    # Thresholds are multiples of 1 / 254 but for roundings. So what lies further from a multiple
    # than these needs no look at the threshold itself.
    x = p * np.float32(STEPS - 1)
    x += DOUBT
    out[...] = x
    x -= 2 * DOUBT
    doubtful = np.flatnonzero(x.astype(np.uint8) != out)
    if len(doubtful):
        step = out[doubtful]
        out[doubtful] = step - (p[doubtful] < THRESHOLDS[step])


def _values(picture: np.ndarray) -> np.ndarray:
    """Pixels of each value of bytes (H, W), (256,)."""
    if picture.size % 4 or picture.size < BLOCK:
        return np.array(Image.fromarray(picture).histogram())
    # As four channels, whose counters don't wait for each other where neighbours are equal.
    return np.reshape(Image.fromarray(picture.reshape(1, -1, 4)).histogram(), (4, 256)).sum(0)


def _lit(p: np.ndarray, targets: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Pixels above each threshold, all and those of the target, (2, Q)."""
    lit = [p > np.float32(threshold) for threshold in thresholds]
    return np.array(
        [[np.count_nonzero(a) for a in lit], [np.count_nonzero(a & targets) for a in lit]]
    )


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    flat = array.reshape(-1)
    return [flat[start : start + BLOCK] for start in range(0, len(flat), BLOCK)]


def _shrink(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu" or not array.size:
        return array
    return array.astype(np.min_scalar_type(array.max()))
