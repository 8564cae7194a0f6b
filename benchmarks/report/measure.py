"""What a table measures, and the numbers: each computed once, text and figures only lay them out.

Scores are 0..1 here, whatever the unit in which they are printed. Differences of a judged column,
to the base row and between rows that the paper orders, share one correction (Holm) a table.
"""

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common.tables import PERCENT, Unit
from benchmarks.params import method_names
from benchmarks.report.ledger import Ledger, Part
from benchmarks.scoring import statistics
from benchmarks.scoring.records import Key
from benchmarks.scoring.statistics import Difference, Interval, Run, Sample

SIGNIFICANCE = 0.05  # a Holm-adjusted p at or above it is undecided
EXPERIMENTS = Path(__file__).parents[1] / "experiments"

Paper = Mapping[tuple[str, str, str, str], float]  # by row, benchmark, setting and metric


def harmonic_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of two shares, element by element; 0 where both are."""
    return 2 * a * b / np.maximum(a + b, 1e-12)


@dataclass(frozen=True)
class Column:
    """One measure of every row: a score, or a function of several, run by run."""

    where: str  # benchmark or setting, the first half of its name
    measure: str  # the second half
    title: str
    parts: tuple[Part, ...]
    runs: tuple[Run, ...]
    combine: Callable[..., np.ndarray] | None = None  # of the parts; None: there is one
    unit: Unit = PERCENT
    judged: bool = False
    paper: tuple[str, str, str] | None = None  # benchmark, setting and metric in paper.csv

    @property
    def name(self) -> str:
        return f"{self.where} {self.measure}"


class Block(NamedTuple):
    """Rows that have the same columns."""

    rows: Sequence[str]
    columns: Sequence[Column]


@dataclass(frozen=True)
class Cell:
    """One column of one row, over the runs that have a record."""

    score: Interval
    planned: int  # runs
    difference: Difference | None  # to the base row, p adjusted within the table

    @property
    def noise(self) -> bool:
        """Whether the difference to the base can't be told from none."""
        return self.difference is not None and not decided(self.difference)


@dataclass(frozen=True)
class Ordering:
    """Two rows that the paper orders, and what this profile says of them."""

    column: Column
    better: str
    worse: str
    verdict: str  # holds, reversed or undecided


@dataclass(frozen=True)
class Table:
    name: str
    base: str
    blocks: Sequence[Block]
    cells: Mapping[tuple[str, str], Cell]  # by row and column; absent without a record
    contrasts: Mapping[tuple[str, str, str], Difference]  # by column, first and second row
    orderings: Sequence[Ordering]
    missing: Sequence[Key]
    paper: Paper = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        return list(dict.fromkeys(row for block in self.blocks for row in block.rows))

    @property
    def columns(self) -> dict[str, Column]:
        return {column.name: column for block in self.blocks for column in block.columns}

    def figure(self, row: str, column: str) -> float | None:
        """What the paper prints there."""
        place = self.columns[column].paper if column in self.columns else None
        return self.paper.get((row, *place)) if place else None

    def contrast(self, column: str, first: str, second: str) -> Difference | None:
        """First minus second, whichever way round it was judged."""
        if found := self.contrasts.get((column, first, second)):
            return found
        found = self.contrasts.get((column, second, first))
        return found and replace(found, mean=-found.mean, low=-found.high, high=-found.low)


def decided(difference: Difference) -> bool:
    return difference.p < SIGNIFICANCE


def row_of(name: str) -> str:
    """The row that a paper's method is here: SAM-Fusion is `sam_fusion`, MarginNCE `margin_nce`."""
    rows = {row.replace("_", ""): row for row in method_names()}
    return rows[name.replace("-", "").lower()]


def read_paper(experiment: str) -> Paper:
    """`paper.csv` of an experiment, its methods as params.yaml spells them."""
    with (EXPERIMENTS / experiment / "paper.csv").open(newline="", encoding="utf-8") as file:
        return {
            (
                row_of(line["method"]),
                *(line[name] for name in ("benchmark", "setting", "metric")),
            ): float(line["value"])
            for line in csv.DictReader(file)
        }


