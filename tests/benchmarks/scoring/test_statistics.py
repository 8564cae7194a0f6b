"""The bootstrap against enumeration, textbook formulas and simulated experiments."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.scoring import statistics
from benchmarks.scoring.metrics import Terms, iou_terms, miou
from benchmarks.scoring.statistics import (
    Difference,
    Interval,
    combine,
    difference,
    holm,
    interval,
    sample,
    samples,
)

DRAWS = 4_000


def terms(values: np.ndarray, frames: np.ndarray | None = None) -> Terms:
    """One seed's scores: a mean per video, over so many frames."""
    values = np.asarray(values, float)
    frames = np.ones(len(values)) if frames is None else np.asarray(frames, float)
    video = np.array([f"v{i:03}" for i in range(len(values))])
    return Terms(video, values * frames, frames)


def mean(seeds: list[Terms], draws: int = DRAWS, seed: int = 0) -> Interval:
    return interval(sample(seeds, draws=draws, seed=seed), seed)


def compare(a: list[Terms], b: list[Terms], draws: int = DRAWS) -> Difference:
    return difference(sample(a, draws=draws), sample(b, draws=draws))


def enumerated(seeds: list[Terms]) -> np.ndarray:
    """Every equally likely draw of as many videos and, of n > 1 seeds, n - 1."""
    videos = range(len(seeds[0].video))
    scores = []
    for drawn in itertools.product(videos, repeat=len(videos)):
        rows = list(drawn)
        ratio = [t.numerator[rows].sum() / t.denominator[rows].sum() for t in seeds]
        size = max(1, len(seeds) - 1)
        scores += [np.mean(picked) for picked in itertools.product(ratio, repeat=size)]
    return np.array(scores)


SEEDS = [
    terms([0.2, 0.5, 0.9, 0.4], [5, 10, 1, 4]),
    terms([0.3, 0.4, 0.8, 0.7], [5, 10, 1, 4]),
    terms([0.1, 0.6, 0.7, 0.5], [5, 10, 1, 4]),
]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_interval_against_all_possible_draws(count):
    seeds = SEEDS[:count]
    exact = enumerated(seeds)
    found = mean(seeds, 40_000)
    low, high = np.quantile(exact, (0.025, 0.975))
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)
    assert found.mean == pytest.approx(
        np.mean([(t.numerator.sum() / t.denominator.sum()) for t in seeds])
    )
    assert found.runs == count
    values = [t.value for t in seeds]
    if count == 1:
        assert math.isnan(found.std)
    else:
        assert found.std == pytest.approx(np.std(values, ddof=1))


def test_difference_against_all_possible_draws():
    gains, frames = np.array([0.1, 0, -0.2, 0]), SEEDS[0].denominator
    a, b = SEEDS, [terms(t.numerator / frames + gains, frames) for t in SEEDS[::-1]]
    exact = enumerated(a) - enumerated(b)  # both in one order, so paired
    found = compare(a, b, 40_000)
    assert found.detectable == pytest.approx(2.8 * exact.std(), rel=0.02)
    assert found.low == pytest.approx(np.quantile(exact, 0.025), abs=0.01)
    assert found.high == pytest.approx(np.quantile(exact, 0.975), abs=0.01)
    tail = min((exact <= 0).mean(), (exact >= 0).mean())
    assert found.p == pytest.approx(2 * tail, abs=0.02)


def test_a_mean_has_the_textbook_standard_error():
    values = np.random.default_rng(0).normal(0.5, 0.1, 200)
    zero = terms(np.zeros(200))
    assert compare([terms(values)], [zero]).detectable == pytest.approx(
        2.8 * values.std() / math.sqrt(200), rel=0.05
    )


def test_p_agrees_with_a_paired_t_test():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 0.2, 300)
    a, b = hard + rng.normal(0.006, 0.05, 300), hard + rng.normal(0, 0.05, 300)
    expected = stats.ttest_rel(a, b).pvalue
    assert 0.001 < expected < 0.2
    assert compare([terms(a)], [terms(b)]).p == pytest.approx(expected, abs=0.02)


