"""Uncertainty against slow sums, a bootstrap and textbook formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.scoring.metrics import Terms, iou_terms, miou
from benchmarks.scoring.statistics import (
    Difference,
    combine,
    difference,
    excess,
    holm,
    interval,
    paired,
    sample,
    unsampled,
)
from tests.benchmarks.scoring.terms import compare, mean, terms

SEEN = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)  # standard errors


def shifts(score: Terms) -> list[float]:
    """What a score of n videos moves by as one of them is taken twice, times n, to first order."""
    total, n = sum(score.denominator), len(score.video)
    errors = [x - score.value * d for x, d in zip(score.numerator, score.denominator, strict=True)]
    return [e / total * math.sqrt(n / (n - 1)) for e in errors]


def covariance(a: list[Terms], b: list[Terms]) -> float:
    """Mean over pairs of runs, of different ones on one side, or of the only one with itself."""
    x, y = [shifts(t) for t in a], [shifts(t) for t in b]
    pairs = [
        sum(p * q for p, q in zip(x[i], y[j], strict=True))
        for i in range(len(x))
        for j in range(len(y))
        if a is not b or i != j or len(a) == 1
    ]
    return sum(pairs) / len(pairs)


FRAMES = [5, 10, 1, 4]
SEEDS = [
    terms([0.2, 0.5, 0.9, 0.4], FRAMES),
    terms([0.3, 0.4, 0.8, 0.7], FRAMES),
    terms([0.1, 0.6, 0.7, 0.5], FRAMES),
]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_interval_has_a_part_of_the_videos_and_one_of_the_runs(count):
    seeds = SEEDS[:count]
    made = mean(seeds)
    values, videos = [t.value for t in seeds], covariance(seeds, seeds)
    trainings = np.var(values, ddof=1) / count if count > 1 else 0
    quantile = stats.norm.ppf(0.975)
    if count > 1:
        quantile = stats.t.ppf(0.975, (videos + trainings) ** 2 / (trainings**2 / (count - 1)))
    margin = quantile * math.sqrt(videos + trainings)
    if count > 1:  # known videos make nothing surer than the trainings alone
        margin = max(margin, stats.t.ppf(0.975, count - 1) * math.sqrt(trainings))
    assert (made.low, made.high) == pytest.approx((made.mean - margin, made.mean + margin))
    assert made.mean == pytest.approx(np.mean(values))
    assert made.runs == count
    if count == 1:
        assert math.isnan(made.std)
    else:
        assert made.std == pytest.approx(np.std(values, ddof=1))


def test_a_difference_of_three_seeds_and_two():
    """Each side has its own variance between seeds, Welch's test."""
    gains = np.array([0.4, -0.1, -0.3, 0.2])
    a, b = SEEDS, [terms(t.numerator / FRAMES + gains, FRAMES) for t in SEEDS[:2]]
    made = compare(a, b)
    videos = covariance(a, a) + covariance(b, b) - 2 * covariance(a, b)
    parts = [np.var([t.value for t in side], ddof=1) / len(side) for side in (a, b)]
    error = math.sqrt(videos + sum(parts))
    freedom = error**4 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1)
    points = np.mean([t.value for t in a]) - np.mean([t.value for t in b])
    assert made.mean == pytest.approx(points)
    assert made.p == pytest.approx(2 * stats.t.sf(abs(points) / error, freedom))
    assert made.high - made.mean == pytest.approx(stats.t.ppf(0.975, freedom) * error)
    power = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)
    assert made.detectable == pytest.approx(power * error)
    assert made.runs == 2


def test_the_variance_over_videos_is_that_of_a_bootstrap():
    """Means of 80 videos with 1 to 10 frames, of which long ones are worse: drawn one by one."""
    rng = np.random.default_rng(7)
    frames = rng.integers(1, 11, 80)
    score = terms(rng.random(80) - frames / 40, frames)
    drawn = []
    for _ in range(4000):
        rows = rng.integers(80, size=80)
        drawn.append(score.numerator[rows].sum() / score.denominator[rows].sum())
    made = mean([score])
    assert made.high - made.mean == pytest.approx(1.96 * np.std(drawn), rel=0.05)


