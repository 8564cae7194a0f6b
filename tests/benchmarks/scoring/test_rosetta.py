"""Each named rule against its published formula, written out slowly, and against frames by hand."""

import math

import numpy as np
import pytest
import torch

from benchmarks.scoring.rosetta import RULES, rosetta

Clips = list[tuple[torch.Tensor, torch.Tensor]]  # (T, H, W) probabilities and targets 0/1


def batches(clips: Clips, size: int) -> Clips:
    groups = [clips[i : i + size] for i in range(0, len(clips), size)]
    return [tuple(torch.cat(parts) for parts in zip(*group, strict=True)) for group in groups]


def frames(clips: Clips) -> Clips:
    return [(p[t : t + 1], g[t : t + 1]) for p, g in clips for t in range(len(p))]


def soft_iou(p: torch.Tensor, g: torch.Tensor, threshold: float) -> float:
    """Mean over a batch as AVSBench, AVSegFormer and GAVS compute it, in single precision."""
    lit = (p > threshold).float()
    intersection, union = (lit * g).sum((1, 2)), torch.maximum(lit, g).sum((1, 2))
    empty = g.sum((1, 2)) == 0
    intersection = torch.where(empty, ((1 - lit) * (1 - g)).sum((1, 2)), intersection)
    union = torch.where(empty, torch.full_like(union, g[0].numel()), union)
    return (intersection / (union + 1e-7)).mean().item()


def f_curve(p: torch.Tensor, g: torch.Tensor) -> torch.Tensor | None:
    """Mean F curve over the frames of a batch that have a target; None if none has."""
    curves = []
    for frame, target in zip(p, g, strict=True):
        if target.sum() == 0:
            continue
        curve = torch.zeros(255)
        for i, t in enumerate(torch.linspace(0, 1 - 1e-10, 255)):
            lit = (frame >= t).float()
            hits = (lit * target).sum()
            precision, recall = hits / (lit.sum() + 1e-20), hits / (target.sum() + 1e-20)
            curve[i] = 1.3 * precision * recall / (0.3 * precision + recall)
        curves.append(curve.nan_to_num(0))
    return torch.stack(curves).mean(0) if curves else None


def mean_best_f(groups: Clips, without: float | None = 0.0) -> float:
    """Mean over batches of the largest F; `without` is what a batch without target counts."""
    curves = [f_curve(p, g) for p, g in groups]
    best = [without if c is None else c.max().item() for c in curves]
    return float(np.mean([b for b in best if b is not None]))


def mean_iou(groups: Clips, threshold: float = 0.5) -> float:
    return float(np.mean([soft_iou(p, g, threshold) for p, g in groups]))


def dataset_iou(clips: Clips) -> float:
    p, g = (torch.cat([x.flatten() for x in side]) for side in zip(*clips, strict=True))
    hits = ((p > 0.5) & (g == 1)).sum()
    return (hits / (hits + ((p > 0.5) != (g == 1)).sum())).item()


def hard_iou(clips: Clips) -> float:
    values = []
    for p, g in frames(clips):
        lit, union = p > 0.5, ((p > 0.5) | (g == 1)).sum().item()
        values.append(1.0 if union == 0 else ((lit & (g == 1)).sum().item() / union))
    return float(np.mean(values))


def sounding(clips: Clips) -> Clips:
    return [(p, g) for p, g in frames(clips) if g.any()]


def squashed(clips: Clips) -> Clips:
    """Frames of 8 x 8 doubled to 16 x 16: probabilities blend between pixels, targets repeat."""
    small = [
        torch.nn.functional.interpolate(p[:, None], (16, 16), mode="bilinear")[:, 0]
        for p, _ in clips
    ]
    large = [g.repeat_interleave(2, 1).repeat_interleave(2, 2) for _, g in clips]
    return list(zip(small, large, strict=True))


PUBLISHED = {
    "tables": (lambda c: mean_iou(frames(c)), mean_best_f),
    "gavs_released": (lambda c: mean_iou(c, 0.4), mean_best_f),
    "avsbench": (lambda c: mean_iou(batches(c, 4)), lambda c: mean_best_f(batches(c, 4))),
    "avsbench_default": (mean_iou, mean_best_f),
    "avsbench_squash": (lambda c: mean_iou(batches(squashed(c), 4)), None),
    "avsegformer": (lambda c: mean_iou(batches(c, 2)), lambda c: mean_best_f(batches(c, 2))),
    "frame": (lambda c: mean_iou(frames(c)), lambda c: mean_best_f(frames(c), without=None)),
    "dataset": (dataset_iou, lambda c: mean_best_f(batches(c, len(c)))),
    "hard_empty": (hard_iou, mean_best_f),
    "non_empty": (lambda c: mean_iou(sounding(c)), lambda c: mean_best_f(c, without=None)),
}


@pytest.fixture(scope="module")
def clips() -> Clips:
    """Nine clips of 1, 3 or 5 frames, a silent one among them; batches of 2 and 4 end in a rest."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(9):
        frames = (1, 3, 5)[i % 3]
        g = rng.random((frames, 8, 8)) < rng.choice([0, 0.1, 0.5], (frames, 1, 1))
        g &= i != 3
        p = 1 / (1 + np.exp(-rng.normal(0, 2, (frames, 8, 8)) - 2 * g + 0.7))
        p[:, :2] = rng.choice([0, 0.4, 0.5, 1], (frames, 2, 8))
        found.append((torch.tensor(p, dtype=torch.float32), torch.tensor(g, dtype=torch.float32)))
    return found


@pytest.fixture(scope="module")
def table(clips, make_scores):
    rows = [(f"clip{i}", p[t], g[t]) for i, (p, g) in enumerate(clips) for t in range(len(p))]
    return rosetta(make_scores(rows, squash=16)).set_index("name")


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_a_rule_is_its_published_formula(clips, table, name):
    iou, f = PUBLISHED[name]
    assert table.miou[name] == pytest.approx(iou(clips), abs=1e-6)
    if f is None:
        assert math.isnan(table.fscore[name])
    else:
        assert table.fscore[name] == pytest.approx(f(clips), abs=1e-6)


def test_no_two_rules_agree(table):
    """What the table is for: on these clips each rule gives figures of its own."""
    assert not table.duplicated(["miou", "fscore"]).any()


def test_rules_by_hand(make_scores):
    """Clip a: IoU 1/2 at 0.5 and 1 at 0.4, then a silent frame a quarter lit; clip b: IoU 1."""
    mask, empty = np.array([[1, 1], [0, 0]]), np.zeros((2, 2))
    table = rosetta(
        make_scores(
            [
                ("a", [[0.9, 0.45], [0.1, 0.1]], mask),
                ("a", [[0.9, 0.1], [0.1, 0.1]], empty),
                ("b", mask, mask),
            ]
        )
    ).set_index("name")
    expected = {
        "tables": (1 / 2 + 3 / 4 + 1) / 3,
        "gavs_released": ((1 + 3 / 4) / 2 + 1) / 2,
        "avsbench": (1 / 2 + 3 / 4 + 1) / 3,
        "avsbench_default": ((1 / 2 + 3 / 4) / 2 + 1) / 2,
        "avsegformer": (1 / 2 + 3 / 4 + 1) / 3,
        "dataset": (1 + 0 + 2) / (2 + 1 + 2),
        "hard_empty": (1 / 2 + 0 + 1) / 3,
        "non_empty": (1 / 2 + 1) / 2,
    }
    for name, iou in expected.items():
        assert table.miou[name] == pytest.approx(iou), name
    assert (table.fscore.dropna() == 1).all()  # each map ranks its pixels perfectly
