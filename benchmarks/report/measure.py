"""Measures and numbers of a table: each is computed once, layouts and figures only show them.

Scores are 0..1 here, whatever the unit in which they are printed. Differences of a judged column,
to the base row and between rows that the paper orders, share one correction (Holm) per table.
"""

import itertools
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from benchmarks.common.tables import PERCENT, Unit
from benchmarks.experiments import csv_lines, paper_csv
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
    gain: bool = False  # a difference of a row to itself, tested against none over all rows
    apart: bool = False  # a difference of two trainings, whose seeds are nobody's pairs
    twin: "Column | None" = None  # the same judged by another reading, at validation's threshold
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
    gain: Difference | None = None  # of a column of gains: to none, p adjusted within the column

    @property
    def mean(self) -> float:
        """Mean over runs."""
        return self.over_runs.mean

    @property
    def undecided(self) -> bool:
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
    twin: Difference | None = None  # by the column's other reading, adjusted within that

    @property
    def depends(self) -> bool:
        """Whether the other reading has another verdict."""
        return self.twin is not None and self.twin.verdict != self.difference.verdict


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
    samples: Mapping[tuple[str, str], Sample] = field(default_factory=dict)  # behind the scores
    twins: Mapping[tuple[str, str, str], Difference] = field(default_factory=dict)  # as contrasts
    left_out: Mapping[tuple[str, str], str] = field(default_factory=dict)  # of verdicts, ties and
    # leads, by row and column: what the row isn't above

    @property
    def rows(self) -> list[str]:
        """All rows, each once."""
        return list(dict.fromkeys(row for block in self.blocks for row in block.rows))

    @property
    def columns(self) -> dict[str, Column]:
        """All columns by name; of those that differ in their runs the first block's."""
        columns: dict[str, Column] = {}
        for column in itertools.chain.from_iterable(block.columns for block in self.blocks):
            columns.setdefault(column.name, column)
        return columns

    @property
    def judged(self) -> list[str]:
        """Names of the columns whose differences are tested."""
        return [name for name, column in self.columns.items() if column.judged]

    def figure(self, row: str, column: str) -> float | None:
        """Figure that the paper prints there, in the paper's unit."""
        place = self.columns[column].paper if column in self.columns else None
        return self.paper.get((row, *place)) if place else None

    def tied(self, column: str, rows: Sequence[str]) -> list[str]:
        """Rows of a column that can't be told from the best of `rows`, the best one first.

        Rows in no verdict are neither. Empty without a score.
        """
        best, judged = self.against_best(column, rows)
        return [best, *(r for r, d in judged.items() if not d.decided)] if best else []

    def against_best(
        self, column: str, rows: Sequence[str]
    ) -> tuple[str | None, dict[str, Difference]]:
        """Compare the best of some rows with each other one; rows in no verdict take no part.

        It is the scores that say which is best, so p is adjusted by Holm's rule over all pairs.

        Returns:
            The best row, None without a score, and best minus other by row, the next best first.
        """
        standing = [row for row in rows if (row, column) not in self.left_out]
        measured = [row for row in standing if not np.isnan(self.mean(row, column))]
        if not measured:
            return None, {}
        best, *others = sorted(measured, key=lambda row: -self.mean(row, column))
        pairs = {
            pair: difference
            for pair in itertools.combinations([best, *others], 2)
            if (difference := self.compared(column, *pair))
        }
        judged = statistics.adjusted(pairs)
        return best, {other: d for (row, other), d in judged.items() if row == best}

    def measures(self, column: str) -> bool:
        """Whether any row has a score there."""
        return any(name == column for _, name in self.scores)

    def mean(self, row: str, column: str) -> float:
        """Mean over runs; NaN without a score."""
        score = self.scores.get((row, column))
        return np.nan if score is None else score.mean

    def compared(self, column: str, first: str, second: str) -> Difference | None:
        """Difference of two rows, first minus second, alone: p isn't adjusted. None without
        their spread over videos."""
        a, b = (self.samples.get((row, column)) for row in (first, second))
        if a is None or b is None or not (a.known and b.known):
            return None
        return statistics.difference(a, b)

    def contrast(self, column: str, first: str, second: str) -> Difference | None:
        """Difference, first minus second, whichever way round it was judged."""
        return _either_way(self.contrasts, column, first, second)

    def verdict(self, claim: str, column: str, better: str, worse: str) -> Verdict | None:
        """Judge a claim by the table's numbers; None where the two weren't compared, or one is in
        no verdict."""
        difference = self.contrast(column, better, worse)
        if difference is None or {(better, column), (worse, column)} & self.left_out.keys():
            return None
        twin = _either_way(self.twins, column, better, worse)
        if twin and np.isnan(twin.p):  # a row in no verdict by that reading
            twin = None
        return Verdict(claim, self.columns[column], better, worse, difference, twin)


def _either_way(
    differences: Mapping[tuple[str, str, str], Difference], column: str, first: str, second: str
) -> Difference | None:
    if difference := differences.get((column, first, second)):
        return difference
    difference = differences.get((column, second, first))
    return difference and difference.turned()


