"""Uncertainty of a score and of a difference: over videos and over trainings.

Frames of a clip and clips of a video resemble each other, so the video is what is drawn. A score is
a ratio of sums (`Terms`): in each draw the ratio is taken for every run. A run is a training seed,
or a seed with a draw of training clips. How often a draw takes a video is Poisson's with mean 1
(Oza and Russell, 2001), and depends on the video's name alone: wherever it is tested it is drawn as
often, so what makes a video hard cancels in a difference, also of test sets that share a part.

The variance of a mean is that over draws of videos, of what its runs have in common, plus s^2 / n
of its n runs (what a run does to single videos is in s^2). Tests and intervals are those of a t
with Satterthwaite's degrees of freedom, the videos' part taken as known. Two scores' seeds are
independent, whatever their numbers; runs on the same draws of training clips are paired. One run
tells nothing of s^2: beside several it is taken to vary as they do, and one beside one is judged as
that training.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, TypeVar
from zlib import crc32

import numpy as np

from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.student import NORMAL, quantile, tail

DRAWS = 2_000  # of which only variances are taken: an error is right to 1.6 %
SIGNIFICANCE = 0.05  # a p, adjusted by Holm's rule, at or above it decides nothing
VERDICTS = ("holds", "reversed", "undecided")
POWER = 0.8  # chance to see a difference that is called detectable, at 5 %
BLOCK = 1 << 22  # numbers in memory at once, of a table of draws by videos and of one of its inputs

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
    """A mean over runs with its 95 % interval."""

    mean: float
    low: float
    high: float
    std: float  # between runs, with n - 1; NaN for one run
    runs: int


@dataclass(frozen=True)
class Difference:
    """First minus second, its 95 % interval and the two-sided p of no difference."""

    mean: float
    low: float
    high: float
    p: float
    detectable: float  # smallest difference that these videos and runs would show
    runs: int  # of the side that has fewer; one: of these trainings, not of the methods

    @property
    def decided(self) -> bool:
        """True if p is below SIGNIFICANCE."""
        return self.p < SIGNIFICANCE

    @property
    def verdict(self) -> str:
        """One of VERDICTS on the claim that the first is the higher."""
        return verdict_of(self.mean, self.p)

    @property
    def interval(self) -> Interval:
        """The same without its test."""
        return Interval(self.mean, self.low, self.high, np.nan, self.runs)

    def turned(self) -> "Difference":
        """Second minus first."""
        return replace(self, mean=-self.mean, low=-self.high, high=-self.low)


Place = TypeVar("Place")


def verdict_of(difference: float, p: float) -> str:
    """One of VERDICTS on the claim that a difference is above 0, by its p."""
    holds, reversed_, undecided = VERDICTS
    return undecided if not p < SIGNIFICANCE else holds if difference > 0 else reversed_


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
    return samples([terms], [runs], draws, seed)[0]


def samples(
    scores: Sequence[Sequence[Terms]],
    runs: Sequence[Sequence[Run] | None],
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Sample]:
    """Several scores, each as `sample` gives it, in one product for all on the same videos.

    Memory is a multiple of BLOCK, beside the terms and what is returned, however many the videos.
    """
    groups: dict[bytes, list[int]] = {}  # scores by the names of their videos
    videos: dict[bytes, np.ndarray] = {}
    known: dict[frozenset[int], bytes] = {}  # by arrays: names are slow to sort
    for number, terms in enumerate(scores):
        arrays = frozenset(id(t.video) for t in terms)
        if arrays not in known:
            names = np.unique(np.concatenate([t.video for t in _by_array(terms)]))
            if len(names) < 2:
                raise ValueError(
                    f"{len(names)} video(s) cannot be resampled; an interval needs at least 2"
                )
            known[arrays] = sha256("\n".join(names).encode()).digest()
            videos[known[arrays]] = names
        groups.setdefault(known[arrays], []).append(number)
    made: dict[int, Sample] = {}
    for key, members in groups.items():
        names = videos[key]
        parts = [members[:1]]
        for number in members[1:]:
            columns = sum(len(scores[i]) for i in parts[-1]) + len(scores[number])
            if columns * len(names) > 4 * BLOCK:
                parts.append([])
            parts[-1].append(number)
        for part in parts:
            together = [t for number in part for t in scores[number]]
            values = np.array([t.value for t in together])
            ratios = _resampled(together, values, names, draws, seed)
            start = 0
            for number in part:
                place = slice(start, start + len(scores[number]))
                start += len(scores[number])
                given = runs[number]
                which = [(i, None) for i in range(len(scores[number]))] if given is None else given
                made[number] = Sample(tuple(which), values[place], ratios[:, place].copy())
    return [made[number] for number in range(len(scores))]


def _resampled(
    terms: Sequence[Terms], values: np.ndarray, videos: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """(draws, S) ratios of the terms of S scores, whose values are given, on resampled videos."""
    sums = np.empty((2, len(terms), len(videos)))
    rows = {id(t.video): np.searchsorted(videos, t.video) for t in _by_array(terms)}
    for column, t in enumerate(terms):
        for part, numbers in enumerate((t.numerator, t.denominator)):
            sums[part, column] = np.bincount(rows[id(t.video)], numbers, len(videos))
    numerator, total = np.zeros((2, draws, len(terms)))
    step = max(1, BLOCK // draws)
    for first in range(0, len(videos), step):
        block = slice(first, first + step)
        weights = np.array([_drawn(name, draws, seed) for name in videos[block]], float)
        numerator += weights.T @ sums[0, :, block].T
        total += weights.T @ sums[1, :, block].T
    ratios = np.tile(values, (draws, 1))  # stays where none of a run's own videos is drawn
    np.divide(numerator, total, out=ratios, where=total > 0)
    # Rounded, so that equal scores stay equal in whatever order their terms were added.
    return ratios.round(12)


def combine(function: Callable[..., np.ndarray], *samples: Sample) -> Sample:
    """A function of several scores, run by run, such as their difference or harmonic mean."""
    if len({s.runs for s in samples}) != 1:
        raise ValueError(f"scores of different runs: {', '.join(str(s.runs) for s in samples)}")
    values = function(*(s.values for s in samples))
    return Sample(samples[0].runs, values, function(*(s.draws for s in samples)))


def interval(scores: Sample) -> Interval:
    """Mean over the runs and its interval over videos and runs."""
    spread = _spread(_over_videos(scores), _over_runs(scores))
    margin = spread.quantile(0.975) * spread.error
    n = len(scores.values)
    std = float(np.std(scores.values, ddof=1)) if n > 1 else np.nan
    return Interval(scores.mean, scores.mean - margin, scores.mean + margin, std, n)


def difference(a: Sample, b: Sample, over: float = 0.0) -> Difference:
    """a minus b, and minus a number; on the draws of training clips that both have, if any.

    A single common draw says nothing of how runs vary: where a score has more, they aren't paired.
    """
    common = [run for run in a.runs if run[1] is not None and run in b.runs]
    if len(common) > 1 or (common and len(a.runs) == len(b.runs) == 1):
        return excess(combine(np.subtract, a.of(common), b.of(common)), over)
    videos = _over_videos(a) + _over_videos(b) - 2 * _between(a, b)
    spread = _spread(videos, _over_both(a, b))
    return _judged(a.mean - b.mean - over, spread, min(len(a.runs), len(b.runs)))


def excess(gain: Sample, over: float = 0.0) -> Difference:
    """A score, such as a difference run by run, minus a number."""
    spread = _spread(_over_videos(gain), _over_runs(gain))
    return _judged(gain.mean - over, spread, len(gain.runs))


class _Spread(NamedTuple):
    """Standard error of a mean or difference, and the degrees of freedom of its t."""

    error: float
    freedom: float

    def quantile(self, share: float) -> float:
        return quantile(self.freedom, share)


def _spread(videos: float, parts: Sequence[tuple[float, int]]) -> _Spread:
    """Videos' variance, taken as known, and variances of which each has so many degrees."""
    if math.isnan(videos):
        return _Spread(np.nan, np.nan)
    total = max(0.0, round(videos, 15)) + sum(variance for variance, _ in parts)
    doubt = sum(variance**2 / degrees for variance, degrees in parts)
    return _Spread(math.sqrt(total), min(total**2 / doubt, NORMAL) if doubt else NORMAL)


