"""Figure 1: VGG-SS as bars, with what predictors score that neither look nor listen."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.report.figures import GREY, PALETTE, STYLE
from benchmarks.report.measure import Table, row_of
from benchmarks.report.plan import Plan

KINDS = {  # how sound comes in -> its title and colour
    "prompt": ("prompt", PALETTE[0]),
    "fusion": ("fusion", PALETTE[1]),
    "in-set": ("trained in-set (the paper's: success rate)", "#BBBBBB"),
}
LINES = ["-", "--", ":", "-."]


@mpl.rc_context(STYLE)
def figure1(
    plan: Plan,
    table: Table,
    rows: Sequence[str],
    column: str,
    trivial: Mapping[str, float],
    paper: Mapping[str, tuple[float, bool]],
) -> Figure:
    """Mean IoU of each row with its interval; the paper's figures in a panel of their own.

    Args:
        trivial: mean IoU (0..1) of each trivial predictor, drawn as lines.
        paper: cIoU (%) by system as the paper names it, and whether it was trained in-set.
    """
    figure = Figure(figsize=(7.2, 0.9 + 0.24 * max(len(rows), len(paper))), layout="constrained")
    own, published = figure.subplots(1, 2)
    shown = [row for row in rows if (row, column) in table.cells]
    for y, row in enumerate(shown):
        score = table.cells[row, column].score
        around = [[100 * (score.mean - score.low)], [100 * (score.high - score.mean)]]
        in_set = row in plan.tables.table3.in_set
        colour = KINDS["in-set" if in_set else plan.paradigms.get(row, "fusion")][1]
        own.barh(y, 100 * score.mean, 0.7, color=colour, xerr=around, error_kw={"lw": 0.9})
    # The lines of figure and legend in one order: the weakest predictor first.
    lines = [
        own.axvline(100 * value, color=GREY, ls=LINES[i % len(LINES)], lw=1, label=name)
        for i, (name, value) in enumerate(sorted(trivial.items(), key=lambda item: item[1]))
    ]
    _label(own, shown, f"mean IoU (%), VGG-SS, {plan.profile}")
    for y, (name, (value, in_set)) in enumerate(paper.items()):
        kind = "in-set" if in_set else plan.paradigms.get(row_of(name), "fusion")
        published.barh(y, value, 0.7, color=KINDS[kind][1], hatch="//" if in_set else None, ec="w")
    _label(published, list(paper), "cIoU (%) as the paper prints it, real data")
    patches = [
        Patch(fc=colour, ec="w", hatch="//" if kind == "in-set" else None, label=title)
        for kind, (title, colour) in KINDS.items()
    ]
    figure.legend(handles=[*patches, *lines], loc="outside lower center", ncols=3)
    return figure


def _label(axes: Axes, names: Sequence[str], xlabel: str) -> None:
    axes.set_xlabel(xlabel)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first on top, as in the table
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
