"""Figure of the budget: mIoU against the number of updates."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.report.layout import title_of
from benchmarks.report.style import STYLE, label_ends


@mpl.rc_context(STYLE)
def budget_figure(
    means: pd.DataFrame, judged: str, look: Mapping[str, Mapping], profile: str
) -> Figure:
    """Draw one line per row in a panel per benchmark, named at its end; updates on a log axis.

    Args:
        means: row, benchmark, times, updates and the score (0..1), as in budget.csv.
        judged: column of the score.
        look: of the rows, as in all figures (`looks_of`).
    """
    benchmarks = list(dict.fromkeys(means.benchmark))
    tall = max(3.6, 0.2 * means.row.nunique())  # a name per row
    figure = Figure(figsize=(3.2 * len(benchmarks), tall), layout="constrained")
    panels = figure.subplots(1, len(benchmarks), squeeze=False)[0]
    for axes, benchmark in zip(panels, benchmarks, strict=True):
        here = means[means.benchmark == benchmark].sort_values("updates")
        for row, points in here.groupby("row", sort=False):
            ink = {"color": look["palette"][row], "marker": look["markers"][row], "ms": 4}
            axes.plot(points.updates, 100 * points[judged], **ink)
        updates = sorted(set(here.updates))
        axes.set_xscale("log", base=2)
        axes.set_xticks(updates, list(map(str, updates)))
        axes.set_xlim(updates[0] / 1.1, updates[-1] * 2)  # room for the names
        last = here.dropna(subset=judged).groupby("row", sort=False).tail(1)
        ends = {line.row: (line.updates, 100 * getattr(line, judged)) for line in last.itertuples()}
        label_ends(axes, ends, look["palette"], numbers=True)
        axes.set(title=f"{title_of(benchmark)}, {profile}", xlabel="updates")
    panels[0].set_ylabel("mIoU (%), validation" if judged == "validation" else "mIoU (%)")
    return figure