def test_what_both_methods_share_cancels():
    """A constant gain has no spread, whatever the videos and, for seeds in step, the seeds."""
    rng = np.random.default_rng(0)
    frames = rng.integers(1, 11, 40)
    base = rng.random((3, 40)) + np.array([[0], [0.3], [0.6]])
    a, b = ([terms(row + gain, frames) for row in base] for gain in (0.02, 0))
    found = compare(a, b)
    assert (found.mean, found.low, found.high) == pytest.approx((0.02, 0.02, 0.02))
    assert found.detectable == pytest.approx(0, abs=1e-9)
    assert found.p == pytest.approx(2 / (DRAWS + 1))
    assert mean(b).high - mean(b).low > 0.3


def test_no_difference_has_p_one():
    found = compare(SEEDS, SEEDS)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_swapping_the_methods_swaps_the_sign():
    a, b = SEEDS, [terms([0.4, 0.4, 0.4, 0.5], [5, 10, 1, 4])]  # three seeds against one
    forth, back = compare(a, b), compare(b, a)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert (forth.p, forth.detectable) == pytest.approx((back.p, back.detectable))


def test_seeds_widen_an_interval():
    values = np.random.default_rng(0).random(50)
    steady = mean([terms(values)] * 3)
    restless = mean([terms(values + shift) for shift in (-0.2, 0, 0.2)])
    assert restless.high - restless.low > 2 * (steady.high - steady.low)
    assert restless.mean == pytest.approx(steady.mean)


@pytest.mark.parametrize(("seeds", "between_seeds"), [(1, 0), (3, 0.02)])
def test_95_percent_intervals_cover_the_truth(seeds, between_seeds):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1500):
        frames = rng.integers(1, 11, 60)
        video = rng.normal(0.6, 0.2, 60)
        drift = rng.normal(0, between_seeds, (seeds, 1))
        scores = video + drift + rng.normal(0, 0.05, (seeds, 60))
        found = mean([terms(row, frames) for row in scores], 500)
        covered += found.low <= 0.6 <= found.high
    assert 0.92 <= covered / 1500 <= 0.96


def test_the_detectable_difference_is_seen_four_times_in_five():
    """Experiments whose true difference is what 100 videos can show: a power of 80 %."""
    rng = np.random.default_rng(0)
    true = 2.8 * 0.1 / math.sqrt(100)
    seen, detectable = [], []
    for _ in range(400):
        found = compare([terms(rng.normal(true, 0.1, 100))], [terms(np.zeros(100))], 500)
        seen.append(found.low > 0)
        detectable.append(found.detectable)
    assert np.mean(seen) == pytest.approx(0.8, abs=0.05)
    assert np.mean(detectable) == pytest.approx(true, rel=0.03)


def test_terms_of_a_video_are_drawn_together(make_scores):
    """Four equal frames of each of two videos: only 3 outcomes, with the extremes at 1/4 each."""
    lit, mask = np.ones((1, 1)), np.ones((1, 1))
    frames = [(f"{v}-{i}", lit * on, mask) for v, on in (("x", 1), ("y", 0)) for i in range(4)]
    scores = make_scores(frames, video=lambda clip: clip[0])
    found = mean([iou_terms(scores)])
    assert (found.mean, found.low, found.high) == (0.5, 0, 1)


def test_scores_are_weighted_by_frames_and_metrics_can_be_chosen(make_scores):
    rng = np.random.default_rng(0)
    frames = [(f"c{i // 3}", rng.random((4, 4)), rng.random((4, 4)) < 0.5) for i in range(10)]
    scores = make_scores(frames)
    for choice in ({}, {"threshold": 0.4}, {"unit": "dataset"}, {"unit": "clip"}):
        found = mean([iou_terms(scores, **choice)], 100)
        assert found.mean == pytest.approx(miou(scores, **choice))


def test_results_depend_on_the_seed_of_the_draws_alone():
    again = mean([Terms(t.video[::-1], t.numerator[::-1], t.denominator[::-1]) for t in SEEDS])
    assert mean(SEEDS) == again
    other = [terms(np.random.default_rng(0).random(50))]
    assert mean(other).low == mean(other).low != mean(other, seed=1).low


