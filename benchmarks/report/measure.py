"""Measures and numbers of a table: each is computed once, layouts and figures only show them.

Scores are 0..1 here, whatever the unit in which they are printed. Differences of a judged column,
to the base row and between rows that the paper orders, share one correction (Holm) per table.
"""

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from benchmarks.common.tables import PERCENT, Unit
from benchmarks.experiments import EXPERIMENTS, SPECS
from benchmarks.params import method_names
from benchmarks.report.ledger import Ledger, Part
from benchmarks.scoring import statistics
from benchmarks.scoring.records import Key, RecordError
from benchmarks.scoring.statistics import Difference, Interval, Run, Sample
from gavs.reading import reading

Paper = Mapping[tuple[str, str, str, str], float]  # by row, benchmark, setting and metric
PAPER_ORDER = "the paper's order"


def harmonic_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Harmonic mean of two shares, element by element; 0 where both are."""
    return 2 * a * b / np.maximum(a + b, 1e-12)


@dataclass(frozen=True)
class Column:
    """Measure of every row: a score, or a function of several, run by run."""

    where: str  # benchmark or setting, the first half of its name
    measure: str  # the second half
    parts: tuple[Part, ...]
    runs: tuple[Run, ...]
    combine: Callable[..., np.ndarray] | None = None  # of the parts; None: there is one
    unit: Unit = PERCENT
    judged: bool = False
    paper: tuple[str, str, str] | None = None  # benchmark, setting and metric in paper.csv

    @property
    def name(self) -> str:
        """Name in the table, e.g. "v1s miou"."""
        return f"{self.where} {self.measure}"


class Block(NamedTuple):
    """Group of rows that have the same columns."""

    rows: Sequence[str]
    columns: Sequence[Column]


@dataclass(frozen=True)
class Score:
    """Score of one row in one column, over the runs that have a record."""

    over_runs: Interval
    planned: int  # runs
    difference: Difference | None  # to the base row, p adjusted within the table

    @property
    def mean(self) -> float:
        """Mean over runs."""
        return self.over_runs.mean

    @property
    def noise(self) -> bool:
        """Whether the difference to the base can't be told from none."""
        return self.difference is not None and not self.difference.decided


@dataclass(frozen=True)
class Verdict:
    """Claim that one row is above another, and the difference that judges it."""

    claim: str
    column: Column
    better: str
    worse: str
    difference: Difference  # better − worse, p adjusted within the table


@dataclass(frozen=True)
class Table:
    """Numbers of one table, with the verdicts on the paper's claims."""

    name: str
    base: str
    blocks: Sequence[Block]
    scores: Mapping[tuple[str, str], Score]  # by row and column; absent without a record
    contrasts: Mapping[tuple[str, str, str], Difference]  # by column, first and second row
    verdicts: Sequence[Verdict]
    missing: Sequence[Key]
    paper: Paper = field(default_factory=dict)

    @property
    def rows(self) -> list[str]:
        """All rows, each once."""
        return list(dict.fromkeys(row for block in self.blocks for row in block.rows))

    @property
    def columns(self) -> dict[str, Column]:
        """All columns by name."""
        return {column.name: column for block in self.blocks for column in block.columns}

    @property
    def judged(self) -> list[str]:
        """Names of the columns whose differences are tested."""
        return [name for name, column in self.columns.items() if column.judged]

    def figure(self, row: str, column: str) -> float | None:
        """Figure that the paper prints there, in the paper's unit."""
        place = self.columns[column].paper if column in self.columns else None
        return self.paper.get((row, *place)) if place else None

    def contrast(self, column: str, first: str, second: str) -> Difference | None:
        """Difference, first minus second, whichever way round it was judged."""
        if difference := self.contrasts.get((column, first, second)):
            return difference
        difference = self.contrasts.get((column, second, first))
        return difference and difference.turned()

    def verdict(self, claim: str, column: str, better: str, worse: str) -> Verdict | None:
        """Judge a claim by the table's numbers; None where the two weren't compared."""
        difference = self.contrast(column, better, worse)
        if difference is None:
            return None
        return Verdict(claim, self.columns[column], better, worse, difference)


def row_of(name: str) -> str:
    """Row of a method that the paper names: SAM-Fusion is `sam_fusion`, MarginNCE `margin_nce`."""
    rows = {row.replace("_", ""): row for row in method_names()}
    return rows[name.replace("-", "").lower()]


