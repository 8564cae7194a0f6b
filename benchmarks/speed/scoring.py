"""Speed of mIoU and F of a clip: integer binning, against PySODMetrics and the field's loop."""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.scoring.counts import THRESHOLDS, score_frames
from benchmarks.scoring.metrics import BETA2, fscore, miou
from benchmarks.speed.compare import Line, compare

SIZES = ((224, 224), (720, 1280))
FRAMES = 5  # a clip of V1S or V1M
AGAINST = "the field's loop over 255 thresholds per frame"
SOD = "PySODMetrics"
# Its pins exclude this NumPy and OpenCV, with which it works.
NEEDS = "needs `pip install --no-deps pysodmetrics scikit-image lazy-loader`"


def lines() -> Iterator[Line]:
    """Measure two frame sizes against two references."""
    for size in SIZES:
        what = f"mIoU and F of {FRAMES} frames of {size[0]} × {size[1]}"
        p, masks = clip(*size)
        ours = partial(suite, p, masks)
        if all(map(find_spec, ("py_sod_metrics", "skimage"))):
            maps, targets = ((255 * x.float()).round().byte().numpy() for x in (p, masks))
            yield compare(
                what,
                SOD,
                ours,
                partial(pysodmetrics, maps, targets),
                wanted=5.0,
                bound=None,
                seconds=10,
                remark="it has maps of 8 bits and other rules: compared are the means at 0.5",
            )
        else:
            yield Line(what, SOD, 5.0, remark=NEEDS)
        yield compare(
            what,
            AGAINST,
            ours,
            partial(field, p, masks),
            wanted=40.0,
            bound=1e-6,
            seconds=10,
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


def pysodmetrics(maps: np.ndarray, targets: np.ndarray) -> list[float]:
    """Compute IoU and F over 256 thresholds by PySODMetrics, (N, H, W) uint8 each."""
    import py_sod_metrics as sod

    iou = sod.IOUHandler(with_dynamic=True, with_adaptive=False)
    f = sod.FmeasureHandler(with_dynamic=True, with_adaptive=False, beta=BETA2)
    metric = sod.FmeasureV2(metric_handlers={"iou": iou, "f": f})
    for prediction, target in zip(maps, targets, strict=True):
        metric.step(pred=prediction, gt=target)
    results = metric.get_results()
    return [float(results["iou"]["dynamic"][128]), float(results["f"]["dynamic"].max())]


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
