"""Forest plot of the ablations: each variant's difference to the base, by group."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.layout import difference_text, title_of
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import GREY, PALETTE, STYLE, label_rows

DECIDED = PALETTE[1]
HOLLOW = "undecided, or of a row that is in no verdict"
BESIDE: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 7}


@mpl.rc_context(STYLE)
def ablations_figure(
    plan: Plan, table: Table, column: str, groups: Mapping[str, Sequence[str]]
) -> Figure:
    """Draw points with 95 % intervals, hollow where undecided or in no verdict; every other group
    is shaded."""
    variants = [row for rows in groups.values() for row in rows]
    figure = Figure(figsize=(7.2, 1.2 + 0.2 * len(variants)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="black", lw=0.8)
    differences = {}
    for y, row in enumerate(variants):
        score = table.scores.get((row, column))
        if score and (d := score.difference):
            differences[y] = d
            colour = DECIDED if d.decided else GREY
            axes.plot([100 * d.low, 100 * d.high], [y, y], color=colour)
            axes.annotate(difference_text(d), (1.01, y), color=colour, **BESIDE)
    colours = [DECIDED if d.decided else GREY for d in differences.values()]
    faces = [DECIDED if d.decided else "white" for d in differences.values()]
    sns.scatterplot(
        x=[100 * d.mean for d in differences.values()], y=list(differences), color=faces,
        edgecolor=colours, linewidth=1, s=18, zorder=3, legend=False, ax=axes,
    )  # fmt: skip
    first = 0
    for i, (group, rows) in enumerate(groups.items()):
        shade = "#F4F4F4" if i % 2 == 0 else "white"
        axes.axhspan(first - 0.5, first + len(rows) - 0.5, color=shade, lw=0, zorder=0)
        axes.annotate(group, (0.01, first), **BESIDE)
        first += len(rows)
    where = f"{title_of(table.columns[column].where)}, {plan.profile}"
    label_rows(axes, variants, f"mIoU minus that of {plan.base} (points), {where}")
    legend = [
        Line2D([], [], color=DECIDED, marker="o", ms=4, label="p < .05 after Holm's rule"),
        Line2D([], [], color=GREY, marker="o", ms=4, mfc="white", label=HOLLOW),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2)
    return figure
