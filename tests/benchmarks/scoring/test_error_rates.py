"""Simulated experiments: how often intervals cover the truth, and tests see what isn't there."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.scoring.statistics import Sample, difference, sample
from tests.benchmarks.scoring.terms import compare, mean, terms

SEEN = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)  # standard errors


@pytest.mark.parametrize(("seeds", "between_seeds"), [(1, 0), (3, 0.02)])
def test_95_percent_intervals_cover_the_truth(seeds, between_seeds):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1500):
        frames = rng.integers(1, 11, 60)
        video = rng.normal(0.6, 0.2, 60)
        drift = rng.normal(0, between_seeds, (seeds, 1))
        scores = video + drift + rng.normal(0, 0.05, (seeds, 60))
        made = mean([terms(row, frames) for row in scores])
        covered += made.low <= 0.6 <= made.high
    assert 0.93 <= covered / 1500 <= 0.96


def simulated(
    rng: np.random.Generator, seeds: int, between_seeds: float, paired: bool = False
) -> tuple[Sample, Sample]:
    """Two methods that are equally good, in points: the standard error of their difference over the
    videos is 1.5, and the standard deviation of the difference of two trainings `between_seeds`.
    A training also does something of its own to each video. Paired: on the same draws of clips."""
    videos = 100
    liking = rng.normal(0, 1.5 * math.sqrt(videos / 2), (2, 1, videos))
    trained = rng.normal(0, between_seeds / math.sqrt(2), (2, seeds, 1))
    scores = liking + trained + rng.normal(0, 5, (2, seeds, videos))
    runs = [(i, i if paired else None) for i in range(seeds)]
    first, second = (sample([terms(row) for row in rows], runs) for rows in scores)
    return first, second


def errors(
    experiments: int, seeds: int, between_seeds: float, paired: bool = False, level: float = 0.05
) -> float:
    """Share of experiments in which a test sees a difference that isn't there."""
    rng = np.random.default_rng([seeds, round(between_seeds)])
    made = (difference(*simulated(rng, seeds, between_seeds, paired)) for _ in range(experiments))
    return sum(d.p < level for d in made) / experiments


@pytest.mark.parametrize(
    ("seeds", "between_seeds", "paired"), [(5, 0, False), (3, 4, False), (3, 4, True)]
)
def test_a_5_percent_test_errs_in_5_percent(seeds, between_seeds, paired):
    assert 0.04 <= errors(3000, seeds, between_seeds, paired) <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("between_seeds", range(7))
@pytest.mark.parametrize("paired", [False, True])
def test_a_5_percent_test_errs_in_5_percent_however_restless_the_seeds(
    seeds, between_seeds, paired
):
    assert 0.04 <= errors(6000, seeds, between_seeds, paired) <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "paired"), [(3, False), (3, True), (5, True)])
def test_the_first_of_28_comparisons_errs_as_rarely_as_holm_s_rule_asks(seeds, paired):
    """At .05/28, of 20,000 experiments: 36, and twice as many are six standard deviations more."""
    assert errors(20000, seeds, 4, paired, 0.05 / 28) <= 2 * 0.05 / 28


def test_the_detectable_difference_is_seen_four_times_in_five():
    """Experiments whose true difference is what 100 videos can show: a power of 80 %."""
    rng = np.random.default_rng(0)
    true = SEEN * 0.1 / math.sqrt(100)
    seen, detectable = [], []
    for _ in range(400):
        found = compare([terms(rng.normal(true, 0.1, 100))], [terms(np.zeros(100))])
        seen.append(found.low > 0)
        detectable.append(found.detectable)
    assert np.mean(seen) == pytest.approx(0.8, abs=0.05)
    assert np.mean(detectable) == pytest.approx(true, rel=0.03)