def test_without_a_part_of_the_videos_it_is_welchs_test():
    """Videos that are all alike: only seeds differ."""
    a, b = ([terms([x] * 5) for x in values] for values in ((0.1, 0.3, 0.2), (0.4, 0.42, 0.35)))
    expected = stats.ttest_ind([0.1, 0.3, 0.2], [0.4, 0.42, 0.35], equal_var=False).pvalue
    assert compare(a, b).p == pytest.approx(expected, rel=1e-6)


def test_a_single_training_is_taken_to_vary_as_the_others_do():
    """The t test of one observation against three of the same variance."""
    a, b = [terms([0.7] * 5)], [terms([x] * 5) for x in (0.1, 0.3, 0.2)]
    error = math.sqrt(0.01 * (1 + 1 / 3))
    for made in (compare(a, b), compare(b, a)):
        assert made.p == pytest.approx(2 * stats.t.sf(0.5 / error, 2), rel=1e-6)
        assert made.runs == 1


def test_common_draws_of_training_clips_are_paired():
    """What a draw does to both cancels: the paired t test of the differences, draw by draw."""
    runs = [(seed, seed) for seed in range(3)]
    first, second = (0.2, 0.5, 0.8), (0.1, 0.41, 0.68)
    a, b = (sample([terms([x] * 4) for x in s], runs) for s in (first, second))
    assert difference(a, b).p == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-6)
    assert difference(a, b.of(runs[:2])).runs == 2
    alone = difference(a, sample([terms([x] * 4) for x in second]))  # seeds only
    assert alone.p == pytest.approx(
        stats.ttest_ind(first, second, equal_var=False).pvalue, rel=1e-6
    )


def test_a_single_common_draw_is_no_pair():
    """One run against three of the same spread, as if the draws were others; one against one says
    what these two say."""
    runs = [(seed, seed) for seed in range(3)]
    three = sample([terms([x] * 4) for x in (0.2, 0.5, 0.8)], runs)
    one = sample([terms([0.1] * 4)], runs[:1])
    p = 2 * stats.t.sf(0.4 / math.sqrt(0.09 * (1 + 1 / 3)), 2)
    assert difference(three, one).p == pytest.approx(p, rel=1e-6)
    assert difference(one, three).p == pytest.approx(p, rel=1e-6)
    assert difference(three.of(runs[:1]), one).p == 0


def test_a_score_against_a_number():
    values = (0.2, 0.5, 0.8)
    made = excess(sample([terms([x] * 4) for x in values]), 0.1)
    assert made.mean == pytest.approx(0.4)
    assert made.p == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue, rel=1e-6)


def test_a_mean_has_the_textbook_standard_error():
    values = np.random.default_rng(0).normal(0.5, 0.1, 200)
    zero = terms(np.zeros(200))
    assert compare([terms(values)], [zero]).detectable == pytest.approx(
        SEEN * values.std() / math.sqrt(200), rel=0.05
    )


def test_p_agrees_with_a_paired_t_test():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 0.2, 300)
    a, b = hard + rng.normal(0.006, 0.05, 300), hard + rng.normal(0, 0.05, 300)
    expected = stats.ttest_rel(a, b).pvalue
    assert 0.001 < expected < 0.2
    assert compare([terms(a)], [terms(b)]).p == pytest.approx(expected, abs=0.02)


def test_what_both_methods_share_cancels():
    """A constant gain has no spread over the videos, so with one training each it is certain; with
    several, the seeds are nobody's pairs."""
    rng = np.random.default_rng(0)
    frames = rng.integers(1, 11, 40)
    base = rng.random((3, 40)) + np.array([[0], [0.3], [0.6]])
    a, b = ([terms(row + gain, frames) for row in base] for gain in (0.02, 0))
    made = compare(a[:1], b[:1])
    assert (made.mean, made.low, made.high) == pytest.approx((0.02, 0.02, 0.02))
    assert made.detectable == 0
    assert made.p == 0
    several = compare(a, b)
    between = np.var([t.value for t in b], ddof=1)
    assert several.p == pytest.approx(2 * stats.t.sf(0.02 / math.sqrt(2 * between / 3), 4), rel=0.1)


