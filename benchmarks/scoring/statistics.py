"""Uncertainty of a score and of a difference: over videos and over trainings.

Frames of a clip and clips of a video resemble each other, so the video is the unit. A score is a
ratio of sums (`Terms`), and its variance over videos is that of its linearisation: the sum of the
squares of what each video adds to its error (Cochran, Sampling Techniques, 1977, 6.4), the limit of
a bootstrap over videos without the noise of its draws. A run is a training seed, or a seed with a
draw of training clips. In a difference a video's parts in both scores are subtracted first, so what
makes it hard cancels, also on test sets that share only a part of their videos.

The variance of a mean is that over videos, of what its runs have in common, plus s^2 / n
of its n runs (what a run does to single videos is in s^2). Tests and intervals are those of a t
with Satterthwaite's degrees of freedom, the videos' part taken as known, and never narrower than
those of the runs alone: where these are few and differ, a known part raises the degrees by more
than the error, and a 5 % test of three paired draws would err in up to 7.5 %. Two scores' seeds are
independent, whatever their numbers; runs on the same draws of training clips are paired. One run
tells nothing of s^2: beside several it is taken to vary as they do, and one beside one is judged as
that training.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.student import NORMAL, quantile, tail

SIGNIFICANCE = 0.05  # a p, adjusted by Holm's rule, at or above it decides nothing
VERDICTS = ("holds", "reversed", "undecided")
POWER = 0.8  # chance to see a difference that is called detectable, at 5 %
STEP = 1e-6  # of a score, for derivatives

Run = tuple[int, int | str | None]  # training seed and draw of the training clips


@dataclass(frozen=True)
class Sample:
    """A score by run, and what each video adds to its error."""

    runs: tuple[Run, ...]  # S of them
    values: np.ndarray  # (S,)
    videos: np.ndarray  # (V,) names, sorted; those of all runs
    parts: np.ndarray  # (V, S): a run's variance over videos is the sum of their squares

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return float(self.values.mean())

    @property
    def known(self) -> bool:
        """Whether there is a variance over videos."""
        return not np.isnan(self.parts).any()

    def of(self, runs: Sequence[Run]) -> "Sample":
        """The score of some of its runs."""
        columns = [self.runs.index(run) for run in runs]
        return Sample(tuple(runs), self.values[columns], self.videos, self.parts[:, columns])

    def on(self, videos: np.ndarray) -> np.ndarray:
        """(W, S) parts of other videos, sorted, all of this score's among them."""
        if len(videos) == len(self.videos):
            return self.parts
        parts = np.zeros((len(videos), len(self.runs)))
        parts[np.searchsorted(videos, self.videos)] = self.parts
        return parts


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


def sample(terms: Sequence[Terms], runs: Sequence[Run] | None = None) -> Sample:
    """The score of one method from its terms by run (one or more).

    runs: which they are; by default 0, 1, ...

    Raises ValueError for fewer than two videos.
    """
    by_video = [t.by_video() for t in terms]
    videos = _union([t.video for t in by_video])
    if len(videos) < 2:
        raise ValueError(f"{len(videos)} video(s) have no spread; an interval needs at least 2")
    parts = np.zeros((len(videos), len(terms)))
    for column, t in enumerate(by_video):
        rows = np.searchsorted(videos, t.video)
        if t.denominator.sum():
            error = (t.numerator - t.value * t.denominator) / t.denominator.sum()
            parts[rows, column] = error * math.sqrt(len(rows) / max(1, len(rows) - 1))
    which = [(i, None) for i in range(len(terms))] if runs is None else runs
    return Sample(tuple(which), np.array([t.value for t in terms]), videos, parts)


def unsampled(values: Sequence[float], runs: Sequence[Run]) -> Sample:
    """A score without a spread over videos, such as one that is no ratio of sums."""
    return Sample(tuple(runs), np.array(values), np.array([""]), np.full((1, len(runs)), np.nan))


def combine(function: Callable[..., np.ndarray], *samples: Sample) -> Sample:
    """A smooth function of several scores, run by run, such as their difference or harmonic mean;
    a video's part is its derivative's."""
    if len({s.runs for s in samples}) != 1:
        raise ValueError(f"scores of different runs: {', '.join(str(s.runs) for s in samples)}")
    values = [s.values for s in samples]
    videos = _union([s.videos for s in samples])
    parts = np.zeros((len(videos), len(samples[0].runs)))
    for place, s in enumerate(samples):
        up, down = ([*values[:place], s.values + h, *values[place + 1 :]] for h in (STEP, -STEP))
        parts += s.on(videos) * (function(*up) - function(*down)) / (2 * STEP)
    return Sample(samples[0].runs, function(*values), videos, parts)


