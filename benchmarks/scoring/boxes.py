"""Scores against the boxes of VGG-SS: three binarisation rules, of the mask and of its box hull.

The localisation papers call cIoU what is a success rate: the share of images whose IoU with the
union of boxes reaches 0.5. Which pixels count as predicted differs from paper to paper, and with it
the largest possible score: who must light half of the pixels can't exceed 50.5 on the real file.
Sources: hche11/Localizing-Visual-Sounds-the-Hard-Way (median), stoneMo/SLAVC (fixed, its script's
default; its README asks for half of the pixels), kaistmm/SSLalignment (oracle). The first and the
last take what is above the pixel at that rank: one pixel less than `median` and `oracle`. Means
over images of IoU are what the segmentation papers print.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from benchmarks.scoring.components import component_boxes
from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.resize import resize
from splits.vggss_boxes import SIZE, rasterise, read_annotations

Rule = Literal["fixed", "median", "oracle"]
Shape = Literal["mask", "hull"]
Figure = Literal["success", "auc", "mean_iou"]
Boxes = Sequence[Sequence[float]]  # of one image, each [xmin, ymin, xmax, ymax] in 0..1

PIXELS = SIZE * SIZE
HALF = PIXELS // 2
STEPS = 20  # AUC: thresholds 0, 1/20, ..., 1
# Pixels in the order in which equal ones are lit: steps of 0.618 of the image, which spread any
# number of them evenly over it (31011 has no factor in common with 224 * 224, so each comes once).
TIES = (np.arange(PIXELS) * 31011 % PIXELS).argsort()


@dataclass(frozen=True)
class BoxScores:
    """Pixel counts at 224 x 224 of N images by R rules and the two of `Shape`."""

    uid: np.ndarray  # (N,) clip
    video: np.ndarray  # (N,) source video, the unit of statistics
    classes: np.ndarray  # (N,) VGG-SS label
    rules: np.ndarray  # (R,) of `Rule`
    target: np.ndarray  # (N,) pixels inside the boxes
    intersection: np.ndarray  # (N, R, 2)
    lit: np.ndarray  # (N, R, 2)
    confidence: np.ndarray  # (N,) that anything in view sounds, 0..1, as each method has it

    def __len__(self) -> int:
        return len(self.uid)

    @property
    def iou(self) -> np.ndarray:
        """(N, R, 2) IoU, 0 where prediction and ground truth are both empty."""
        return self.intersection / np.maximum(_union(self), 1)

    @property
    def lit_share(self) -> np.ndarray:
        """(N, R, 2) share of the image that is lit."""
        return self.lit / PIXELS

    @property
    def target_share(self) -> np.ndarray:
        """(N,) share of the image inside the boxes; 0 marks an empty ground truth."""
        return self.target / PIXELS

    def arrays(self) -> dict[str, np.ndarray]:
        """Field name -> array, as `save_scores` writes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "BoxScores":
        """The scores whose `arrays()` these are."""
        return cls(**{f.name: arrays[f.name] for f in fields(cls)})

    @classmethod
    def concatenate(cls, parts: Sequence["BoxScores"]) -> "BoxScores":
        """All images in order, scored by the same rules."""
        names = [f.name for f in fields(cls) if f.name != "rules"]
        joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        return cls(rules=parts[0].rules, **joined)


