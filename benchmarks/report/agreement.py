"""Page agreement.md: does a run of the default measure again what the study has committed?

Where both have a seed, the two scores should be one. That says nothing of whether the seed is an
ordinary one, so a cell is also compared with the study's other seeds: with the interval for the
mean of as many new runs on the same test set, t quantile times their standard deviation times
sqrt(1/k + 1/n). Of new runs of the same code about one cell in twenty lies outside. A seed that
both have can't be among the n: what it has in common with itself would hold it inside.
"""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from benchmarks.common.tables import Grid, Unit, markdown, share
from benchmarks.report.claims import NOT_MEASURED, Claim
from benchmarks.report.measure import Table
from benchmarks.report.study import ByRun, Study
from benchmarks.scoring.student import quantile

ROUNDED = 1e-5  # of a score, 0..1, that is called the same
LISTED = 40  # lines at most
PAGE = """\
# This run beside the study

{summary}

Three questions to a run on another machine, or of edited code, about the committed study
([study/tables.md](study/tables.md)):

- **the same**: is a cell what the study has for the same seeds and draws, to 0.001 points? On a
  machine of the same kind, with the same code, every one is; so is one whose model the study took
  from this run.
- **inside**: is a cell what new trainings score? The 95 % interval for the mean of as many new runs
  as stand here is made of the study's other seeds, on the same test set (of shots on each draw's
  own): about one cell in twenty lies outside by chance. Two other seeds make a wide interval (t
  with one degree of freedom); with fewer there is none.
- **verdicts**: do these trainings come to the verdicts that the study comes to with more?"""


class Measured(NamedTuple):
    """One score of this run, and the study's."""

    table: str
    row: str
    column: str
    unit: Unit
    here: ByRun
    study: ByRun

    @property
    def mean(self) -> float:
        """This run's score."""
        return fmean(self.here.values())

    @property
    def same(self) -> bool:
        """Whether the study has this run's scores for the same seeds and draws."""
        apart = (abs(x - self.study.get(run, float("inf"))) for run, x in self.here.items())
        return max(apart) <= ROUNDED

    @property
    def others(self) -> list[float]:
        """The study's scores with other seeds."""
        seeds = {seed for seed, _ in self.here}
        return [score for (seed, _), score in self.study.items() if seed not in seeds]

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % interval for the mean of as many new runs; there are two others or more."""
        return predicted(self.others, len(self.here))

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
        cells, inside, same = counted(self.cells)
        line = (
            f"{same} of {len(self.cells)} cells are what the study has for the same seeds, "
            f"{inside} of {cells} lie inside the interval of its other seeds for new runs, "
            f"{len(self.verdicts) - len(self.apart)} of {len(self.verdicts)} verdicts agree."
        )
        if not self.older:
            return line
        return f"{line} Left out: {len(self.older)} settings of which the study is of other code."


def counted(cells: Sequence[Measured]) -> tuple[int, int, int]:
    """Count the cells that have an interval, those inside it, and those that are the study's."""
    compared = [cell for cell in cells if len(cell.others) > 1]
    return len(compared), sum(c.inside for c in compared), sum(c.same for c in cells)


def predicted(others: Sequence[float], runs: int) -> tuple[float, float]:
    """95 % interval for the mean of so many new runs on the test set of these others."""
    n = len(others)
    margin = quantile(n - 1, 0.975) * stdev(others) * (1 / runs + 1 / n) ** 0.5
    return fmean(others) - margin, fmean(others) + margin


def agreement(study: Study, tables: Sequence[Table], claims: Sequence[Claim]) -> Agreement | None:
    """Compare the judged scores and the verdicts with the study's; None without a study."""
    if not study.scores:
        return None
    cells, once = [], set()  # a score may stand in several tables
    for table in tables:
        for (row, name), score in table.samples.items():
            column, there = table.columns[name], study.runs.get((table.name, row, name))
            place = (row, column.parts, score.runs)
            if (
                place not in once
                and column.judged
                and there
                and study.score(table.name, row, column)
            ):
                once.add(place)
                here = {
                    (seed, "" if draw is None else str(draw)): float(value)
                    for (seed, draw), value in zip(score.runs, score.values, strict=True)
                }
                cells.append(Measured(table.name, row, name, column.unit, here, there))
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
        compared, inside, same = map(str, counted(cells))
        lines.append([table, str(len(cells)), same, compared, inside])
    header = ["table", "cells", "the same", "with an interval", "inside"]
    outside = [_outside(cell) for cell in made.cells if len(cell.others) > 1 and not cell.inside]
    apart = [f"- {claim.text}: {claim.verdict}; the study: {v}" for claim, v in made.apart]
    parts = [PAGE.format(summary=made.summary), markdown(Grid(header, lines, "lrrrr"))]
    for title, listed in (
        ("Outside", outside),
        ("Other verdicts", apart),
        ("The study is of other code or parameters", [f"- {name}" for name in made.older]),
    ):
        more = [f"- and {len(listed) - LISTED} more"] if len(listed) > LISTED else []
        parts += [f"## {title}", "\n".join([*listed[:LISTED], *more])] if listed else []
    return "\n\n".join(parts) + "\n"


def _outside(cell: Measured) -> str:
    mean, low, high = (share(figure, cell.unit) for figure in (cell.mean, *cell.bounds))
    others = ", ".join(share(score, cell.unit) for score in cell.others)
    place = f"{cell.table}, `{cell.row}`, {cell.column}"
    return f"- {place}: {mean}; the study's other seeds have {others}, new runs in [{low}, {high}]"
