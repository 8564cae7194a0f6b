"""Uncertainty of a score and of a difference: videos and runs are resampled together.

Frames of a clip and clips of a video resemble each other, so the video is what is drawn. A score is
a ratio of sums (`Terms`): in each draw the ratio is taken for every run and averaged over the drawn
runs. A run is a training seed, or a seed with a draw of training clips. Scores on the same videos
meet the same draws, so what makes a video hard cancels in a difference; scores on different test
sets meet independent ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar
from zlib import crc32

import numpy as np

from benchmarks.scoring.metrics import Terms

DRAWS = 10_000
SIGNIFICANCE = 0.05  # a p, adjusted by Holm's rule, at or above it decides nothing
VERDICTS = ("holds", "reversed", "undecided")
POWER = 2.8  # standard errors between 0 and a difference seen with 80 % power at 5 %: 1.96 + 0.84
CHUNK = 1_000  # draws in memory at once at full width

Run = tuple[int, int | str | None]  # training seed and draw of the training clips


@dataclass(frozen=True)
class Sample:
    """A score by run, and what it would be on other videos."""

    runs: tuple[Run, ...]  # S of them
    values: np.ndarray  # (S,)
    draws: np.ndarray  # (D, S) on resampled videos

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return float(self.values.mean())

    def of(self, runs: Sequence[Run]) -> "Sample":
        """The score of some of its runs."""
        columns = [self.runs.index(run) for run in runs]
        return Sample(tuple(runs), self.values[columns], self.draws[:, columns])


@dataclass(frozen=True)
class Interval:
    """A mean over runs with its 95 % percentile interval."""

    mean: float
    low: float
    high: float
    std: float  # between runs, with n - 1; NaN for one run
    runs: int


@dataclass(frozen=True)
class Difference:
    """First minus second, its 95 % percentile interval and the two-sided p of no difference."""

    mean: float
    low: float
    high: float
    p: float
    detectable: float  # smallest difference that these videos and runs would show

    @property
    def decided(self) -> bool:
        """True if p is below SIGNIFICANCE."""
        return self.p < SIGNIFICANCE

    @property
    def verdict(self) -> str:
        """One of VERDICTS on the claim that the first is the higher."""
        holds, reversed_, undecided = VERDICTS
        return undecided if not self.decided else holds if self.mean > 0 else reversed_

    def turned(self) -> "Difference":
        """Second minus first."""
        return replace(self, mean=-self.mean, low=-self.high, high=-self.low)


Place = TypeVar("Place")


def sample(
    terms: Sequence[Terms],
    runs: Sequence[Run] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Sample:
    """The score of one method from its terms by run (one or more).

    runs: which they are, where the draws of several scores are to be the same; by default 0, 1, ...

    Raises ValueError for fewer than two videos.
    """
    runs = tuple(runs) if runs is not None else tuple((i, None) for i in range(len(terms)))
    videos = np.unique(np.concatenate([t.video for t in terms]))
    if len(videos) < 2:
        raise ValueError(
            f"{len(videos)} video(s) cannot be resampled; an interval needs at least 2"
        )
    sums = np.array([_per_video(t, videos) for t in terms])  # (S, 2, V)
    numerator, denominator = sums.transpose(1, 2, 0)  # (V, S) each
    weights = _video_weights(len(videos), draws, (seed, 0, crc32("\n".join(videos).encode())))
    values = np.array([t.value for t in terms])
    ratios = np.tile(values, (draws, 1))  # stays where none of a run's own videos is drawn
    for start in range(0, draws, CHUNK):
        w = weights[start : start + CHUNK].astype(float)
        total = w @ denominator
        np.divide(w @ numerator, total, out=ratios[start : start + CHUNK], where=total > 0)
    # Rounded, so that equal scores stay equal in whatever order their terms were added.
    return Sample(runs, values, ratios.round(12))


def combine(function: Callable[..., np.ndarray], *samples: Sample) -> Sample:
    """A function of several scores, run by run, such as their difference or harmonic mean."""
    if len({s.runs for s in samples}) != 1:
        raise ValueError(f"scores of different runs: {', '.join(str(s.runs) for s in samples)}")
    values = function(*(s.values for s in samples))
    return Sample(samples[0].runs, values, function(*(s.draws for s in samples)))


def interval(scores: Sample, seed: int = 0) -> Interval:
    """Mean over the runs and its interval over videos and runs."""
    low, high = np.quantile(_over_runs(scores, seed), (0.025, 0.975))
    n = len(scores.values)
    std = float(np.std(scores.values, ddof=1)) if n > 1 else np.nan
    return Interval(scores.mean, float(low), float(high), std, n)


def difference(a: Sample, b: Sample, seed: int = 0) -> Difference:
    """a minus b; the i-th runs of both are drawn together if they are as many."""
    drawn = _over_runs(a, seed) - _over_runs(b, seed)
    low, high = np.quantile(drawn, (0.025, 0.975))
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(
        mean=a.mean - b.mean,
        low=float(low),
        high=float(high),
        p=float(min(1, 2 * (tail + 1) / (len(drawn) + 1))),
        detectable=float(POWER * drawn.std(ddof=1)),
    )


def holm(p: Sequence[float]) -> list[float]:
    """p values of one table adjusted by Holm's step-down rule, in the order given."""
    values = np.asarray(p, float)
    order = np.argsort(values)
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def adjusted(differences: Mapping[Place, Difference]) -> dict[Place, Difference]:
    """The differences of one table, each with its p adjusted by Holm's rule over all of them."""
    p = holm([difference.p for difference in differences.values()])
    pairs = zip(differences.items(), p, strict=True)
    return {place: replace(difference, p=value) for (place, difference), value in pairs}