def test_other_test_sets_meet_independent_draws():
    """On the same videos a score cancels itself; on as many others it adds its own variance."""
    rng = np.random.default_rng(0)
    a = terms(rng.normal(0.5, 0.1, 200))
    b = Terms(np.char.add("w", a.video), a.numerator, a.denominator)
    assert compare([a], [a]).detectable == 0
    spread = 2.8 * a.numerator.std() / math.sqrt(200)
    assert compare([a], [b]).detectable == pytest.approx(math.sqrt(2) * spread, rel=0.05)


def test_runs_may_have_test_sets_of_their_own():
    """Two of three videos are run 0's and two run 1's; a draw without a run's videos leaves it."""
    a = Terms(np.array(["x", "y"]), np.array([0.2, 0.4]), np.ones(2))
    b = Terms(np.array(["y", "z"]), np.array([0.6, 0.8]), np.ones(2))
    found = sample([a, b], draws=4000)
    assert found.values == pytest.approx([0.3, 0.7])
    assert {*np.unique(found.draws[:, 0])} <= {0.2, 0.266666666667, 0.3, 0.333333333333, 0.4}
    only_z = (found.draws[:, 0] == 0.3) & (found.draws[:, 1] == 0.8)
    assert only_z.mean() == pytest.approx(1 / 27, abs=0.01)


def test_a_function_of_scores_run_by_run():
    """Harmonic means of 0.2 with 0.4 and of 0.6 with 0.3, then their mean."""
    a = sample([terms([0.2] * 3), terms([0.6] * 3)], draws=50)
    b = sample([terms([0.4] * 3), terms([0.3] * 3)], draws=50)
    found = combine(lambda x, y: 2 * x * y / (x + y), a, b)
    assert found.values == pytest.approx([0.16 / 0.6, 0.36 / 0.9])
    assert interval(found).mean == pytest.approx((0.16 / 0.6 + 0.4) / 2)
    assert np.unique(found.draws.round(9), axis=0).tolist() == [[0.266666667, 0.4]]
    with pytest.raises(ValueError, match="different runs"):
        combine(np.subtract, a, sample([terms([0.5] * 3)], draws=50))


def test_seeds_and_draws_of_a_full_cross_are_both_drawn():
    """Score 1 with draw 0, else 0: the draws alone decide, so two of four outcomes are pure."""
    runs = [(seed, draw) for draw in (0, 1) for seed in (0, 1)]
    crossed = sample([terms([1 - d] * 2) for _, d in runs], runs, draws=4000)
    assert (interval(crossed).low, interval(crossed).high) == (0, 1)
    shares = difference(crossed, combine(np.zeros_like, crossed))
    assert shares.detectable == pytest.approx(2.8 * 0.5, rel=0.02)  # all or nothing
    paired = sample([terms([x] * 2) for x in (1, 1, 0, 0)], [(i, i) for i in range(4)], draws=4000)
    spread = difference(paired, combine(np.zeros_like, paired)).detectable
    assert spread == pytest.approx(2.8 * 0.5 / math.sqrt(3), rel=0.03)  # three of four runs drawn


def test_holm_by_hand():
    """Sorted .005 x4, .01 x3, .03 x2, .04 x1 -> .02, .03, .06, and .04 lifted to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.03]) == [0.03] and holm([]) == []


def test_one_video_has_no_interval():
    with pytest.raises(ValueError, match="1 video.*at least 2"):
        sample([terms([0.5])])


def test_scores_together_and_in_blocks_are_the_scores_alone(monkeypatch):
    """Three on one test set, in two products, and one on another; the matrix is never whole."""
    rng = np.random.default_rng(0)
    same = [[terms(rng.random(30)) for _ in range(n)] for n in (3, 1, 2)]
    other = [Terms(np.array(["p", "q", "r"]), rng.random(3), np.ones(3))]
    scores = [same[0], other, *same[1:]]
    alone = [sample(by_run, draws=50) for by_run in scores]
    monkeypatch.setattr(statistics, "BLOCK", 30)  # one draw of the larger set at a time
    for made, expected in zip(samples(scores, [None] * 4, 50), alone, strict=True):
        assert made.runs == expected.runs
        np.testing.assert_array_equal(made.values, expected.values)
        np.testing.assert_array_equal(made.draws, expected.draws)
