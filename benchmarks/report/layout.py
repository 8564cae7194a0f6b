"""Layout of tables: columns as text, order of rows, verdicts, notes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common.tables import NONE, Grid, Unit, bold, markdown, number, share, signed
from benchmarks.report import exports
from benchmarks.report.measure import Score, Table
from benchmarks.report.plan import RECREATED, Plan
from benchmarks.scoring import statistics
from benchmarks.scoring.statistics import VERDICTS, Difference, Interval

TIED = "ᵃ"  # mark of a row that can't be told from the best one
UNDECIDED = "ᵘ"  # of a difference whose p is .05 or more
OUT = "ⁿ"  # of a score or difference of a row that is in no verdict
TRACK = "track"
BELOW = "‡"  # mark of a row not shown to be above its floor

Text = Callable[[str], str]  # of a row
Figures = Mapping[str, Callable[[], Figure]]  # functions that draw them, by file name


@dataclass(frozen=True)
class Section:
    """One table of the report, laid out for the page and the exports."""

    name: str  # of tables/{name}.md, .csv and .tex
    parts: list[str]  # its title, then paragraphs, grids and images; empty ones are left out
    csv: str
    grid: Grid | None = None  # for LaTeX: the columns that a paper would print
    table: Table | None = None  # for summary.json
    figures: Figures = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Title, as its page has it."""
        return self.parts[0].lstrip("# ")


class GridColumn(NamedTuple):
    """Column of a grid."""

    title: str
    text: Text
    best: str = ""  # name of the column of scores whose highest value is bold
    align: str = "r"