def measure(
    name: str,
    ledger: Ledger,
    blocks: Sequence[Block],
    base: str,
    paper: Paper | None = None,
    pairs: Sequence[tuple[str, str]] = (),
    unjudged: Sequence[str] = (),
) -> Table:
    """The numbers of a table from those of its records that exist.

    Args:
        base: the row that differences are taken to; it need not be a row of the table.
        pairs: rows that are compared besides those to the base and those that the paper orders.
        unjudged: rows that take part in no comparison.
    """
    samples = {
        (row, column.name): found
        for block in blocks
        for row in block.rows
        for column in block.columns
        if (found := _sample(ledger, row, column))
    }
    table = Table(name, base, blocks, {}, {}, [], _missing(ledger, blocks), paper or {})
    judged = [row for row in table.rows if row not in unjudged]
    contrasts = {}
    for column in table.columns.values():
        if column.judged:
            wanted = [(row, base) for row in judged if row != base]
            wanted += [p for p in _paper_pairs(table, column) if not {*p} & {base, *unjudged}]
            wanted += [pair for pair in pairs if base not in pair]
            once = {frozenset(pair): pair for pair in reversed(wanted)}  # the first way round
            contrasts |= _contrasts(ledger, samples, column, list(once.values())[::-1])
    adjusted = statistics.holm([found.p for found in contrasts.values()])
    contrasts = {
        place: replace(found, p=p)
        for (place, found), p in zip(contrasts.items(), adjusted, strict=True)
    }
    planned = {
        (row, column.name): len(column.runs)
        for block in blocks
        for row in block.rows
        for column in block.columns
    }
    cells = {
        (row, column): Cell(
            statistics.interval(found),
            planned[row, column],
            contrasts.get((column, row, base)),
        )
        for (row, column), found in samples.items()
    }
    table = replace(table, cells=cells, contrasts=contrasts)
    return replace(table, orderings=_orderings(table, judged))


def _sample(
    ledger: Ledger, row: str, column: Column, runs: Sequence[Run] | None = None
) -> Sample | None:
    """A column of a row on some runs, those of them that are on record; None without any."""
    found = ledger.runs(row, column.parts, column.runs if runs is None else runs)
    if not found:
        return None
    parts = [ledger.sample(row, part, found) for part in column.parts]
    return statistics.combine(column.combine, *parts) if column.combine else parts[0]


def _contrasts(
    ledger: Ledger,
    samples: Mapping[tuple[str, str], Sample],
    column: Column,
    pairs: Sequence[tuple[str, str]],
) -> dict[tuple[str, str, str], Difference]:
    """First minus second of each pair, on the runs that both have."""
    found = {}
    for pair in pairs:
        sides = [samples.get((row, column.name)) or _sample(ledger, row, column) for row in pair]
        if None in sides:
            continue
        common = [run for run in sides[0].runs if run in sides[1].runs]
        if not common:
            continue
        if any(len(side.runs) > len(common) for side in sides):
            sides = [_sample(ledger, row, column, common) for row in pair]
        found[column.name, *pair] = statistics.difference(*sides)
    return found


def _missing(ledger: Ledger, blocks: Sequence[Block]) -> list[Key]:
    keys = [
        part.source.key(row, run)
        for block in blocks
        for row in block.rows
        for column in block.columns
        for part in column.parts
        for run in column.runs
    ]
    return [key for key in dict.fromkeys(keys) if key not in ledger.records]


def _paper_pairs(table: Table, column: Column) -> list[tuple[str, str]]:
    """Rows that the paper orders, the better one first."""
    figures = {
        row: found for row in table.rows if (found := table.figure(row, column.name)) is not None
    }
    ranked = sorted(figures, key=lambda row: -figures[row])
    return [(a, b) for a, b in itertools.combinations(ranked, 2) if figures[a] > figures[b]]


def _orderings(table: Table, judged: Sequence[str]) -> list[Ordering]:
    orderings = []
    for column in table.columns.values():
        for better, worse in _paper_pairs(table, column) if column.judged else ():
            found = table.contrast(column.name, better, worse)
            if found is None or not {better, worse} <= {*judged}:
                continue
            verdict = "holds" if found.mean > 0 else "reversed"
            verdict = verdict if decided(found) else "undecided"
            orderings.append(Ordering(column, better, worse, verdict))
    return orderings
