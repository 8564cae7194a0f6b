"""What is kept of a scored frame: pixel counts from which each published metric follows.

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
        return cls(**{f.name: arrays[f.name] for f in fields(cls)})

    @classmethod
    def concatenate(cls, parts: Sequence["FrameScores"]) -> "FrameScores":
        """All frames in order. ValueError if the parts were counted at different thresholds."""
        found = {tuple(p.thresholds.tolist()) for p in parts}
        if len(found) != 1:
            raise ValueError(
                f"cannot join scores counted at thresholds {sorted(found)}; count all with the same"
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
    size = (squash, squash)
    small = F.interpolate(probabilities[:, None].float(), size, mode="bilinear", antialias=True)
    nearest = F.interpolate(targets[:, None].float(), size, mode="nearest-exact")
    squashed = _overlap(small[:, 0], nearest[:, 0] > 0, thresholds)
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

    # The nearest step, then one comparison with the threshold itself: all thresholds below it are
    # surely reached and all above it are not, so the bin is exact however p * 254 is rounded.
    grid = THRESHOLDS.to(p.device)
    bins = (p * (STEPS - 1) + 0.5).int()
    bins += p >= grid.index_select(0, bins.flatten()).view_as(p)
    bins.add_(targets, alpha=STEPS + 1)  # a product would be int64, and slow
    n, width = len(p), 2 * (STEPS + 1)
    bins += width * torch.arange(n, dtype=torch.int32, device=p.device)[:, None, None]
    histogram = torch.bincount(bins.flatten(), minlength=n * width).view(n, 2, STEPS + 1).cpu()
    background, foreground = histogram.numpy().swapaxes(0, 1)
    counts = _overlap(p, targets, thresholds)
    return {**counts, "foreground": foreground, "background": background}


def _overlap(p: Tensor, targets: Tensor, thresholds: Sequence[float]) -> dict[str, np.ndarray]:
    p, targets = p.flatten(1), targets.flatten(1)  # summing one axis as int32 is ten times faster
    lit = [p > threshold for threshold in thresholds]
    predicted = torch.stack([x.sum(1, dtype=torch.int32) for x in lit], 1)
    intersection = torch.stack([(x & targets).sum(1, dtype=torch.int32) for x in lit], 1)
    target = targets.sum(1, dtype=torch.int32)
    counts = {
        "intersection": intersection,
        "union": predicted + target[:, None] - intersection,
        "predicted": predicted,
        "target": target,
        "pixels": torch.full_like(target, targets.shape[1]),
    }
    return {name: value.cpu().numpy() for name, value in counts.items()}


def _shrink(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu" or not array.size:
        return array
    return array.astype(np.min_scalar_type(array.max()))