def score_boxes(
    logits: Any,
    boxes: Sequence[Boxes],
    *,
    uid: Sequence[str],
    video: Sequence[str],
    classes: Sequence[str],
    rules: Sequence[Rule] = get_args(Rule),
    confidence: Any = None,
) -> BoxScores:
    """Scores of N images: (N, H, W) logits of any size, resized here, against the boxes of each.

    Arrays or a CPU's tensors.
    `confidence` (N,) is the mean probability of the upper quarter of the pixels if it isn't given
    (stoneMo/SLAVC's share).

    Raises ValueError for logits that aren't finite or aren't one map per image.
    """
    logits = np.asarray(logits, np.float32)
    if logits.ndim != 3 or len(logits) != len(boxes):
        raise ValueError(
            f"logits {logits.shape} for the boxes of {len(boxes)} images; expected (N, H, W)"
        )
    finite = np.isfinite(logits).all((1, 2))
    if not finite.all():
        raise ValueError(f"logits of {list(uid)[finite.argmin()]} are NaN or infinite")
    truth = np.stack([rasterise(b) for b in boxes])
    target = truth.sum((1, 2), dtype=np.int32)
    masks = binarise(logits, target, rules)
    both = np.stack([masks, box_hull(masks)], 2)  # (N, R, 2, 224, 224)
    return BoxScores(
        uid=np.asarray(uid, dtype=str),
        video=np.asarray(video, dtype=str),
        classes=np.asarray(classes, dtype=str),
        rules=np.asarray(rules, dtype=str),
        target=target,
        intersection=(both & truth[:, None, None]).sum((3, 4), dtype=np.int32),
        lit=both.sum((3, 4), dtype=np.int32),
        confidence=np.asarray(top_quarter(logits) if confidence is None else confidence),
    )


