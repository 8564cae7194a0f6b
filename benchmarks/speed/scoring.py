"""Speed of mIoU and F of a clip: integer binning, against the field's loop over 255 thresholds."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.scoring.counts import THRESHOLDS, score_frames
from benchmarks.scoring.metrics import BETA2, fscore, miou
from benchmarks.speed.compare import Line, compare

SIZES = ((224, 224), (720, 1280))
FRAMES = 5  # a clip of V1S or V1M
AGAINST = "the field's loop over 255 thresholds per frame"


def lines() -> Iterator[Line]:
    """Measure two frame sizes on CPU and GPU."""
    for device, wanted in (("cpu", 20.0), ("cuda", 100.0)):
        for size in SIZES:
            what = f"mIoU and F of {FRAMES} frames of {size[0]} × {size[1]}, {device.upper()}"
            if device == "cuda" and not torch.cuda.is_available():
                yield Line.not_run(what, AGAINST, wanted, "no CUDA here")
                continue
            p, masks = (x.to(device) for x in clip(*size))
            yield compare(
                what,
                AGAINST,
                partial(suite, p, masks),
                partial(field, p, masks),
                wanted=wanted,
                bound=1e-6,
            )


def clip(height: int, width: int, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    """Draw smooth probability maps and masks close to them; the last frame has no target."""
    g = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(frames, 1, 7, 7, generator=g)
    logits = F.interpolate(logits, (height, width), mode="bilinear")[:, 0]
    noise = torch.randn(frames, height, width, generator=g)
    masks = logits + noise > 1
    masks[-1] = False
    return logits.sigmoid(), masks


def suite(p: Tensor, masks: Tensor) -> list[float]:
    """Compute mIoU and F of one clip, (N, H, W) each, as the tables do."""
    n = len(p)
    ids: dict[str, Any] = {"uid": ["clip"] * n, "video": ["video"] * n, "classes": ["dog"] * n}
    scores = score_frames(p, masks, frame=range(n), **ids)
    return [miou(scores), fscore(scores)]


def field(p: Tensor, masks: Tensor) -> list[float]:
    """Compute them as OpenNLPLab/AVSBench and its followers do, frame by frame."""
    overlaps, curves = [], []
    for prediction, mask in zip(p, masks.float(), strict=True):
        lit = (prediction > 0.5).float()
        if mask.sum() == 0:
            overlaps.append((lit == 0).sum() / lit.numel())
            continue
        overlaps.append((lit * mask).sum() / (torch.max(lit, mask).sum() + 1e-7))
        curves.append(_f_curve(prediction, mask))
    f = torch.stack(curves).mean(0).max() if curves else 0.0
    return [float(torch.stack(overlaps).mean()), float(f)]


def _f_curve(prediction: Tensor, mask: Tensor) -> Tensor:
    """Curve (255,) of F over thresholds, 0 where it is undefined."""
    precision, recall = torch.zeros(2, len(THRESHOLDS), device=mask.device)
    for i, threshold in enumerate(THRESHOLDS.tolist()):
        lit = (prediction >= threshold).float()
        hits = (lit * mask).sum()
        precision[i], recall[i] = hits / (lit.sum() + 1e-20), hits / (mask.sum() + 1e-20)
    curve = (1 + BETA2) * precision * recall / (BETA2 * precision + recall)
    return curve.nan_to_num(0)
