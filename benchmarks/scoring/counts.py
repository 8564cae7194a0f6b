"""Counts of pixels that are kept of a scored frame, from which each published metric follows.

The repositories of the field differ in threshold, in the unit that is averaged, in what a frame
without a sounding object counts, and in resolution; the same masks then differ by several points.
So an evaluation stores counts, and `metrics.py` reduces them with each choice named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 255
THRESHOLDS = torch.linspace(0, 1 - 1e-10, STEPS)  # float32: i/254 to one ulp, the last exactly 1
SQUASH = 224  # side of the square on which AVSBench scores
PIXELS_AT_ONCE = 2**20  # on a CPU, whose caches hold them: twice as fast as larger pieces


@dataclass(frozen=True)
class FrameScores:
    """Counts of N scored frames at Q thresholds, in pixels."""

    uid: np.ndarray  # (N,) clip
    video: np.ndarray  # (N,) source video, what statistics resample
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
    probabilities: Tensor,
    targets: Tensor,
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
    bilinearly and targets to the nearest pixel. Raises ValueError as `count_frames` does.
    """
    counts = count_frames(probabilities, targets, thresholds)
    squashed, size = counts, (squash, squash)
    if probabilities.shape[1:] != size:
        small = F.interpolate(probabilities[:, None].float(), size, mode="bilinear", antialias=True)
        nearest = F.interpolate(targets[:, None].bool().byte(), size, mode="nearest-exact")
        histogram = _histogram(small[:, 0], nearest[:, 0].bool(), thresholds)  # (N, Q + 1, 2, 1)
        squashed = _overlap(histogram.sum(-1), thresholds)
    names = ("intersection", "union", "target", "pixels")
    return FrameScores(
        uid=np.asarray(uid, dtype=str),
        video=np.asarray(video, dtype=str),
        frame=np.asarray(frame),
        classes=np.asarray(classes, dtype=str),
        thresholds=np.asarray(thresholds, dtype=np.float64),
        **counts,
        **{f"squash_{name}": squashed[name] for name in names},
    )


def count_frames(
    probabilities: Tensor, targets: Tensor, thresholds: Sequence[float] = (0.5, 0.4)
) -> dict[str, np.ndarray]:
    """Counts of N frames, (N, H, W) each, taken as float32 on the device of `probabilities`.

    Returns `intersection`, `union`, `predicted` (N, Q); `target`, `pixels` (N,); `foreground`,
    `background` (N, 256). ValueError for shapes that differ, NaN, and values outside 0..1.
    """
    if probabilities.shape != targets.shape or probabilities.ndim != 3:
        raise ValueError(
            f"probabilities {tuple(probabilities.shape)} and targets {tuple(targets.shape)} must "
            "have one shape (N, H, W); resize the prediction to its mask first"
        )
    p, targets = probabilities.float(), targets.bool()
    low, high = p.aminmax()
    if not (low >= 0 and high <= 1):  # false for NaN too
        raise ValueError(
            f"probabilities must lie in 0..1, found {low:g}..{high:g}; apply a sigmoid to logits"
        )

    step = len(p) if p.is_cuda else max(1, PIXELS_AT_ONCE // p[0].numel())
    histogram = np.concatenate(
        [
            _histogram(*part, thresholds, _bins(part[0]), STEPS + 1)
            for part in zip(p.split(step), targets.split(step), strict=True)
        ]
    )  # (N, Q + 1, 2, 256)
    background, foreground = histogram.sum(1).swapaxes(0, 1)
    counts = _overlap(histogram.sum(-1), thresholds)
    return {**counts, "foreground": foreground, "background": background}


def _bins(p: Tensor) -> Tensor:
    """Number of THRESHOLDS that each pixel reaches, as int32."""
    # The nearest step, then one comparison with the threshold itself: all thresholds below it are
    # surely reached and all above it are not, so the bin is exact however p * 254 is rounded.
    bins = (p * (STEPS - 1)).add_(0.5).int()
    bins += p >= THRESHOLDS.to(p.device).index_select(0, bins.flatten()).view_as(p)
    return bins


def _histogram(
    p: Tensor, targets: Tensor, thresholds: Sequence[float], bins: Tensor | int = 0, width: int = 1
) -> np.ndarray:
    """(N, Q + 1, 2, width) pixels by thresholds below p, by target, and by bin, if there are bins.

    One pass for all counts: sums of masks, two a threshold, took half of the time.
    """
    kinds = targets.byte()  # summed as bytes, since mixed types are converted first, and slowly
    for threshold in thresholds:
        kinds.add_((p > threshold).view(torch.uint8), alpha=2)
    n, kinds_a_frame = len(p), 2 * (len(thresholds) + 1)
    codes = kinds.int()
    codes += kinds_a_frame * torch.arange(n, dtype=torch.int32, device=p.device)[:, None, None]
    codes.mul_(width).add_(bins)
    counts = torch.bincount(codes.flatten(), minlength=n * kinds_a_frame * width)
    return counts.view(n, -1, 2, width).cpu().numpy()


def _overlap(histogram: np.ndarray, thresholds: Sequence[float]) -> dict[str, np.ndarray]:
    """Counts at each threshold from (N, Q + 1, 2) pixels by thresholds below p, and target."""
    above = histogram[:, ::-1].cumsum(1)[:, ::-1]  # (N, Q + 1, 2) at least so many
    ranks = np.argsort(np.argsort(thresholds))
    lit = above[:, 1:][:, ranks]  # (N, Q, 2)
    predicted, intersection, target = lit.sum(2), lit[..., 1], above[:, 0, 1]
    return {
        "intersection": intersection,
        "union": predicted + target[:, None] - intersection,
        "predicted": predicted,
        "target": target,
        "pixels": above[:, 0].sum(1),
    }


def _shrink(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu" or not array.size:
        return array
    return array.astype(np.min_scalar_type(array.max()))