def _judged(points: float, spread: _Spread, runs: int) -> Difference:
    points = round(points, 12)  # as draws are
    with np.errstate(divide="ignore"):
        t = np.float64(abs(points)) / spread.error if points else 0.0
    margin = spread.quantile(0.975) * spread.error
    return Difference(
        mean=points,
        low=points - margin,
        high=points + margin,
        p=min(1.0, 2 * tail(spread.freedom, float(t))),
        detectable=margin + spread.quantile(POWER) * spread.error,
        runs=runs,
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


def _by_array(terms: Sequence[Terms]) -> Iterable[Terms]:
    """One of the terms per array of videos: many share theirs."""
    return {id(t.video): t for t in terms}.values()


def _over_videos(scores: Sample) -> float:
    """Variance over the draws of videos: the mean covariance of two different runs, so that it is
    the part that all runs share; a single run's own."""
    deviations, n = scores.draws - scores.draws.mean(0), len(scores.runs)
    drawn = max(1, len(deviations) - 1)
    if n == 1:
        return float((deviations**2).sum() / drawn)
    return float(((deviations.sum(1) ** 2).sum() - (deviations**2).sum()) / (n * (n - 1) * drawn))


def _between(a: Sample, b: Sample) -> float:
    """Covariance of two scores' means over the draws of videos."""
    first, second = (s.draws.mean(1) - s.draws.mean() for s in (a, b))
    return float(first @ second / max(1, len(first) - 1)) if len(first) == len(second) else np.nan


def _over_both(a: Sample, b: Sample) -> list[tuple[float, int]]:
    """Variances of the difference of two means, as `_over_runs`; one run has the other's."""
    few, many = sorted((a, b), key=lambda s: len(s.runs))
    n = len(many.runs)
    if len(few.runs) > 1 or n == 1:
        return [*_over_runs(a), *_over_runs(b)]
    return [(float(many.values.var(ddof=1)) * (1 + 1 / n), n - 1)]


def _over_runs(scores: Sample) -> list[tuple[float, int]]:
    """Variances of the mean over runs, with their degrees of freedom; none of a single run.

    Where every seed meets every draw, both have a part: the variance of the mean over seeds of
    what they have on average, and that over draws.
    """
    seeds, picks = (sorted(set(values), key=str) for values in zip(*scores.runs, strict=True))
    crossed = min(len(seeds), len(picks)) > 1 and len(seeds) * len(picks) == len(set(scores.runs))
    by = ((0, seeds), (1, picks)) if crossed else ((slice(None), scores.runs),)
    groups = [
        np.array([scores.values[[run[k] == item for run in scores.runs]].mean() for item in items])
        for k, items in by
    ]
    return [(float(g.var(ddof=1) / len(g)), len(g) - 1) for g in groups if len(g) > 1]


@lru_cache(maxsize=1 << 13)
def _drawn(video: str, draws: int, seed: int) -> np.ndarray:
    """(draws,) how often each draw takes a video."""
    rng = np.random.default_rng((seed, crc32(video.encode())))
    return rng.poisson(1.0, draws).astype(np.uint8)