@dataclass(frozen=True)
class Layout:
    """Layout of one table; its methods give columns of a grid, or the grid."""

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
        """Put the parts between the heading and the verdicts, notes and missing records."""
        parts = [f"## {title}, profile `{self.plan.profile}`", *parts, *self._verdicts()]
        parts += [self._notes(noted), self._missing()]
        csv = exports.as_csv(exports.tidy(self.plan, self.table))
        return Section(self.table.name, parts, csv, grid, self.table, figures or {})

    def grid(self, rows: Sequence[str], columns: Sequence[GridColumn]) -> Grid:
        """Fill a grid; the best of a column is bold, per track if there is a column of tracks, and
        where differences are tested, what can't be told from it has a mark, and what is in no
        verdict another."""
        by_track = TRACK in [column.title for column in columns]
        names = {column.best for column in columns}
        best = {name: self._best(rows, name, by_track) for name in names}
        tied = {name: self._tied(rows, name, by_track) - best[name] for name in names}

        def text(column: GridColumn, row: str) -> str:
            if row in best[column.best]:
                return _embolden(column.text(row))
            marks = f" {TIED}" * (row in tied[column.best]) + self._out(row, column.best)
            return column.text(row) + marks

        lines = [[text(column, row) for column in columns] for row in rows]
        return Grid([c.title for c in columns], lines, "".join(c.align for c in columns))

    def ranked(self, rows: Sequence[str], column: str, by_track: bool = True) -> list[str]:
        """Order rows by score: track P (with rows of both), then the rest, the ceiling last."""

        def place(row: str) -> tuple:
            mean = self.table.mean(row, column)
            other_track = by_track and "P" not in self.plan.track(row)
            return row == self.plan.tables.table1.ceiling, other_track, np.isnan(mean), -mean

        return sorted(rows, key=place)

    def _out(self, row: str, column: str) -> str:
        """Mark of a score that is in no verdict, where its column has verdicts."""
        place = (row, column)
        marked = column in self.table.judged and place in self.table.left_out
        return f" {OUT}" if marked and place in self.table.scores else ""

    def _families(self, rows: Sequence[str], by_track: bool) -> list[list[str]]:
        """Rows that compete, all or track by track; the ceiling doesn't."""
        tracks: dict[str, list[str]] = {}
        for row in rows:
            if row != self.plan.tables.table1.ceiling:
                for track in self.plan.track(row).split(", ") if by_track else [""]:
                    tracks.setdefault(track, []).append(row)
        return list(tracks.values())

    def _best(self, rows: Sequence[str], column: str, by_track: bool) -> set[str]:
        """Find the rows that print the highest score, of all or of their track, less those in no
        verdict."""
        best: set[str] = set()
        for family in self._families(rows, by_track) if column else ():
            unit, left_out = self.table.columns[column].unit, self.table.left_out
            means = {r: self.table.mean(r, column) for r in family if (r, column) not in left_out}
            printed = {
                row: round(unit.factor * mean, unit.decimals)
                for row, mean in means.items()
                if not np.isnan(mean)
            }
            if len(printed) > 1:
                best |= {row for row, value in printed.items() if value == max(printed.values())}
        return best

    def _tied(self, rows: Sequence[str], column: str, by_track: bool) -> set[str]:
        """Find the rows that can't be told from the best of all or of their track."""
        families = self._families(rows, by_track) if column in self.table.judged else []
        return {row for family in families for row in self.table.tied(column, family)[1:]}

    def _cell(self, column: str, text: Callable[[Score], str]) -> Text:
        """Make a text of a score; a dash without one."""

        def text_of(row: str) -> str:
            score = self.table.scores.get((row, column))
            return NONE if score is None else text(score)

        return text_of

    def method(self) -> GridColumn:
        """Column of the rows' names."""
        return GridColumn("method", self.plan.label, align="l")

    def track(self) -> GridColumn:
        """Column of the rows' tracks."""
        return GridColumn(TRACK, lambda row: self.plan.track(row) or NONE, align="l")

    def score(self, title: str, column: str, after: Text = lambda row: "") -> GridColumn:
        """Column of mean ± standard deviation over runs, with their number if some are missing.

        Args:
            after: text that follows a score.
        """
        measured = self.table.columns[column]

        def text(row: str) -> str:
            score = self.table.scores.get((row, column))
            if score is None:
                return NONE
            text, runs = share(score.mean, measured.unit), score.over_runs
            if not np.isnan(runs.std):
                text += f" ± {share(runs.std, measured.unit)}"
            if score.planned == runs.runs > self.plan.usual(measured.runs):
                text += f" (n = {runs.runs})"
            return text + _incomplete(score) + after(row)

        return GridColumn(self._titled(title, column), text, best=column)

    def _titled(self, title: str, column: str) -> str:
        """Title with the number of runs, where it isn't the table's."""
        runs = self.plan.usual(self.table.columns[column].runs)
        return title if runs == len(self.plan.seeds) else f"{title}, n = {runs}"

    def plain(self, title: str, column: str, after: Text = lambda row: "") -> GridColumn:
        """Column of means alone, never bold."""
        unit = self.table.columns[column].unit
        mean = self._cell(column, lambda score: share(score.mean, unit) + _incomplete(score))
        return GridColumn(self._titled(title, column), lambda row: mean(row) + after(row))

    def interval(self, title: str, column: str) -> GridColumn:
        """Column of the 95 % intervals of a score."""
        unit = self.table.columns[column].unit
        return GridColumn(title, self._cell(column, lambda score: _bounds(score.over_runs, unit)))

    def study(self, column: str) -> list[GridColumn]:
        """Column of the study's mean, interval and n, if there is a study; of several runs only."""
        measured, study = self.table.columns[column], self.plan.study
        unit = measured.unit

        def text(row: str) -> str:
            i = study.score(self.table.name, row, measured)
            if i is None or i.runs == 1:
                return NONE
            interval = "" if np.isnan(i.low) else f" {_bounds(i, unit)}"
            return f"{share(i.mean, unit)}{interval} (n = {i.runs})"

        return [GridColumn("the study", text)] if study.scores else []

    def change(self, title: str, column: str) -> GridColumn:
        """Column of a measure that is a difference: +1.20 [−0.35, +2.00]."""
        text = self._cell(column, lambda s: difference_text(s.over_runs) + _incomplete(s))
        return GridColumn(self._titled(title, column), text)

    def points(self, title: str, column: str) -> GridColumn:
        """Column of a measure that is a difference, without its interval."""
        text = self._cell(column, lambda score: signed(score.mean) + _incomplete(score))
        return GridColumn(self._titled(title, column), text)

    def difference(self, column: str) -> list[GridColumn]:
        """Columns of the difference to the base, and of the smallest detectable one."""

        def points(score: Score) -> str:
            if score.difference is None:
                return NONE
            mark = OUT if np.isnan(score.difference.p) else UNDECIDED * score.undecided
            return f"{difference_text(score.difference)} {mark}".rstrip()

        def detectable(score: Score) -> str:
            return number(score.difference.detectable if score.difference else None, 100, 2)

        return [
            GridColumn(f"Δ to `{self.plan.base}`", self._cell(column, points)),
            GridColumn("detectable", self._cell(column, detectable)),
        ]

    def paper(self, title: str, *columns: str) -> GridColumn:
        """Column of the paper's figures, with as many decimals as it prints.

        In parentheses where they are of a system that the row re-creates.
        """
        units = [self.table.columns[name].unit for name in columns]

        def text(row: str) -> str:
            figures = [self.table.figure(row, name) for name in columns]
            if all(figure is None for figure in figures):
                return NONE
            pairs = zip(figures, units, strict=True)
            text = " / ".join(number(figure, decimals=unit.decimals) for figure, unit in pairs)
            return f"({text})" if self.plan.notes.get(row) == RECREATED else text

        return GridColumn(title, text)

    def with_dark(self, grid: Grid, places: Sequence[str]) -> Grid:
        """Add a line of what lighting nothing scores, where each place has three columns; on the
        base row's draws, if it is there."""
        by_row = sorted(self.table.scores.items(), key=lambda item: item[0][0] == self.table.base)
        scores = {name: score.mean for (_, name), score in by_row}
        means = [scores.get(f"{where} dark") for where in places]
        cells = [cell for mean in means for cell in (share(mean), NONE, NONE)]
        line = ["all dark", NONE, *cells]
        line += [NONE] * (len(grid.header) - len(line))
        return grid if not any(means) else grid._replace(rows=[*grid.rows, line])

    def sure(self, rows: Sequence[str], columns: Sequence[str]) -> str:
        """Markdown grid of some columns: interval, difference to the base, detectable one."""
        grid_columns = [self.method()]
        for name in columns:
            where = title_of(self.table.columns[name].where)
            grid_columns += [self.interval(f"{where}: 95 % interval", name), *self.study(name)]
            grid_columns += self.difference(name)
        return markdown(self.grid(rows, grid_columns))

    def _verdicts(self) -> list[str]:
        """Heading and grid of the verdicts on the paper's claims; empty without claims."""
        verdicts = self.table.verdicts
        if not verdicts:
            return []
        count = [sum(v.difference.verdict == name for v in verdicts) for name in VERDICTS]
        numbers = ", ".join(f"{name} {n}" for name, n in zip(VERDICTS, count, strict=True))
        lines = []
        # The base's first: they are the paper's claims about its method.
        for v in sorted(verdicts, key=lambda v: self.table.base not in (v.better, v.worse)):
            name, unit = v.column.name, v.column.unit
            pair = (v.better, v.worse)
            figures = [self.table.figure(row, name) for row in pair]
            printed = [number(figure, decimals=unit.decimals) for figure in figures]
            a, b = (self.table.samples[row, name] for row in pair)
            means = [share(side.mean, unit) for side in statistics.paired(a, b) or (a, b)]
            lines.append(
                [
                    v.claim,
                    f"`{v.better}` > `{v.worse}`",
                    title_of(v.column.where),
                    NONE if None in figures else " / ".join(printed),
                    " / ".join(means),
                    difference_text(v.difference),
                    _probability(v.difference.p),
                    str(v.difference.runs),
                    v.difference.verdict + (" (depends)" if v.depends else ""),
                    NONE if v.twin is None else f"{signed(v.twin.mean)} {v.twin.verdict}",
                ]
            )
        header = ["claim", "ordering", "where", "paper", "here", "difference [95 % interval]", "p"]
        header += ["n", "verdict", "at validation's threshold"]
        grid = Grid(header, lines, "lllrrrrrll")
        parts = [f"### Verdicts: {numbers}", markdown(grid)]
        if depends := sum(v.depends for v in verdicts):
            parts.append(f"{depends} of these verdicts depend on the threshold.")
        return [*parts, *self._left_out()]

    def _left_out(self) -> list[str]:
        """Sentence on the rows that take part in no verdict."""
        where: dict[tuple[str, str], list[str]] = {}
        for (row, name), than in self.table.left_out.items():
            if name in self.table.judged:
                where.setdefault((row, than), []).append(title_of(self.table.columns[name].where))
        groups: dict[tuple[str, str], list[str]] = {}
        for (row, than), places in where.items():
            groups.setdefault((than, ", ".join(places)), []).append(f"`{row}`")
        lines = [f"{than} ({places}): {', '.join(r)}" for (than, places), r in groups.items()]
        return [f"In no verdict, since not shown to be above {'; '.join(lines)}."] if lines else []

    def _notes(self, rows: Sequence[str]) -> str:
        """List of the notes on rows, one line each."""
        noted = [row for row in rows if self.plan.notes.get(row)]
        return "\n".join(f"- `{row}`: {self.plan.notes[row]}" for row in noted)

    def _missing(self) -> str:
        """List of missing records; a row or a setting that lacks several is named once."""
        measured = {row for row, _ in self.table.scores}
        names: dict[str, list[str]] = {}
        for key in self.table.missing:
            whole = f"{key.row}/{key.benchmark}-{key.setting}" if key.row in measured else key.row
            names.setdefault(whole, []).append(str(key))
        if not names:
            return ""
        entries = (
            f"`{keys[0]}`" if len(keys) == 1 else f"`{whole}*` ({len(keys)})"
            for whole, keys in names.items()
        )
        return f"Missing records ({len(self.table.missing)}): {', '.join(entries)}."


