"""Page agreement.md: does a run of the default measure again what the study has committed?

A cell is compared with the study's interval for the mean of as many new runs on the same videos:
t quantile times the standard deviation over the study's runs times sqrt(1/k + 1/n). Of new runs of
the same code about one cell in twenty lies outside.
"""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.common.tables import Grid, Unit, markdown, share
from benchmarks.report.claims import NOT_MEASURED, Claim
from benchmarks.report.measure import Table
from benchmarks.report.study import Study
from benchmarks.scoring.statistics import Interval
from benchmarks.scoring.student import quantile

ROUNDED = 1e-5  # of a score of the study's CSV, 0..1
LISTED = 40  # lines at most
PAGE = """\
# This run beside the study

{summary}

Two questions to a run on another machine, or of edited code: are its cells what the committed study
([study/tables.md](study/tables.md)) would measure again, and does it come to the same verdicts? A
cell lies inside where it differs from the study's mean by no more than new trainings differ: the
95 % interval for as many new runs as stand here, on the same videos. About one in twenty lies
outside by chance. Cells without several runs in the study have no such interval."""


class Measured(NamedTuple):
    """One score of this run, and the study's."""

    table: str
    row: str
    column: str
    unit: Unit
    mean: float
    runs: int
    study: Interval

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % interval for the mean of as many new runs."""
        return predicted(self.study, self.runs)

    @property
    def inside(self) -> bool:
        """Whether the score lies in it, as far as the study's CSV has digits."""
        low, high = self.bounds
        return low - ROUNDED <= self.mean <= high + ROUNDED


class Agreement(NamedTuple):
    """How far a run and the study say the same."""

    cells: Sequence[Measured]
    verdicts: Sequence[tuple[Claim, str]]  # a claim, and the study's verdict
    older: Sequence[str]  # rows and settings of which the study is of other code or parameters

    @property
    def apart(self) -> list[tuple[Claim, str]]:
        """Claims on which the verdicts differ."""
        return [(claim, verdict) for claim, verdict in self.verdicts if claim.verdict != verdict]

    @property
    def summary(self) -> str:
        """One line, for the front page and the log."""
        inside, same = sum(c.inside for c in self.cells), len(self.verdicts) - len(self.apart)
        line = (
            f"{inside} of {len(self.cells)} cells lie inside the study's interval for new runs, "
            f"{same} of {len(self.verdicts)} verdicts agree."
        )
        if not self.older:
            return line
        return f"{line} Left out: {len(self.older)} settings of which the study is of other code."


def predicted(study: Interval, runs: int) -> tuple[float, float]:
    """95 % interval for the mean of so many new runs on the study's videos."""
    margin = quantile(study.runs - 1, 0.975) * study.std * (1 / runs + 1 / study.runs) ** 0.5
    return study.mean - margin, study.mean + margin


def agreement(study: Study, tables: Sequence[Table], claims: Sequence[Claim]) -> Agreement | None:
    """Compare the judged scores and the verdicts with the study's; None without a study."""
    if not study.scores:
        return None
    cells = []
    for table in tables:
        for (row, name), score in table.scores.items():
            column = table.columns[name]
            interval = study.score(table.name, row, column) if column.judged else None
            if interval and interval.runs > 1:
                runs = score.over_runs.runs
                cells.append(
                    Measured(table.name, row, name, column.unit, score.mean, runs, interval)
                )
    verdicts = [
        (claim, study.verdicts[claim.name])
        for claim in claims
        if NOT_MEASURED not in (claim.verdict, study.verdicts.get(claim.name, NOT_MEASURED))
    ]
    return Agreement(cells, verdicts, sorted(study.older))


def agreement_page(made: Agreement) -> str:
    """Text of agreement.md."""
    lines = []
    for table in dict.fromkeys(cell.table for cell in made.cells):
        cells = [cell for cell in made.cells if cell.table == table]
        lines.append([table, str(len(cells)), str(sum(cell.inside for cell in cells))])
    header = ["table", "cells", "inside"]
    outside = [_outside(cell) for cell in made.cells if not cell.inside]
    apart = [f"- {claim.text}: {claim.verdict}; the study: {v}" for claim, v in made.apart]
    parts = [PAGE.format(summary=made.summary), markdown(Grid(header, lines, "lrr"))]
    for title, listed in (
        ("Outside", outside),
        ("Other verdicts", apart),
        ("The study is of other code or parameters", [f"- {name}" for name in made.older]),
    ):
        more = [f"- and {len(listed) - LISTED} more"] if len(listed) > LISTED else []
        parts += [f"## {title}", "\n".join([*listed[:LISTED], *more])] if listed else []
    return "\n\n".join(parts) + "\n"


def _outside(cell: Measured) -> str:
    figures = (cell.mean, cell.study.mean, *cell.bounds)
    mean, study, low, high = (share(figure, cell.unit) for figure in figures)
    place = f"{cell.table}, `{cell.row}`, {cell.column}"
    return f"- {place}: {mean}; the study has {study}, new runs in [{low}, {high}]"
