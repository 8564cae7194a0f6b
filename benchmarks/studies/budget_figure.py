"""Figure of the budget: mIoU of each row at every number of updates."""

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.layout import title_of
from benchmarks.report.style import STYLE


@mpl.rc_context(STYLE)
def budget_figure(means: pd.DataFrame, judged: str, profile: str) -> Figure:
    """Draw a panel per benchmark with a line per row: a point per budget, darker with more updates.

    Args:
        means: row, benchmark, times, updates and the score (0..1), as in budget.csv; rows in order.
        judged: column of the score.
    """
    benchmarks, rows = (list(dict.fromkeys(means[name])) for name in ("benchmark", "row"))
    times = sorted(set(means.times))
    inks = dict(
        zip(times, sns.color_palette("blend:#a6dba0,#2b8cbe,#081d58", len(times)), strict=True)
    )
    figure = Figure(
        figsize=(2 + 2.2 * len(benchmarks), 1.1 + 0.19 * len(rows)), layout="constrained"
    )
    panels = figure.subplots(1, len(benchmarks), squeeze=False, sharey=True)[0]
    places = {row: -place for place, row in enumerate(rows)}
    for axes, benchmark in zip(panels, benchmarks, strict=True):
        here = means[means.benchmark == benchmark].dropna(subset=judged).sort_values("times")
        for row, points in here.groupby("row"):
            level = [places[row]] * len(points)
            axes.plot(100 * points[judged], level, color="0.75", lw=1, zorder=1)
        for scale, points in here.groupby("times"):
            level = points.row.map(places)
            axes.scatter(100 * points[judged], level, color=[inks[scale]], s=18)
        updates = here.updates[here.times == 1]
        label = "mIoU (%), validation" if judged == "validation" else "mIoU (%)"
        axes.set(title=f"{title_of(benchmark)}: {updates.iloc[0]} updates", xlabel=label)
    panels[0].set_yticks(list(places.values()), rows)
    panels[0].set_ylim(0.6 - len(rows), 0.6)
    dots = [Line2D([], [], color=ink, marker="o", ls="", ms=4) for ink in inks.values()]
    names = [f"× {scale:g}" for scale in times]
    title = f"{profile}, times the updates"
    figure.legend(dots, names, title=title, loc="outside upper center", ncols=len(times))
    return figure
