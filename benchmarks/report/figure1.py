"""Figure 1 of the paper, VGG-SS as bars: Table 3, with predictors that neither look nor listen."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import GREY, STYLE, label_rows, looks_of

KINDS = {  # of rows -> title and hatch
    "prompt": ("prompt", ""),
    "fusion": ("fusion", "...."),
    "in-set": ("trained in-set (the paper's: success rate)", "////"),
}
LINES = ["-", "--", ":", "-."]
OUTLINE = [withStroke(linewidth=2.4, foreground="white")]  # intervals end inside bars of any colour


@mpl.rc_context(STYLE | {"hatch.linewidth": 0.5})
def figure1(
    plan: Plan, table: Table, rows: Sequence[str], column: str, trivial: Mapping[str, float]
) -> Figure:
    """Draw the mean IoU of each row with its interval, and the paper's cIoU in a second panel.

    trivial: mean IoU (0..1) of each trivial predictor, drawn as lines.
    """
    paper = {row: value for (row, *_, metric), value in table.paper.items() if metric == "ciou"}
    in_set = {row for row, _, setting, _ in table.paper if setting == "in-set"}
    in_set |= {*plan.tables.table3.in_set}
    kinds = {
        row: "in-set" if row in in_set else plan.paradigms.get(row, "fusion")
        for row in [*rows, *paper]
    }
    scores = {r: table.scores[r, column].over_runs for r in rows if (r, column) in table.scores}
    figure = Figure(figsize=(7.2, 0.9 + 0.24 * max(len(rows), len(paper))), layout="constrained")
    measured, printed = figure.subplots(1, 2)
    _bars(plan, measured, {row: 100 * score.mean for row, score in scores.items()}, kinds)
    for y, score in enumerate(scores.values()):
        ends = [100 * score.low, 100 * score.high]
        measured.plot(ends, [y, y], color="black", lw=0.9, path_effects=OUTLINE)
    # The lines of figure and legend in one order: the weakest predictor first.
    lines = [
        measured.axvline(100 * value, color=GREY, ls=LINES[i % len(LINES)], lw=1, label=name)
        for i, (name, value) in enumerate(sorted(trivial.items(), key=lambda item: item[1]))
    ]
    measured.relim()
    measured.autoscale(axis="x")
    _bars(plan, printed, paper, kinds)
    measured.set_xlabel(f"mean IoU (%), VGG-SS, {plan.profile}")
    printed.set_xlabel("cIoU (%) as the paper prints it, real data")
    patches = [
        Patch(fc="#CCCCCC", ec="white", hatch=hatch, label=title) for title, hatch in KINDS.values()
    ]
    figure.legend(handles=[*patches, *lines], loc="outside lower center", ncols=3)
    return figure


def _bars(plan: Plan, axes: Axes, values: Mapping[str, float], kinds: Mapping[str, str]) -> None:
    """Draw one bar per row, in its colour and with the hatch of its kind."""
    rows = list(values)
    palette = looks_of(plan, rows)["palette"]
    sns.barplot(
        x=list(values.values()), y=rows, hue=rows, order=rows, hue_order=rows, palette=palette,
        saturation=1, width=0.7, errorbar=None, legend=False, ax=axes,
    )  # fmt: skip
    for bar, row in zip(axes.patches, rows, strict=True):
        bar.set(hatch=KINDS[kinds[row]][1], edgecolor="white", linewidth=0)
    label_rows(axes, rows)