def top_quarter(logits: np.ndarray) -> np.ndarray:
    """Mean probability of the upper quarter of the pixels, (N, H, W) -> (N,)."""
    values = logits.reshape(len(logits), -1)
    n = max(1, values.shape[1] // 4)
    with np.errstate(over="ignore"):  # the probability is 0 there
        return (1 / (1 + np.exp(-np.partition(values, -n, 1)[:, -n:]))).mean(1)


def binarise(
    logits: np.ndarray, target: np.ndarray, rules: Sequence[Rule] = get_args(Rule)
) -> np.ndarray:
    """(N, H, W) logits and (N,) pixels of each ground truth -> (N, R, 224, 224) bool, by rule.

    The map is resized bilinearly first. `fixed`: logit > 0, a probability above 0.5. `median`: the
    upper half of the pixels, exactly. `oracle`: as many as the ground truth has, or half if it has
    none. Equal pixels are lit in the order of TIES, so a constant map gives an even sprinkle.
    """
    maps = resize(logits.astype(np.float32, copy=False), (SIZE, SIZE))
    by_rule = {
        "fixed": lambda: maps > 0,
        "median": lambda: _largest(maps, np.full(len(maps), HALF)),
        "oracle": lambda: _largest(maps, np.where(target > 0, target, HALF)),
    }
    return np.stack([by_rule[rule]() for rule in rules], 1)


def _largest(maps: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The `number` (N,) largest pixels of maps (N, 224, 224), as bool."""
    values = maps.reshape(-1, PIXELS)
    edge = np.array([np.partition(row, -n)[-n] for row, n in zip(values, number, strict=True)])
    lit = values >= edge[:, None]
    surplus = lit.sum(1) - number
    for i in surplus.nonzero()[0]:  # few maps: an order costs more than all the rest
        equal = TIES[(values[i] == edge[i])[TIES]]
        lit[i, equal[len(equal) - surplus[i] :]] = False
    return lit.reshape(maps.shape)


def box_hull(masks: np.ndarray) -> np.ndarray:
    """Union of the bounding boxes of each mask's components, (..., H, W) bool both ways.

    Boxes cap what a mask can reach (an ellipse inscribed in its box covers 0.785 of it), so
    the hull asks what the same prediction would score as boxes.
    """
    flat = masks.reshape(-1, *masks.shape[-2:])
    hull = np.zeros_like(flat)
    for mask, filled in zip(flat, hull, strict=True):
        for top, bottom, left, right in component_boxes(mask):
            filled[top:bottom, left:right] = True
    return hull.reshape(masks.shape)


def box_terms(
    scores: BoxScores, figure: Figure, rule: Rule = "fixed", shape: Shape = "mask"
) -> Terms:
    """The terms of a figure, one per image.

    figure: `success`, the share of images with IoU >= 0.5 (the papers' cIoU); `auc`, the area under
        that share over the thresholds 0, 0.05, ..., 1 by the trapezoidal rule; `mean_iou`.
    """
    r = _position("rule", rule, scores.rules.tolist())
    s = _position("shape", shape, get_args(Shape))
    values = _values(figure, scores.intersection[:, r, s], _union(scores)[:, r, s])
    return Terms(scores.video, values, np.ones(len(values)))


def trivial_rows(annotations: pd.DataFrame) -> pd.DataFrame:
    """Scores of predictors that neither look nor listen, on these images.

    Args:
        annotations: column `boxes`, as `splits.vggss_boxes.read_annotations` returns it.

    Returns:
        predictor, rule, success, auc, mean_iou (0..1), n (images scored), empty (ground truths).
    """
    truth = np.stack([rasterise(b) for b in annotations["boxes"]]).reshape(-1, PIXELS)
    target = truth.sum(1, dtype=np.int32)
    # The pixel that 0.5 truncates to, as a box's edge would; between the middle four, 34.01 on the
    # released file instead of 34.16.
    y, x = np.indices((SIZE, SIZE)) - SIZE // 2
    side = round(HALF**0.5)
    square = np.zeros((SIZE, SIZE), bool)
    square[(SIZE - side) // 2 :, (SIZE - side) // 2 :][:side, :side] = True
    masks = {
        ("whole image", "fixed"): np.ones((SIZE, SIZE), bool),
        ("centred square of half the area", "fixed"): square,
        ("centred disc", "median"): _upper_half(-np.hypot(x, y)),
        ("mean ground truth (uses the test set's)", "median"): _upper_half(truth.mean(0)),
    }
    lit = np.stack([mask.ravel() for mask in masks.values()], 1)
    chunks = np.array_split(truth, len(truth) // 256 + 1)
    intersections = np.concatenate([c @ lit.astype(np.float32) for c in chunks]).astype(int)
    counts = dict(zip(masks, zip(intersections.T, lit.sum(0), strict=True), strict=True))
    counts["half-image oracle (bound of the rule)", "median"] = np.minimum(target, HALF), HALF
    rows = []
    for (predictor, rule), (intersection, predicted) in counts.items():
        union = predicted + target - intersection
        means = {f: _values(f, intersection, union).mean() for f in get_args(Figure)}
        rows.append({"predictor": predictor, "rule": rule, **means})
    return pd.DataFrame(rows).assign(n=len(target), empty=int((target == 0).sum()))


def baselines_text(path: Path) -> str:
    """The trivial rows of an annotation file as a printable table, with N, empties and repairs."""
    annotations, repairs = read_annotations(path)
    rows = trivial_rows(annotations)
    lines = [f"{'predictor':40}{'rule':8}{'cIoU@0.5':>9}{'AUC':>7}{'mean IoU':>10}"]
    lines += [
        f"{r.predictor:40}{r.rule:8}{100 * r.success:9.2f}{r.auc:7.3f}{r.mean_iou:10.3f}"
        for r in rows.itertuples()
    ]
    empty = annotations.file[annotations["empty"]]
    lines.append(f"\nN = {len(annotations)} images, {len(empty)} with an empty ground truth, where")
    lines.append(f"every prediction scores 0: {', '.join(empty) or 'none'}")
    lines += [f"\n{len(repairs)} repair(s) of {Path(path).name}:", *(f"  {r}" for r in repairs)]
    return "\n".join(lines)


def _upper_half(values: np.ndarray) -> np.ndarray:
    """(224, 224) bool by the median rule."""
    maps = values.reshape(1, SIZE, SIZE)
    return binarise(maps, np.array([HALF]), ["median"])[0, 0]


def _union(scores: BoxScores) -> np.ndarray:
    return scores.lit + scores.target[:, None, None] - scores.intersection


def _values(figure: Figure, intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """(N,) contribution of each image to the mean, compared as whole numbers: IoU 0.15 is 0.15."""
    union = np.maximum(union, 1)
    match figure:
        case "success":
            return (2 * intersection >= union).astype(float)
        case "auc":  # all steps below the last threshold reached, and half of the step above it
            return np.minimum(STEPS * intersection // union + 0.5, STEPS) / STEPS
        case "mean_iou":
            return intersection / union
    raise ValueError(f"figure {figure!r}: expected {', '.join(get_args(Figure))}")


def _position(name: str, value: str, choices: Sequence[str]) -> int:
    if value not in choices:
        raise ValueError(f"{name} {value!r}: expected {', '.join(choices)}")
    return choices.index(value)