def title_of(where: str) -> str:
    """Title of a benchmark or setting: v1s -> V1S, vggss -> VGG-SS, 5-shot stays."""
    return where.upper().replace("VGGSS", "VGG-SS") if where[:1] == "v" else where


def _incomplete(score: Score) -> str:
    """Mark of a score that lacks some of its runs."""
    runs = score.over_runs.runs
    return f" ({runs} of {score.planned} runs)" if runs < score.planned else ""


def difference_text(points: Interval | Difference) -> str:
    """Text of points with their interval: +1.20 [−0.35, +2.00]."""
    return f"{signed(points.mean)} [{signed(points.low)}, {signed(points.high)}]"


def _bounds(interval: Interval, unit: Unit) -> str:
    """Text of an interval: [40.00, 50.00]; a dash without one."""
    low, high = (share(bound, unit) for bound in (interval.low, interval.high))
    return NONE if np.isnan(interval.low) else f"[{low}, {high}]"


def _probability(p: float) -> str:
    """Text of a p, which is never 0."""
    return "<0.001" if p < 0.001 else number(p, decimals=3)


def _embolden(text: str) -> str:
    """Make the score bold, but not the marks that follow it: **60.00 ± 1.00** †."""
    head, *marks = text.split(" ")
    n = 2 if marks[:1] == ["±"] else 0
    return " ".join([bold(" ".join([head, *marks[:n]])), *marks[n:]])
