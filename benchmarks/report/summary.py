"""Records -> the numbers of a table, each computed once; text and figures only lay them out.

Scores are 0..1 here, whatever the unit in which they are printed.
"""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.report.records import Counts, Epoch, Key, Stored
from benchmarks.scoring import statistics
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import (
    Terms,
    class_mean,
    fscore_terms,
    iou_terms,
    lit_area,
    miou,
)
from benchmarks.scoring.statistics import Difference, Interval

SIGNIFICANCE = 0.05  # a Holm-adjusted p at or above it is inside the noise


@dataclass(frozen=True)
class Plan:
    """What a table is to show; the records may hold more, or less."""

    profile: str
    seeds: Sequence[int]
    benchmarks: Sequence[str]
    groups: Mapping[str, Sequence[str]]  # rows in print order, by heading
    base: str  # the row that differences are taken to
    ceiling: str | None = None
    floor_seeds: Sequence[int] = ()
    paper: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        return [row for rows in self.groups.values() for row in rows]

    def keys(self) -> list[Key]:
        """Every record that the table needs, in print order."""
        keys = []
        for row, benchmark in itertools.product(self.rows, self.benchmarks):
            seeds, floors = self.seeds, self.floor_seeds
            if row == self.ceiling:  # it trains nothing
                seeds, floors = seeds[:1], ()
            keys += [Key(row, benchmark, "train", seed) for seed in seeds]
            keys += [Key(row, benchmark, "floor", seed) for seed in floors if seed in seeds]
        return keys


@dataclass(frozen=True)
class Cell:
    """One row on one benchmark, over the seeds that have a record."""

    seeds: Sequence[int]
    counts: Counts
    histories: Sequence[Sequence[Epoch]]  # one a seed
    metrics: Mapping[str, Interval]  # low and high are NaN but for miou and fscore
    difference: Difference | None  # mIoU to the base row, p adjusted within the table (Holm)
    floor: float | None  # mIoU when trained and tested in silence
    floor_gain: Difference | None  # with sound minus floor on the same seeds, p not adjusted
    shuffled: float | None  # mIoU with the sound of clips of other classes
    shuffle_loss: Difference | None  # own sound minus shuffled, p not adjusted

    @property
    def noise(self) -> bool:
        """Whether the difference to the base can't be told from none."""
        return self.difference is not None and self.difference.p >= SIGNIFICANCE


@dataclass(frozen=True)
class Ordering:
    """Two rows that the paper orders by mIoU, and what this profile says of them."""

    benchmark: str
    better: str
    worse: str
    verdict: str  # holds, reversed or undecided


@dataclass(frozen=True)
class Table:
    plan: Plan
    cells: Mapping[tuple[str, str], Cell]  # by row and benchmark; absent without a record
    orderings: Sequence[Ordering]
    missing: Sequence[Key]


class Scores(NamedTuple):
    """One evaluation of a record, reduced: its histograms are too large to keep for a table."""

    iou: Terms
    fscore: Terms
    values: Mapping[str, float]


def read_paper(path: Path) -> dict[tuple[str, str, str], float]:
    """`paper.csv` by (row, benchmark, metric); a row is the method as params.yaml would spell it,
    so that the paper's SAM-Fusion stands beside `sam_fusion`."""
    with open(path, newline="", encoding="utf-8") as file:
        return {
            (r["method"].lower().replace("-", "_"), r["benchmark"], r["metric"]): float(r["value"])
            for r in csv.DictReader(file)
        }


def reduce_scores(stored: Stored) -> dict[str, Scores]:
    """The evaluations of a record by name."""
    return {name: _reduce(scores) for name, scores in stored.scores().items()}


def _reduce(scores: FrameScores) -> Scores:
    iou, fscore = iou_terms(scores), fscore_terms(scores)
    at_04 = miou(scores, threshold=0.4) if 0.4 in scores.thresholds else np.nan
    values = {
        "miou": iou.value,
        "fscore": fscore.value,
        "miou_threshold_0.4": at_04,
        "miou_squash": miou(scores, resolution="squash"),
        "iou_dataset": miou(scores, unit="dataset"),
        "miou_nonempty": miou(scores, empty="skip"),
        "lit_silent": lit_area(scores),
        "miou_class": class_mean(scores),
    }
    return Scores(iou, fscore, values)