def test_p_has_no_floor():
    """A p of nine standard errors is what the normal says."""
    values = np.random.default_rng(0).normal(0.09, 0.1, 100)
    p = compare([terms(values)], [terms(np.zeros(100))]).p
    assert 1e-25 < p < 1e-12


def test_no_difference_has_p_one():
    made = compare(SEEDS, SEEDS)
    assert (made.mean, made.low, made.p) == (0, -made.high, 1)
    assert compare(SEEDS[:1], SEEDS[:1]) == Difference(0, 0, 0, 1, 0, 1)


def test_swapping_the_methods_swaps_the_sign():
    a, b = SEEDS, [terms([0.4, 0.4, 0.4, 0.5], FRAMES)]  # three seeds against one
    forth, back = compare(a, b), compare(b, a)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert (forth.p, forth.detectable) == pytest.approx((back.p, back.detectable))


def test_seeds_widen_an_interval():
    values = np.random.default_rng(0).random(50)
    steady = mean([terms(values)] * 3)
    restless = mean([terms(values + shift) for shift in (-0.2, 0, 0.2)])
    assert restless.high - restless.low > 2 * (steady.high - steady.low)
    assert restless.mean == pytest.approx(steady.mean)


def test_the_terms_of_a_video_are_one(make_scores):
    """Four equal frames of each of two videos: the mean of 1 and 0, not of eight frames."""
    lit, mask = np.ones((1, 1)), np.ones((1, 1))
    frames = [(f"{v}-{i}", lit * on, mask) for v, on in (("x", 1), ("y", 0)) for i in range(4)]
    made = mean([iou_terms(make_scores(frames, video=lambda clip: clip[0]))])
    margin = stats.norm.ppf(0.975) * math.sqrt(0.5 / 2)
    assert (made.low, made.high) == pytest.approx((0.5 - margin, 0.5 + margin))


def test_scores_are_weighted_by_frames_and_metrics_can_be_chosen(make_scores):
    rng = np.random.default_rng(0)
    frames = [(f"c{i // 3}", rng.random((4, 4)), rng.random((4, 4)) < 0.5) for i in range(10)]
    scores = make_scores(frames)
    for choice in ({}, {"threshold": 0.4}, {"unit": "dataset"}, {"unit": "clip"}):
        found = mean([iou_terms(scores, **choice)])
        assert found.mean == pytest.approx(miou(scores, **choice))


def test_the_order_of_the_videos_changes_nothing():
    again = mean([Terms(t.video[::-1], t.numerator[::-1], t.denominator[::-1]) for t in SEEDS])
    assert (again.low, again.high) == pytest.approx((mean(SEEDS).low, mean(SEEDS).high))


@pytest.mark.parametrize("videos", [15, 60])
def test_a_mean_over_a_few_videos_has_the_textbook_standard_error(videos):
    values = np.random.default_rng(videos).random(videos)
    made = mean([terms(values)])
    error = values.std(ddof=1) / math.sqrt(videos)
    assert (made.high - made.mean) / stats.norm.ppf(0.975) == pytest.approx(error)


def test_what_test_sets_share_of_their_videos_cancels():
    """Three runs against five on test sets of their draws, which differ by a video: what the
    videos have in common cancels as on the same ones."""
    rng = np.random.default_rng(0)
    a, b = (terms(base + rng.normal(0, 0.01, 61)) for base in 2 * [rng.random(61)])

    def runs(of: Terms, count: int) -> list[Terms]:
        """A test set per run: all videos but one."""
        kept = [np.arange(61) != run for run in range(count)]
        return [Terms(of.video[k], of.numerator[k], of.denominator[k]) for k in kept]

    three, five = (sample(runs(of, n)) for of, n in ((a, 3), (b, 5)))
    alike = difference(sample([a]), sample([b])).detectable / SEEN
    apart = np.sqrt(((three.on(five.videos).mean(1) - five.parts.mean(1)) ** 2).sum())
    assert apart < 2 * alike < 0.1 * np.sqrt((five.parts.mean(1) ** 2).sum())


