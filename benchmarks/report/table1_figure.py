"""Dot plot of Table 1: mIoU with interval, floor, shuffled sound, ceiling; the paper's below."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.layout import title_of
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import GREY, STYLE, label_rows, looks_of

LOWER = 0.28  # of a row: floor and shuffled sound stand under the interval that they may meet
LEGEND = [
    Line2D([], [], color=GREY, marker="o", ms=4, label="mean, 95 % interval"),
    Line2D([], [], color=GREY, marker="|", ms=7, ls="", label="trained and tested in silence"),
    Line2D([], [], color=GREY, marker="x", ms=4, ls="", label="sound of other classes"),
    Line2D([], [], color=GREY, ls="--", lw=0.8, label="ceiling"),
]


@mpl.rc_context(STYLE)
def table1_figure(plan: Plan, table: Table, rows: Sequence[str]) -> Figure:
    """Draw one column of panels per benchmark; ours above, the paper's below.

    The two never share an axis: they were measured on different data.
    """
    benchmarks = plan.tables.table1.benchmarks
    printed = [
        row for row in rows if any(table.figure(row, f"{b} miou") is not None for b in benchmarks)
    ]
    heights = [len(rows) + 1] + ([len(printed) + 1] if printed else [])
    figure = Figure(figsize=(7.2, 1.5 + 0.22 * sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(heights),
        len(benchmarks),
        squeeze=False,
        sharex="row",
        sharey="row",
        gridspec_kw={"height_ratios": heights},
    )
    for benchmark, column in zip(benchmarks, axes.T, strict=True):
        column[0].set_title(f"{title_of(benchmark)}, {plan.profile}")
        _measured(plan, column[0], table, benchmark, rows)
        for paper in column[1:]:
            paper.set_title(f"{title_of(benchmark)}, the paper (real data)")
            values = {row: table.figure(row, f"{benchmark} miou") for row in printed}
            _dots(plan, paper, values, printed)
    figure.legend(handles=LEGEND, loc="outside lower center", ncols=len(LEGEND))
    return figure


def _measured(plan: Plan, axes: Axes, table: Table, benchmark: str, rows: Sequence[str]) -> None:
    """Draw the rows' dots, intervals and controls, and the ceiling."""
    colours = looks_of(plan)["palette"]
    scores = {
        (row, measure): table.scores[row, f"{benchmark} {measure}"].over_runs
        for row in [*rows, plan.tables.table1.ceiling]
        for measure in ("miou", "floor", "shuffled")
        if (row, f"{benchmark} {measure}") in table.scores
    }
    for y, row in enumerate(rows):
        if score := scores.get((row, "miou")):
            axes.plot([100 * score.low, 100 * score.high], [y, y], color=colours[row])
        for measure, marker in (("floor", "|"), ("shuffled", "x")):
            if score := scores.get((row, measure)):
                axes.scatter(100 * score.mean, y + LOWER, 18, colours[row], marker=marker, lw=1)
    means = {row: 100 * scores[row, "miou"].mean for row in rows if (row, "miou") in scores}
    _dots(plan, axes, means, rows)
    if ceiling := scores.get((plan.tables.table1.ceiling, "miou")):
        axes.axvline(100 * ceiling.mean, color=GREY, ls="--", lw=0.8)


def _dots(plan: Plan, axes: Axes, values: Mapping[str, float | None], rows: Sequence[str]) -> None:
    """Draw one dot per row that has a value, in its colour and marker."""
    present = {row: value for row, value in values.items() if value is not None}
    look = looks_of(plan)
    if present:
        sns.scatterplot(
            x=list(present.values()), y=[rows.index(row) for row in present], hue=list(present),
            style=list(present), palette=look["palette"], markers=look["markers"], s=22,
            linewidth=0, legend=False, ax=axes,
        )  # fmt: skip
    label_rows(axes, rows)
