"""One threshold for a test set, against scores taken anew from the probabilities at each cut."""

import numpy as np
import pytest

from benchmarks.scoring.counts import STEPS, THRESHOLDS
from benchmarks.scoring.metrics import fscore_terms
from benchmarks.scoring.thresholds import best_threshold, iou_curves, terms_at


@pytest.fixture
def maps():
    """Five frames of two clips, the second clip's last one without a target."""
    rng = np.random.default_rng(0)
    names = ["a", "a", "b", "b", "b"]
    made = [(name, rng.random((6, 7)), rng.random((6, 7)) < 0.4) for name in names]
    made[-1] = (*made[-1][:2], np.zeros((6, 7), bool))
    return made


def iou_of(probability, mask, threshold):
    """IoU of one frame; without a target the share of dark pixels."""
    lit = probability.astype(np.float32) >= threshold
    if not mask.any():
        return 1 - lit.mean()
    return (lit & mask).sum() / (lit | mask).sum()


def f_of(probability, mask, threshold):
    lit = probability.astype(np.float32) >= threshold
    if not mask.any() or not (lit & mask).any():
        return 0
    precision, recall = (lit & mask).sum() / lit.sum(), (lit & mask).sum() / mask.sum()
    return 1.3 * precision * recall / (0.3 * precision + recall)


def test_every_cut_is_the_score_of_the_probabilities_at_it(maps, make_scores):
    scores = make_scores(maps)
    curves = iou_curves(scores)
    assert curves.shape == (5, STEPS)
    for number in (0, 17, 127, 200, 254):
        expected = [iou_of(p, mask, THRESHOLDS[number].item()) for _, p, mask in maps]
        assert curves[:, number] == pytest.approx(expected)


def test_terms_at_a_cut(maps, make_scores):
    """F: the mean over a clip's frames with a target; b's third frame has none."""
    scores, number = make_scores(maps), 140
    cut = THRESHOLDS[number].item()
    assert terms_at(scores, "miou", number).value == pytest.approx(
        np.mean([iou_of(p, mask, cut) for _, p, mask in maps])
    )
    f = [f_of(p, mask, cut) for _, p, mask in maps]
    expected = [np.mean(f[:2]), np.mean(f[2:4])]
    assert terms_at(scores, "fscore", number).numerator == pytest.approx(expected)
    assert terms_at(scores, "fscore", number).value <= fscore_terms(scores).value


def test_the_best_cut_is_that_of_the_mean_over_seeds(make_scores):
    """Two pixels, the first sounds: at 0.3 and 0.1 with one seed, at 0.9 and 0.5 with the other.

    The first seed is right at cuts in (0.1, 0.3], the second in (0.5, 0.9]; a cut in (0.3, 0.5]
    has 0 and a half, one in (0.1, 0.3] has 1 and a half, and one above 0.5 has 0 and 1. The lowest
    of the best is the first above 0.1: 26 of 254.
    """
    mask = np.array([[True, False]])
    seeds = [make_scores([("a", np.array([p]), mask)]) for p in ((0.3, 0.1), (0.9, 0.5))]
    for metric in ("miou", "fscore"):
        assert best_threshold(seeds, metric) == 26
    assert best_threshold(seeds[1:], "miou") == 128  # of 127 / 254 = 0.5 the second pixel is lit