def summarise(
    plan: Plan,
    records: Mapping[Key, Stored],
    scores: Mapping[Key, Mapping[str, Scores]],
    draws: int = statistics.DRAWS,
) -> Table:
    """The numbers of a table from those of its records that exist."""
    tests = _tests(plan, scores, draws)
    cells = {}
    for row, benchmark in itertools.product(plan.rows, plan.benchmarks):
        own = _by_seed(scores, row, benchmark)
        if not own:
            continue
        found = [records[Key(row, benchmark, "train", seed)].record for seed in own]
        floor = _by_seed(scores, row, benchmark, setting="floor")
        shuffled = _by_seed(scores, row, benchmark, evaluation="test_shuffled")
        cells[row, benchmark] = Cell(
            seeds=list(own),
            counts=found[0].counts,
            histories=[record.history for record in found],
            metrics=_metrics(list(own.values()), draws),
            difference=tests.get((benchmark, row, plan.base)),
            floor=_mean_miou(floor),
            floor_gain=_compare(own, floor, draws),
            shuffled=_mean_miou(shuffled),
            shuffle_loss=_compare(own, shuffled, draws),
        )
    missing = [key for key in plan.keys() if key not in records]
    return Table(plan, cells, _orderings(plan, tests), missing)


def _by_seed(
    scores: Mapping[Key, Mapping[str, Scores]],
    row: str,
    benchmark: str,
    setting: str = "train",
    evaluation: str = "test",
) -> dict[int, Scores]:
    return {
        key.seed: found[evaluation]
        for key, found in sorted(scores.items())
        if key[:3] == (row, benchmark, setting) and evaluation in found
    }


def _metrics(by_seed: Sequence[Scores], draws: int) -> dict[str, Interval]:
    resampled = {
        name: statistics.mean_interval(by_seed, attrgetter(terms), draws)
        for name, terms in (("miou", "iou"), ("fscore", "fscore"))
    }
    metrics = {}
    for name in by_seed[0].values:
        values = [scores.values[name] for scores in by_seed]
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
        plain = Interval(float(np.mean(values)), np.nan, np.nan, sd, len(values), 0)
        metrics[name] = resampled.get(name, plain)
    return metrics


def _mean_miou(by_seed: Mapping[int, Scores]) -> float | None:
    return float(np.mean([s.values["miou"] for s in by_seed.values()])) if by_seed else None


def _compare(
    first: Mapping[int, Scores], second: Mapping[int, Scores], draws: int
) -> Difference | None:
    """First minus second in mIoU on the seeds that both have."""
    seeds = [seed for seed in first if seed in second]
    if not seeds:
        return None
    pair = ([scores[seed] for seed in seeds] for scores in (first, second))
    return statistics.difference(*pair, attrgetter("iou"), draws)


def _paper_pairs(plan: Plan, benchmark: str) -> list[tuple[str, str]]:
    """Rows that the paper orders, the better one first."""
    figures = {
        row: plan.paper[row, benchmark, "miou"]
        for row in plan.rows
        if (row, benchmark, "miou") in plan.paper
    }
    ranked = sorted(figures, key=lambda row: -figures[row])
    return [(a, b) for a, b in itertools.combinations(ranked, 2) if figures[a] > figures[b]]


def _tests(
    plan: Plan, scores: Mapping[Key, Mapping[str, Scores]], draws: int
) -> dict[tuple[str, str, str], Difference]:
    """Every difference that the table judges, by (benchmark, first, second): each row to the base
    and each pair that the paper orders. Holm over all of them, so that no two marks disagree."""
    tests = {}
    for benchmark in plan.benchmarks:
        pairs = [(r, plan.base) for r in plan.rows if r not in (plan.base, plan.ceiling)]
        pairs += [pair for pair in _paper_pairs(plan, benchmark) if plan.base not in pair]
        for first, second in pairs:
            own, other = (_by_seed(scores, row, benchmark) for row in (first, second))
            if found := _compare(own, other, draws):
                tests[benchmark, first, second] = found
    adjusted = statistics.holm([test.p for test in tests.values()])
    return {
        pair: replace(test, p=p) for (pair, test), p in zip(tests.items(), adjusted, strict=True)
    }


def _orderings(plan: Plan, tests: Mapping[tuple[str, str, str], Difference]) -> list[Ordering]:
    orderings = []
    for benchmark in plan.benchmarks:
        for better, worse in _paper_pairs(plan, benchmark):
            sign = -1 if better == plan.base else 1
            pair = (worse, better) if better == plan.base else (better, worse)
            test = tests.get((benchmark, *pair))
            if test is None:
                continue
            verdict = "holds" if sign * test.mean > 0 else "reversed"
            if test.p >= SIGNIFICANCE:
                verdict = "undecided"
            orderings.append(Ordering(benchmark, better, worse, verdict))
    return orderings
