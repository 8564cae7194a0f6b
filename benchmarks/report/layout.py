"""What every table has in common: its columns as text, its order of rows, its verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common.tables import NONE, Grid, bold, markdown, number, share, signed
from benchmarks.report import exports
from benchmarks.report.measure import Score, Table
from benchmarks.report.plan import Plan
from benchmarks.scoring.statistics import VERDICTS, Difference, Interval

NOISE = "≈"
TRACK = "track"
BELOW = "‡"  # not shown to be above its floor

Text = Callable[[str], str]  # of a row
Figures = Mapping[str, Callable[[], Figure]]  # what draws them, by file name


@dataclass(frozen=True)
class Section:
    """One table of the report: what its file hands to the page and to the exports."""

    name: str  # of its files: tables/{name}.csv and .tex
    parts: list[str]  # paragraphs, grids and images of tables.md, in order; empty ones are left out
    csv: str
    grid: Grid | None = None  # what a paper would print: LaTeX
    table: Table | None = None  # for summary.json
    figures: Figures = field(default_factory=dict)


class Shown(NamedTuple):
    """A column of a grid."""

    title: str
    text: Text
    best: str = ""  # name of the column of scores whose highest value is bold
    align: str = "r"


@dataclass(frozen=True)
class Layout:
    """A table on its way to text; each method gives columns of a grid, or the grid."""

    plan: Plan
    table: Table

    def section(
        self,
        title: str,
        parts: Sequence[str],
        grid: Grid,
        figures: Figures | None = None,
        noted: Sequence[str] = (),
    ) -> Section:
        """The parts between the heading and the verdicts, the notes on rows, what is missing."""
        parts = [f"## {title}, profile `{self.plan.profile}`", *parts, *self._verdicts()]
        parts += [self._notes(noted), self._missing()]
        csv = exports.csv(self.plan, self.table)
        return Section(self.table.name, parts, csv, grid, self.table, figures or {})

    def grid(self, rows: Sequence[str], columns: Sequence[Shown]) -> Grid:
        """Rows in the order given; the best of a column is bold, per track if the grid names it."""
        by_track = TRACK in [column.title for column in columns]
        best = {column.best: self._best(rows, column.best, by_track) for column in columns}
        lines = [
            [
                _embolden(column.text(row)) if row in best[column.best] else column.text(row)
                for column in columns
            ]
            for row in rows
        ]
        return Grid([c.title for c in columns], lines, "".join(c.align for c in columns))

    def ranked(self, rows: Sequence[str], column: str, by_track: bool = True) -> list[str]:
        """Rows by score: track P, with what is in both, then the rest; the ceiling last."""

        def place(row: str) -> tuple:
            score = self.table.scores.get((row, column))
            mean = np.nan if score is None else score.mean
            after = by_track and "P" not in self.plan.track(row)
            return row == self.plan.tables.table1.ceiling, after, np.isnan(mean), -mean

        return sorted(rows, key=place)

    def _best(self, rows: Sequence[str], column: str, by_track: bool) -> set[str]:
        """Rows that print the highest score, of all or of their track."""
        if not column:
            return set()
        tracks: dict[str, dict[str, float]] = {}
        unit = self.table.columns[column].unit
        for row in rows:
            score = self.table.scores.get((row, column))
            if score and row != self.plan.tables.table1.ceiling and not np.isnan(score.mean):
                printed = round(unit.factor * score.mean, unit.decimals)
                for track in self.plan.track(row).split(", ") if by_track else [""]:
                    tracks.setdefault(track, {})[row] = printed
        return {
            row
            for printed in tracks.values()
            for row, value in printed.items()
            if len(printed) > 1 and value == max(printed.values())
        }

    def _cell(self, column: str, text: Callable[[Score], str]) -> Text:
        """Text from a score; a dash without one."""

        def of(row: str) -> str:
            score = self.table.scores.get((row, column))
            return NONE if score is None else text(score)

        return of

    def method(self) -> Shown:
        ceiling = self.plan.tables.table1.ceiling
        return Shown("method", lambda row: f"`{row}`" + " (ceiling)" * (row == ceiling), align="l")

    def track(self) -> Shown:
        return Shown(TRACK, lambda row: self.plan.track(row) or NONE, align="l")

    def score(
        self, title: str, column: str, noise: bool = False, after: Text = lambda row: ""
    ) -> Shown:
        """Mean ± standard deviation over runs; how many, if some of a judged column are missing.

        Args:
            noise: mark a difference to the base that is inside the noise.
            after: more behind it, where there is a score.
        """
        column_ = self.table.columns[column]

        def text(row: str) -> str:
            score = self.table.scores.get((row, column))
            if score is None:
                return NONE
            text, runs = share(score.mean, column_.unit), score.over_runs
            if not np.isnan(runs.std):
                text += f" ± {share(runs.std, column_.unit)}"
            if column_.judged and runs.runs < score.planned:
                text += f" ({runs.runs} of {score.planned} runs)"
            return text + f" {NOISE}" * (noise and score.noise) + after(row)

        return Shown(title, text, best=column)

    def plain(self, title: str, column: str, after: Text = lambda row: "") -> Shown:
        """The mean alone, never bold."""
        unit = self.table.columns[column].unit
        mean = self._cell(column, lambda score: share(score.mean, unit))
        return Shown(title, lambda row: mean(row) + after(row))

    def interval(self, title: str, column: str) -> Shown:
        """The 95 % interval of a score."""
        unit = self.table.columns[column].unit

        def text(score: Score) -> str:
            low, high = score.over_runs.low, score.over_runs.high
            return NONE if np.isnan(low) else f"[{share(low, unit)}, {share(high, unit)}]"

        return Shown(title, self._cell(column, text))

    def change(self, title: str, column: str) -> Shown:
        """A column that is a difference itself: +1.20 [−0.35, +2.00]."""
        return Shown(title, self._cell(column, lambda score: _difference(score.over_runs)))

    def points(self, title: str, column: str) -> Shown:
        """The same without its interval."""
        return Shown(title, self._cell(column, lambda score: signed(score.mean)))

    def difference(self, column: str) -> list[Shown]:
        """Points to the base with their interval and mark; the smallest that could be seen."""

        def points(score: Score) -> str:
            if score.difference is None:
                return NONE
            return _difference(score.difference) + f" {NOISE}" * score.noise

        def detectable(score: Score) -> str:
            return number(score.difference.detectable if score.difference else None, 100, 2)

        return [
            Shown(f"Δ to `{self.plan.base}`", self._cell(column, points)),
            Shown("detectable", self._cell(column, detectable)),
        ]

    def paper(self, title: str, *columns: str) -> Shown:
        """The paper's figures, as many decimals as it prints."""
        units = [self.table.columns[name].unit for name in columns]

        def text(row: str) -> str:
            figures = [self.table.figure(row, name) for name in columns]
            if all(figure is None for figure in figures):
                return NONE
            pairs = zip(figures, units, strict=True)
            return " / ".join(number(figure, decimals=unit.decimals) for figure, unit in pairs)

        return Shown(title, text)

    def sure(self, rows: Sequence[str], columns: Sequence[str]) -> str:
        """Each of some columns with its interval, difference to the base and what would have shown,
        as Markdown."""
        shown = [self.method()]
        for name in columns:
            where = title_of(self.table.columns[name].where)
            shown += [self.interval(f"{where}: 95 % interval", name), *self.difference(name)]
        return markdown(self.grid(rows, shown))

    def _verdicts(self) -> list[str]:
        """The verdict on every claim of the paper: heading and grid; nothing without claims."""
        verdicts = self.table.verdicts
        if not verdicts:
            return []
        count = [sum(v.difference.verdict == name for v in verdicts) for name in VERDICTS]
        numbers = ", ".join(f"{name} {n}" for name, n in zip(VERDICTS, count, strict=True))
        lines = []
        # The base's first: they are what the paper claims of its method.
        for v in sorted(verdicts, key=lambda v: self.table.base not in (v.better, v.worse)):
            name, unit = v.column.name, v.column.unit
            pair = (v.better, v.worse)
            figures = [self.table.figure(row, name) for row in pair]
            printed = [number(figure, decimals=unit.decimals) for figure in figures]
            means = [share(self.table.scores[row, name].mean, unit) for row in pair]
            lines.append(
                [
                    v.claim,
                    f"`{v.better}` > `{v.worse}`",
                    title_of(v.column.where),
                    NONE if None in figures else " / ".join(printed),
                    " / ".join(means),
                    _difference(v.difference),
                    number(v.difference.p, decimals=3),
                    v.difference.verdict,
                ]
            )
        header = ["claim", "ordering", "where", "paper", "here", "difference [95 % interval]", "p"]
        grid = Grid([*header, "verdict"], lines, "lllrrrrl")
        return [f"### Verdicts: {numbers}", markdown(grid)]

    def _notes(self, rows: Sequence[str]) -> str:
        """What is to be known of a row, one line each."""
        noted = [row for row in rows if self.plan.notes.get(row)]
        return "\n".join(f"- `{row}`: {self.plan.notes[row]}" for row in noted)

    def _missing(self) -> str:
        """The records that the table lacks; a row or a setting that lacks several is named once."""
        measured = {row for row, _ in self.table.scores}
        names: dict[str, list[str]] = {}
        for key in self.table.missing:
            whole = f"{key.row}/{key.benchmark}-{key.setting}" if key.row in measured else key.row
            names.setdefault(whole, []).append(str(key))
        if not names:
            return ""
        listed = (
            f"`{keys[0]}`" if len(keys) == 1 else f"`{whole}*` ({len(keys)})"
            for whole, keys in names.items()
        )
        return f"Missing records ({len(self.table.missing)}): {', '.join(listed)}."


def title_of(where: str) -> str:
    """v1s -> V1S, vggss -> VGG-SS, 5-shot stays."""
    return where.upper().replace("VGGSS", "VGG-SS") if where[:1] == "v" else where


def _difference(points: Interval | Difference) -> str:
    """Points with their interval: +1.20 [−0.35, +2.00]."""
    return f"{signed(points.mean)} [{signed(points.low)}, {signed(points.high)}]"


def _embolden(text: str) -> str:
    """The score itself in bold, and not what is marked behind it: **60.00 ± 1.00** ≈."""
    head, *marks = text.split(" ")
    n = 2 if marks[:1] == ["±"] else 0
    return " ".join([bold(" ".join([head, *marks[:n]])), *marks[n:]])