def read_paper(table: str) -> Paper:
    """Read the paper's figures of a table (`paper.csv`), by row.

    Raises:
        RecordError: naming the file, where a line can't be read or repeats another.
    """
    figures: dict[tuple[str, str, str, str], float] = {}
    if table not in SPECS:  # of rows that the paper hasn't
        return figures
    path = EXPERIMENTS / SPECS[table].folder / "paper.csv"
    if not path.exists():
        return figures
    with (
        reading(path, RecordError, "as the paper's figures"),
        path.open(newline="", encoding="utf-8") as file,
    ):
        for line in csv.DictReader(file):
            place = (line["benchmark"], line["setting"], line["metric"])
            key = (row_of(line["method"]), *place)
            if key in figures:
                raise ValueError(f"{', '.join(key)} twice")
            figures[key] = float(line["value"])
    return figures


def measure(
    name: str,
    ledger: Ledger,
    blocks: Sequence[Block],
    base: str,
    pairs: Sequence[tuple[str, str]] = (),
    unjudged: Sequence[str] = (),
) -> Table:
    """Compute the numbers of a table from those of its records that exist.

    Args:
        base: the row that differences are taken to; it need not be a row of the table.
        pairs: rows that are compared besides those to the base and those that the paper orders.
        unjudged: rows that take part in no comparison.
    """
    places = [(row, c) for block in blocks for row in block.rows for c in block.columns]
    on_record = [(row, c, ledger.runs(row, c.parts, c.runs)) for row, c in places]
    ledger.resample((row, part, runs) for row, c, runs in on_record if runs for part in c.parts)
    samples = {(row, c.name): s for row, c in places if (s := _sample(ledger, row, c))}
    table = Table(name, base, blocks, {}, {}, [], _missing(ledger, places), read_paper(name))
    judged = [row for row in table.rows if row not in unjudged]
    contrasts: dict[tuple[str, str, str], Difference] = {}
    for column in [table.columns[name] for name in table.judged]:
        compared = [(row, base) for row in judged if row != base]
        compared += [p for p in _paper_pairs(table, column) if not {*p} & {base, *unjudged}]
        compared += [pair for pair in pairs if base not in pair]
        once = {frozenset(pair): pair for pair in reversed(compared)}  # the first way round
        contrasts |= _contrasts(ledger, samples, column, list(once.values())[::-1])
    contrasts = statistics.adjusted(contrasts)
    scores = {
        (row, c.name): Score(
            statistics.interval(samples[row, c.name]),
            len(c.runs),
            contrasts.get((c.name, row, base)),
        )
        for row, c in places
        if (row, c.name) in samples
    }
    table = replace(table, scores=scores, contrasts=contrasts)
    verdicts = [
        table.verdict(PAPER_ORDER, name, *pair)
        for name in table.judged
        for pair in _paper_pairs(table, table.columns[name])
        if {*pair} <= {*judged}
    ]
    return replace(table, verdicts=[verdict for verdict in verdicts if verdict])


def _sample(
    ledger: Ledger, row: str, column: Column, runs: Sequence[Run] | None = None
) -> Sample | None:
    """Resample a column of a row on the runs that are on record; None without any."""
    measured = ledger.runs(row, column.parts, column.runs if runs is None else runs)
    if not measured:
        return None
    parts = [ledger.sample(row, part, measured) for part in column.parts]
    return statistics.combine(column.combine, *parts) if column.combine else parts[0]


def _contrasts(
    ledger: Ledger,
    samples: Mapping[tuple[str, str], Sample],
    column: Column,
    pairs: Sequence[tuple[str, str]],
) -> dict[tuple[str, str, str], Difference]:
    """Compute first minus second of each pair, on the runs that both have."""
    differences = {}
    for pair in pairs:
        known = [samples.get((row, column.name)) or _sample(ledger, row, column) for row in pair]
        sides = [side for side in known if side is not None]
        if len(sides) < 2:
            continue
        common = [run for run in sides[0].runs if run in sides[1].runs]
        if not common:
            continue
        if any(len(side.runs) > len(common) for side in sides):
            again = [_sample(ledger, row, column, common) for row in pair]
            sides = [side for side in again if side is not None]
        differences[column.name, *pair] = statistics.difference(sides[0], sides[1])
    return differences


def _missing(ledger: Ledger, places: Sequence[tuple[str, Column]]) -> list[Key]:
    """List the records that the columns ask for and that don't exist."""
    keys = [
        part.source.key(row, run)
        for row, column in places
        for part in column.parts
        for run in column.runs
    ]
    return [key for key in dict.fromkeys(keys) if key not in ledger.records]


def _paper_pairs(table: Table, column: Column) -> list[tuple[str, str]]:
    """Pairs of rows that the paper orders, the better one first."""
    figures = {
        row: figure for row in table.rows if (figure := table.figure(row, column.name)) is not None
    }
    ranked = sorted(figures, key=lambda row: -figures[row])
    return [(a, b) for a, b in itertools.combinations(ranked, 2) if figures[a] > figures[b]]