def missing_of(tables: Iterable[Table]) -> set[Key]:
    """Records that some tables ask for and that don't exist."""
    return {key for table in tables for key in table.missing}


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
    if (path := paper_csv(table)) is None:
        return figures
    with reading(path, RecordError, "as the paper's figures"):
        for line in csv_lines(path):
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
    samples = {(row, c.name): s for row, c in places if (s := _sample(ledger, row, c))}
    apart = {
        (row, c.name): _apart(ledger, row, c)
        for row, c in places
        if c.apart and (row, c.name) in samples
    }
    table = Table(name, base, blocks, {}, {}, [], _missing(ledger, places), read_paper(name))
    judged = [row for row in table.rows if row not in unjudged]
    left_out = {
        (row, name): than
        for name, column in table.columns.items()
        for row in judged
        if (than := ledger.not_above(row, column.parts[0].source))
    }
    contrasts: dict[tuple[str, str, str], Difference] = {}
    twins: dict[tuple[str, str, str], Difference] = {}
    for column in [table.columns[name] for name in table.judged]:
        compared = [(row, base) for row in judged if row != base]
        compared += [p for p in _paper_pairs(table, column) if not {*p} & {base, *unjudged}]
        compared += [pair for pair in pairs if base not in pair]
        once = {frozenset(pair): pair for pair in reversed(compared)}  # the first way round
        in_order = list(once.values())[::-1]
        contrasts |= _contrasts(ledger, samples, column, column.name, in_order)
        if column.twin:
            twins |= _contrasts(ledger, samples, column.twin, column.name, in_order)
    at_twins = {
        (row, name): than
        for name, column in table.columns.items()
        for row in judged
        if column.twin and (than := ledger.not_above(row, *column.twin.parts[0]))
    }
    contrasts, twins = _tested(contrasts, left_out), _tested(twins, left_out | at_twins)
    gains: dict[tuple[str, str], Difference] = {}
    for name in [name for name, column in table.columns.items() if column.gain]:
        tests = {
            place: apart.get(place) or statistics.excess(s)
            for place, s in samples.items()
            if place[1] == name
        }
        gains |= statistics.adjusted(tests)
    scores = {
        (row, c.name): Score(
            apart[row, c.name].interval if c.apart else statistics.interval(samples[row, c.name]),
            len(ledger.planned(row, c.runs)),
            contrasts.get((c.name, row, base)),
            gains.get((row, c.name)),
        )
        for row, c in places
        if (row, c.name) in samples
    }
    table = replace(
        table,
        scores=scores,
        contrasts=contrasts,
        samples=samples,
        twins=twins,
        left_out=left_out,
    )
    verdicts = [
        table.verdict(PAPER_ORDER, name, *pair)
        for name in table.judged
        for pair in _paper_pairs(table, table.columns[name])
        if {*pair} <= {*judged}
    ]
    return replace(table, verdicts=[verdict for verdict in verdicts if verdict])


def _sample(ledger: Ledger, row: str, column: Column) -> Sample | None:
    """Scores of a column and row on the runs that are on record; None without any."""
    measured = ledger.runs(row, column.parts, column.runs)
    if not measured:
        return None
    parts = [ledger.sample(row, part, measured) for part in column.parts]
    return statistics.combine(column.combine, *parts) if column.combine else parts[0]


def _apart(ledger: Ledger, row: str, column: Column) -> Difference:
    """Compute a column of two trainings, first minus second."""
    runs = ledger.runs(row, column.parts, column.runs)

    def side(part: Part) -> Sample:
        drawn = ((seed, draw if part.source.drawn else None) for seed, draw in runs)
        return ledger.sample(row, part, tuple(dict.fromkeys(drawn)))

    first, second = column.parts
    return statistics.difference(side(first), side(second))


def _contrasts(
    ledger: Ledger,
    samples: Mapping[tuple[str, str], Sample],
    column: Column,
    name: str,
    pairs: Sequence[tuple[str, str]],
) -> dict[tuple[str, str, str], Difference]:
    """Compute first minus second of each pair in a column, under the name of one."""
    differences = {}
    for pair in pairs:
        a, b = (samples.get((row, column.name)) or _sample(ledger, row, column) for row in pair)
        if a is not None and b is not None:
            differences[name, *pair] = statistics.difference(a, b)
    return differences


def _tested(
    differences: Mapping[tuple[str, str, str], Difference], left_out: Container[tuple[str, str]]
) -> dict[tuple[str, str, str], Difference]:
    """Adjust p over the differences of rows with standing; the others have none."""
    counted = {
        place: difference
        for place, difference in differences.items()
        if not any((row, place[0]) in left_out for row in place[1:])
    }
    unjudged = {place: replace(d, p=np.nan) for place, d in differences.items()}
    return unjudged | statistics.adjusted(counted)


def _missing(ledger: Ledger, places: Sequence[tuple[str, Column]]) -> list[Key]:
    """List the records that the columns ask for and that don't exist."""
    keys = [
        part.source.key(row, run)
        for row, column in places
        for part in column.parts
        for run in ledger.planned(row, column.runs)
    ]
    return [key for key in dict.fromkeys(keys) if key not in ledger.records]


def _paper_pairs(table: Table, column: Column) -> list[tuple[str, str]]:
    """Pairs of rows that the paper orders, the better one first."""
    figures = {
        row: figure for row in table.rows if (figure := table.figure(row, column.name)) is not None
    }
    ranked = sorted(figures, key=lambda row: -figures[row])
    return [(a, b) for a, b in itertools.combinations(ranked, 2) if figures[a] > figures[b]]
