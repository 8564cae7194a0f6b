"""Uncertainty of a score and of a difference: videos and runs are resampled together.

Frames of a clip and clips of a video resemble each other, so the video is what is drawn. A score is
a ratio of sums (`Terms`): in each draw the ratio is taken for every run and averaged over the drawn
runs. A run is a training seed, or a seed with a draw of training clips. Scores on the same videos
meet the same draws, so what makes a video hard cancels in a difference; scores on different test
sets meet independent ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar
from zlib import crc32

import numpy as np

from benchmarks.scoring.metrics import Terms

DRAWS = 10_000
SIGNIFICANCE = 0.05  # a p, adjusted by Holm's rule, at or above it decides nothing
VERDICTS = ("holds", "reversed", "undecided")
POWER = 2.8  # standard errors between 0 and a difference seen with 80 % power at 5 %: 1.96 + 0.84
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
    ratios = np.tile(values, (draws, 1))  # stays where none of a run's own videos is drawn
    start, named = 0, crc32("\n".join(videos).encode())
    for weights in _video_weights(len(videos), draws, (seed, 0, named)):
        drawn = ratios[start : start + len(weights)]
        numerator, total = weights.astype(float) @ sums.transpose(0, 2, 1)
        np.divide(numerator, total, out=drawn, where=total > 0)
        start += len(weights)
    # Rounded, so that equal scores stay equal in whatever order their terms were added.
    return ratios.round(12)


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


def _by_array(terms: Sequence[Terms]) -> Iterable[Terms]:
    """One of the terms per array of videos: many share theirs."""
    return {id(t.video): t for t in terms}.values()


def _over_runs(scores: Sample, seed: int) -> np.ndarray:
    """(D,) means over the drawn runs."""
    weights = _run_weights(scores.runs, len(scores.draws), seed)
    return (scores.draws * weights).sum(1).round(12)


def _video_weights(videos: int, draws: int, seed: tuple[int, ...]) -> Iterable[np.ndarray]:
    """Blocks (n, videos) of how often each video is drawn; small ones are remembered."""
    if videos * draws <= 4 * BLOCK:
        return _remembered(videos, draws, seed)
    return _counts(np.random.default_rng(seed), videos, videos, draws)


@lru_cache(maxsize=4)
def _remembered(videos: int, draws: int, seed: tuple[int, ...]) -> list[np.ndarray]:
    return list(_counts(np.random.default_rng(seed), videos, videos, draws))


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
    blocks = list(_counts(np.random.default_rng(seed), items, drawn, draws))
    return np.concatenate(blocks) / drawn


def _counts(rng: np.random.Generator, items: int, drawn: int, draws: int) -> Iterator[np.ndarray]:
    """Blocks (n, items) of how often each item is drawn; the draws don't depend on their size."""
    rows = max(1, BLOCK // items)
    for start in range(0, draws, rows):
        n = min(rows, draws - start)
        picks = rng.integers(items, size=(n, drawn)) + items * np.arange(n)[:, None]
        picked = np.bincount(picks.ravel(), minlength=n * items)
        yield picked.reshape(n, items).astype(np.uint16)