def test_other_videos_are_independent():
    """On the same videos a score cancels itself; on as many others it adds its own variance."""
    rng = np.random.default_rng(0)
    a = terms(rng.normal(0.5, 0.1, 200))
    b = Terms(np.char.add("w", a.video), a.numerator, a.denominator)
    assert compare([a], [a]).detectable == 0
    spread = SEEN * a.numerator.std() / math.sqrt(200)
    assert compare([a], [b]).detectable == pytest.approx(math.sqrt(2) * spread, rel=0.05)


def test_runs_may_have_test_sets_of_their_own():
    """Two of three videos are run 0's and two run 1's: they share y alone."""
    a = Terms(np.array(["x", "y"]), np.array([0.2, 0.4]), np.ones(2))
    b = Terms(np.array(["y", "z"]), np.array([0.6, 0.8]), np.ones(2))
    found = sample([a, b])
    assert found.values == pytest.approx([0.3, 0.7])
    assert found.videos.tolist() == ["x", "y", "z"]
    part = 0.1 / 2 * math.sqrt(2)
    assert found.parts.T == pytest.approx(np.array([[-part, part, 0], [0, -part, part]]))


def test_a_function_of_scores_run_by_run():
    """Harmonic means of 0.2 with 0.4 and of 0.6 with 0.3, then their mean."""
    a = sample([terms([0.2] * 3), terms([0.6] * 3)])
    b = sample([terms([0.4] * 3), terms([0.3] * 3)])
    found = combine(lambda x, y: 2 * x * y / (x + y), a, b)
    assert found.values == pytest.approx([0.16 / 0.6, 0.36 / 0.9])
    assert interval(found).mean == pytest.approx((0.16 / 0.6 + 0.4) / 2)
    with pytest.raises(ValueError, match="different runs"):
        combine(np.subtract, a, sample([terms([0.5] * 3)]))


def test_a_function_has_the_derivatives_of_its_scores():
    """Derivatives of the harmonic mean of a and b are 2 b^2 and 2 a^2, over (a + b)^2."""
    a, b = sample([SEEDS[0]]), sample([SEEDS[1]])
    made = combine(lambda x, y: 2 * x * y / (x + y), a, b)
    (x,), (y,) = a.values, b.values
    expected = 2 * (y**2 * a.parts + x**2 * b.parts) / (x + y) ** 2
    assert made.parts == pytest.approx(expected, rel=1e-6)


def test_a_score_without_a_spread_has_no_interval_and_decides_nothing():
    alone, other = unsampled([0.5], [(0, None)]), sample([SEEDS[0]])
    assert math.isnan(interval(alone).low) and math.isnan(difference(alone, other).low)
    assert not alone.known and other.known and not difference(other, alone).decided


def test_seeds_and_draws_of_a_full_cross_both_have_a_part():
    """Score 1 with draw 0, else 0: of four runs the draws alone decide, with one degree."""
    runs = [(seed, draw) for draw in (0, 1) for seed in (0, 1)]
    made = interval(sample([terms([1 - d] * 2) for _, d in runs], runs))
    assert made.high - made.mean == pytest.approx(stats.t.ppf(0.975, 1) * math.sqrt(0.5 / 2))
    paired = sample([terms([x] * 2) for x in (1, 1, 0, 0)], [(i, i) for i in range(4)])
    margin = stats.t.ppf(0.975, 3) * math.sqrt(1 / 3 / 4)  # four runs, each a draw of its own
    assert interval(paired).high - 0.5 == pytest.approx(margin)


def test_holm_by_hand():
    """Sorted .005 x4, .01 x3, .03 x2, .04 x1 -> .02, .03, .06, and .04 lifted to .06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([0.03]) == [0.03] and holm([]) == []


def test_one_video_has_no_interval():
    with pytest.raises(ValueError, match="1 video.*at least 2"):
        sample([terms([0.5])])


def test_paired_scores_are_of_the_draws_that_both_have():
    """Draws 0 to 2 and 1 to 4: the difference is that of 1 and 2."""
    few, many = (
        sample([terms([k, k + 1]) for k in picks], [(k, k) for k in picks])
        for picks in ([0, 1, 2], [1, 2, 3, 4])
    )
    first, second = paired(few, many)
    assert first.runs == second.runs == ((1, 1), (2, 2))
    assert difference(few, many).mean == first.mean - second.mean == 0
    assert paired(few, few.of([(0, 0)])) is None  # one says nothing of how draws vary