def _per_video(terms: Terms, videos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) numerators and (V,) denominators, summed over the terms of each of `videos` (sorted)."""
    rows = np.searchsorted(videos, terms.video)
    n = len(videos)
    return np.bincount(rows, terms.numerator, n), np.bincount(rows, terms.denominator, n)


def _over_runs(scores: Sample, seed: int) -> np.ndarray:
    """(D,) means over the drawn runs."""
    weights = _run_weights(scores.runs, len(scores.draws), seed)
    return (scores.draws * weights).sum(1).round(12)


@lru_cache(maxsize=4)
def _video_weights(videos: int, draws: int, seed: tuple[int, ...]) -> np.ndarray:
    """(draws, videos) how often each video is drawn."""
    return _counts(np.random.default_rng(seed), videos, videos, draws)


@lru_cache(maxsize=16)
def _run_weights(runs: tuple[Run, ...], draws: int, seed: int) -> np.ndarray:
    """(draws, S) share of each run. Where every seed meets every draw, both are drawn."""
    seeds, picks = (sorted(set(values), key=str) for values in zip(*runs, strict=True))
    if min(len(seeds), len(picks)) == 1 or len(seeds) * len(picks) != len(set(runs)):
        return _shares(len(runs), draws, (seed, 1))
    by_seed = _shares(len(seeds), draws, (seed, 1))[:, [seeds.index(s) for s, _ in runs]]
    return by_seed * _shares(len(picks), draws, (seed, 2))[:, [picks.index(d) for _, d in runs]]


def _shares(items: int, draws: int, seed: tuple[int, ...]) -> np.ndarray:
    """(draws, items) share of each.

    One less is drawn than there are: drawing n of n understates the variance of a mean by the
    factor (n - 1) / n, which is a third at three seeds.
    """
    drawn = max(1, items - 1)
    return _counts(np.random.default_rng(seed), items, drawn, draws) / drawn


def _counts(rng: np.random.Generator, items: int, drawn: int, draws: int) -> np.ndarray:
    counts = np.empty((draws, items), np.uint16)
    for start in range(0, draws, CHUNK):
        n = min(CHUNK, draws - start)
        picks = rng.integers(items, size=(n, drawn)) + items * np.arange(n)[:, None]
        picked = np.bincount(picks.ravel(), minlength=n * items)
        counts[start : start + n] = picked.reshape(n, items)
    return counts
