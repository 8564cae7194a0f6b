"""Figure of robustness: what each row finds, and what it lights where nothing in view sounds."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmarks.report.layout import title_of
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import GREY, PALETTE, STYLE, label_rows, looks_of

COLOURS = [GREY, *PALETTE]
MARKS = "osD^v"


@mpl.rc_context(STYLE)
def robustness_figure(
    plan: Plan, table: Table, rows: Sequence[str], kinds: Mapping[str, str]
) -> Figure:
    """Draw two panels: clean mIoU with its interval, and the lit area under each sound.

    Args:
        kinds: title by name of a sound, the row's own first.
    """
    where, look = plan.tables.robustness.benchmark, looks_of(plan)
    figure = Figure(figsize=(7.2, 1.3 + 0.24 * len(rows)), layout="constrained")
    clean, lit = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.6))
    for y, row in enumerate(rows):
        if score := table.scores.get((row, f"{where} clean")):
            colour, runs = look["palette"][row], score.over_runs
            clean.plot([100 * runs.low, 100 * runs.high], [y, y], color=colour)
            clean.scatter(100 * runs.mean, y, 22, color=colour, marker=look["markers"][row])
    points = pd.DataFrame(
        [
            (kinds[kind], 100 * score.mean, y)
            for y, row in enumerate(rows)
            for kind in kinds
            if (score := table.scores.get((row, f"{where} lit_{kind}")))
        ],
        columns=["sound", "lit", "y"],
    )
    if len(points):
        names = list(kinds.values())
        sns.scatterplot(
            points, x="lit", y="y", hue="sound", style="sound", hue_order=names,
            style_order=names, palette=dict(zip(names, COLOURS, strict=False)),
            markers=dict(zip(names, MARKS, strict=False)), s=24, linewidth=0, ax=lit,
        )  # fmt: skip
        figure.legend(
            *lit.get_legend_handles_labels(), loc="outside lower center", ncols=len(names)
        )
        lit.get_legend().remove()
    label_rows(clean, rows, f"mIoU, own sound (%), {title_of(where)}, {plan.profile}")
    label_rows(lit, rows, "share of the frame that is lit (%)")
    return figure