def _union(videos: Sequence[np.ndarray]) -> np.ndarray:
    """Names of all videos, sorted, of which each list has its own sorted."""
    first = videos[0]
    same = all(v is first or np.array_equal(v, first) for v in videos[1:])
    return first if same else np.unique(np.concatenate(videos))


def interval(scores: Sample) -> Interval:
    """Mean over the runs and its interval over videos and runs."""
    margin = _spread(_over_videos(scores), _over_runs(scores)).margin(0.975)
    n = len(scores.values)
    std = float(np.std(scores.values, ddof=1)) if n > 1 else np.nan
    return Interval(scores.mean, scores.mean - margin, scores.mean + margin, std, n)


def difference(a: Sample, b: Sample, over: float = 0.0) -> Difference:
    """a minus b, and minus a number; on the draws of training clips that both have, if any.

    A single common draw says nothing of how runs vary: where a score has more, they aren't paired.
    """
    if sides := paired(a, b):
        return excess(combine(np.subtract, *sides), over)
    videos = _over_videos(a) + _over_videos(b) - 2 * _between(a, b)
    spread = _spread(videos, _over_both(a, b))
    return _judged(a.mean - b.mean - over, spread, min(len(a.runs), len(b.runs)))


def paired(a: Sample, b: Sample) -> tuple[Sample, Sample] | None:
    """Both scores on the draws of training clips that both have; None where they aren't paired."""
    common = [run for run in a.runs if run[1] is not None and run in b.runs]
    if len(common) > 1 or (common and len(a.runs) == len(b.runs) == 1):
        return a.of(common), b.of(common)
    return None


def excess(gain: Sample, over: float = 0.0) -> Difference:
    """A score, such as a difference run by run, minus a number."""
    spread = _spread(_over_videos(gain), _over_runs(gain))
    return _judged(gain.mean - over, spread, len(gain.runs))


class _Spread(NamedTuple):
    """Standard errors of a mean or difference, each with the degrees of freedom of its t."""

    whole: tuple[float, float]  # over videos and runs
    runs: tuple[float, float]  # alone

    def margin(self, share: float) -> float:
        return max(quantile(freedom, share) * error for error, freedom in self)

    def p(self, points: float) -> float:
        with np.errstate(divide="ignore"):
            t = [float(np.float64(abs(points)) / error) if points else 0.0 for error, _ in self]
        return min(1.0, 2 * max(map(tail, (freedom for _, freedom in self), t)))


def _spread(videos: float, parts: Sequence[tuple[float, int]]) -> _Spread:
    """Videos' variance, taken as known, and variances of which each has so many degrees."""
    if math.isnan(videos):
        return _Spread((np.nan, np.nan), (np.nan, np.nan))
    runs = sum(variance for variance, _ in parts)
    doubt = sum(variance**2 / degrees for variance, degrees in parts)

    def of(total: float) -> tuple[float, float]:
        return math.sqrt(total), min(total**2 / doubt, NORMAL) if doubt else NORMAL

    return _Spread(of(max(0.0, round(videos, 15)) + runs), of(runs))


def _judged(points: float, spread: _Spread, runs: int) -> Difference:
    points = round(points, 12)  # equal scores stay so, in whatever order their terms were added
    margin = spread.margin(0.975)
    return Difference(
        mean=points,
        low=points - margin,
        high=points + margin,
        p=spread.p(points),
        detectable=margin + spread.margin(POWER),
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


def _over_videos(scores: Sample) -> float:
    """Variance over videos: the mean covariance of two different runs, so that it is the part that
    all runs share; a single run's own."""
    squares, n = float((scores.parts**2).sum()), len(scores.runs)
    return squares if n == 1 else (float((scores.parts.sum(1) ** 2).sum()) - squares) / (n * n - n)


def _between(a: Sample, b: Sample) -> float:
    """Covariance of two scores' means over videos."""
    videos = _union([a.videos, b.videos])
    return float(a.on(videos).mean(1) @ b.on(videos).mean(1))


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
