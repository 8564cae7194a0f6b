"""How sure a score and a difference are: videos and seeds are resampled together.

Frames of a clip and clips of a video resemble each other, so the video is what is drawn. A score is
a ratio of sums (`Terms`): in each draw the ratio is taken for every seed and averaged over the
drawn seeds. Two methods meet the same draws, so what makes a video hard cancels in the difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.scoring.metrics import Terms, iou_terms

DRAWS = 10_000
POWER = 2.8  # standard errors between 0 and a difference seen with 80 % power at 5 %: 1.96 + 0.84
CHUNK = 1_000  # draws in memory at once at full width

Metric = Callable[[Any], Terms]  # takes one seed's scores, e.g. `iou_terms` or a partial of it


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % percentile interval."""

    mean: float
    low: float
    high: float
    std: float  # between seeds, with n - 1; NaN for one seed
    seeds: int
    videos: int


@dataclass(frozen=True)
class Difference:
    """First minus second, its 95 % percentile interval and the two-sided p of no difference."""

    mean: float
    low: float
    high: float
    p: float
    detectable: float  # smallest difference that these videos and seeds would show


def mean_interval(
    by_seed: Sequence[Any], metric: Metric = iou_terms, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The score of one method from its scores by training seed (one or more)."""
    terms = [metric(scores) for scores in by_seed]
    videos = _videos(terms)
    low, high = np.quantile(_replicates(terms, videos, draws, seed), (0.025, 0.975))
    values = [t.value for t in terms]
    std = np.std(values, ddof=1) if len(values) > 1 else np.nan
    return Interval(
        float(np.mean(values)), float(low), float(high), float(std), len(values), len(videos)
    )


def difference(
    a_by_seed: Sequence[Any],
    b_by_seed: Sequence[Any],
    metric: Metric = iou_terms,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """a minus b on the same videos; the i-th seeds of both are drawn together if they are as many.

    Raises ValueError when the two were not scored on the same videos.
    """
    a, b = [metric(s) for s in a_by_seed], [metric(s) for s in b_by_seed]
    videos = _videos(a)
    apart = np.setxor1d(videos, _videos(b))
    if len(apart):
        raise ValueError(
            f"scores to compare differ in {len(apart)} videos, e.g. {apart[0]}; "
            "score both methods on the same test set"
        )
    drawn = _replicates(a, videos, draws, seed) - _replicates(b, videos, draws, seed)
    low, high = np.quantile(drawn, (0.025, 0.975))
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(
        mean=float(np.mean([t.value for t in a]) - np.mean([t.value for t in b])),
        low=float(low),
        high=float(high),
        p=float(min(1, 2 * (tail + 1) / (draws + 1))),
        detectable=float(POWER * drawn.std(ddof=1)),
    )


def holm(p: Sequence[float]) -> list[float]:
    """p values of one table adjusted by Holm's step-down rule, in the order given."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def _per_video(terms: Terms, videos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V,) numerators and (V,) denominators, summed over the terms of each of `videos` (sorted)."""
    rows = np.searchsorted(videos, terms.video)
    n = len(videos)
    return np.bincount(rows, terms.numerator, n), np.bincount(rows, terms.denominator, n)


def _videos(terms: Sequence[Terms]) -> np.ndarray:
    videos = np.unique(np.concatenate([t.video for t in terms]))
    if len(videos) < 2:
        raise ValueError(
            f"{len(videos)} video(s) cannot be resampled; an interval needs at least 2"
        )
    return videos


def _replicates(terms: Sequence[Terms], videos: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) resampled scores. The draws depend on the numbers of videos and seeds alone."""
    sums = np.array([_per_video(t, videos) for t in terms])  # (S, 2, V)
    numerator, denominator = sums.transpose(1, 2, 0)  # (V, S) each
    weights = _video_weights(len(videos), draws, seed)
    ratios = [
        (w @ numerator) / (w @ denominator)
        for w in (weights[i : i + CHUNK].astype(float) for i in range(0, draws, CHUNK))
    ]
    return (np.concatenate(ratios) * _seed_weights(len(terms), draws, seed)).sum(1)


@lru_cache(maxsize=4)
def _video_weights(videos: int, draws: int, seed: int) -> np.ndarray:
    """(draws, videos) how often each video is drawn."""
    return _counts(np.random.default_rng([seed, 0]), videos, videos, draws)


@lru_cache(maxsize=4)
def _seed_weights(seeds: int, draws: int, seed: int) -> np.ndarray:
    """(draws, seeds) share of each training seed.

    One seed less is drawn than there are: drawing n of n understates the variance of a mean by the
    factor (n - 1) / n, which is a third at three seeds.
    """
    drawn = max(1, seeds - 1)
    return _counts(np.random.default_rng([seed, 1]), seeds, drawn, draws) / drawn


def _counts(rng: np.random.Generator, items: int, drawn: int, draws: int) -> np.ndarray:
    counts = np.empty((draws, items), np.uint16)
    for start in range(0, draws, CHUNK):
        n = min(CHUNK, draws - start)
        picks = rng.integers(items, size=(n, drawn)) + items * np.arange(n)[:, None]
        counts[start : start + n].flat = np.bincount(picks.ravel(), minlength=n * items)
    return counts
