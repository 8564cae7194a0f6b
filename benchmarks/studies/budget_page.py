"""Page of the budget: what doubling the updates changes, how trainings went on, and every score."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.core.groupby import SeriesGroupBy

from benchmarks.common.tables import Grid, markdown, share, signed
from benchmarks.scoring.records import Epoch
from benchmarks.studies.dispersion import short

MOVED = 1.5  # points
COURSE = ["loss_change", "validation_change", "from_best"]  # of a training, as `course` has them
PAGE = """\
# Budget: what more or fewer updates change

Made by `python -m benchmarks budget{option}`, in one call or several (`--rows`, `--benchmarks`,
`--times`), at {revisions}: profile {profile}, seeds {seeds}, outside the default run.
Rows of Table 1 with so many times their updates; rate, schedule and frames per update stay. mIoU in
percent, mean over seeds.

{changes}

![mIoU at each number of updates](figures/{stem}.png)"""
CHANGES = """\
Change of mIoU when the updates double from 1, by the seeds that have both: the mean over rows with
its standard error, the standard error of one row's change (by how far its seeds differ, pooled over
rows), and the rows that move by more than {moved} points. A part of a row's change is chance.

{grid}"""
COURSES = """\
How trainings go on from the first of their validations to the last: change of the training loss and
of validation mIoU, and the last validation minus the best, means over rows with standard errors.
Where the loss falls and validation doesn't rise, more updates fit the training clips alone.

{grid}"""
COLUMNS = {
    "validation": "validation",
    "miou": "test, 0.5",
    "miou_chosen": "at validation's threshold",
    "wrong_sound": "shuffled",
}


def course(history: Sequence[Epoch]) -> dict[str, float]:
    """Tell how a training went on from its first validation to its last.

    Returns:
        validation: the best mIoU; from_best: the last minus it; validation_change: the last minus
        the first; loss_change: that of the training loss, as a share of the first.
    """
    scores, losses = zip(
        *((e.validation, e.loss) for e in history if e.validation is not None), strict=True
    )
    return {
        "validation": max(scores),
        "from_best": scores[-1] - max(scores),
        "validation_change": scores[-1] - scores[0],
        "loss_change": losses[-1] / losses[0] - 1,
    }


def means_of(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: one line per row, benchmark and budget."""
    groups = table.groupby(["row", "benchmark", "alternative", "times", "updates"], sort=False)
    means = groups.mean(numeric_only=True).drop(columns="seed")
    return means.assign(seeds=groups.size()).reset_index()


def changes(table: pd.DataFrame, judged: str) -> str:
    """Text of what doubling the updates from 1 changes: a line per benchmark and threshold."""
    lines = []
    for score in ("miou", "miou_chosen") if judged == "miou" else (judged,):
        for benchmark, here in table.groupby("benchmark", sort=False):
            wide = here.pivot(index=["row", "seed"], columns="times", values=score)
            scores = wide.reindex(columns=[1.0, 2.0]).dropna()  # seeds that have both
            runs = (scores[2.0] - scores[1.0]).groupby("row")
            change = runs.mean()
            change = change.reindex([row for row in dict.fromkeys(table.row) if row in change])
            far = [f"`{row}` {signed(d)}" for row, d in change.items() if abs(d) > MOVED / 100]
            mean = f"{signed(change.mean())} ± {share(change.sem())}"
            count = f"{len(far)} of {len(change)}"
            line = [str(benchmark), COLUMNS[score], mean, share(pooled_error(runs)), count]
            lines.append([*line, ", ".join(far) or "none"])
    header = ["benchmark", "score", "mean change", "of one row ±", "rows", "by how much"]
    return CHANGES.format(moved=MOVED, grid=markdown(Grid(header, lines, "llrrrl")))


def pooled_error(runs: SeriesGroupBy) -> float:
    """Standard error of a row's mean over seeds, the variance pooled over rows (NaN: one seed)."""
    freedom = (runs.size() - 1).sum()
    if not freedom:
        return np.nan
    variance = (runs.var().fillna(0) * (runs.size() - 1)).sum() / freedom
    return float(np.sqrt(variance * (1 / runs.size()).mean()))


def courses(table: pd.DataFrame) -> str:
    """Text of how trainings went on: a line per benchmark and budget."""
    lines = []
    for benchmark, everywhere in table.groupby("benchmark", sort=False):
        for times, here in everywhere.groupby("times"):
            means = here.groupby("row")[COURSE].mean()
            figures = [f"{signed(c.mean())} ± {share(c.sem())}" for _, c in means.items()]
            ended_best = f"{(here.from_best == 0).sum()} of {len(here)}"
            lines.append([str(benchmark), f"{times:g}", str(len(means)), *figures, ended_best])
    header = ["benchmark", "times", "rows", "training loss (%)", "validation (points)"]
    header += ["last − best (points)", "trainings whose last is the best"]
    return COURSES.format(grid=markdown(Grid(header, lines, "lrrrrrr")))


def page(table: pd.DataFrame, judged: str, profile: str, stem: str) -> str:
    """Page of a study's lines: what doubling changes, and a grid per benchmark."""
    means, revisions = means_of(table), set(table.revision.astype(str))
    parts = [
        PAGE.format(
            option=" --validation-only" if judged == "validation" else "",
            revisions=", ".join(sorted(map(short, revisions))),
            profile=profile,
            seeds=", ".join(map(str, sorted(set(table.seed)))),
            changes=changes(table, judged),
            stem=stem,
        )
    ]
    if judged == "miou":
        parts.append(courses(table))
    for benchmark, here in means.groupby("benchmark", sort=False):
        lines = [
            [
                line["row"],
                f"{line['times']:g}",
                str(line["updates"]),
                str(line["seeds"]),
                *(share(line[name]) for name in COLUMNS),
            ]
            for line in here.to_dict("records")
        ]
        header = ["row", "times", "updates", "seeds", *COLUMNS.values()]
        parts += [f"## {benchmark}", markdown(Grid(header, lines))]
    return "\n\n".join(parts) + "\n"
