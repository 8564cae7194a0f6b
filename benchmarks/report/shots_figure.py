"""Curves of Tables 2 and 4: scores over the number of shots, each row named where it ends."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, label_ends, looks_of


@mpl.rc_context(STYLE)
def shots_figure(
    plan: Plan, table: Table, rows: Sequence[str], measures: Mapping[str, str], where: str
) -> Figure:
    """Draw one panel per measure, on one axis since all are the same score on other clips.

    Args:
        measures: title of its panel by measure of the table's columns.
        where: what is tested, for the axis.
    """
    shots = {setting: int(setting.split("-")[0]) for setting in plan.shot_settings}
    look = looks_of(plan)
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    ends: list[dict[str, tuple[float, float]]] = []
    for panel, (measure, title) in zip(axes, measures.items(), strict=True):
        points = pd.DataFrame(
            [
                (row, shots[setting], 100 * score.mean, 100 * score.low, 100 * score.high)
                for row in rows
                for setting in shots
                if (row, name := f"{setting} {measure}") in table.scores
                for score in [table.scores[row, name].over_runs]
            ],
            columns=["row", "shots", "mean", "low", "high"],
        )
        if len(points):
            sns.lineplot(
                points, x="shots", y="mean", hue="row", style="row", errorbar=None, markersize=4.5,
                markeredgewidth=0, legend=False, ax=panel, **look,
            )  # fmt: skip
        for row, line in points.groupby("row", sort=False):
            panel.fill_between(
                line.shots, line.low, line.high, color=look["palette"][row], alpha=0.1, lw=0
            )
        panel.set_title(title)
        panel.set(xlabel="shots per class", ylabel="", xticks=sorted(shots.values()))
        last = points.sort_values("shots").groupby("row", sort=False).last()
        ends.append({str(row): (end.shots, end["mean"]) for row, end in last.iterrows()})
    for panel, places in zip(axes, ends, strict=True):  # once the axis is settled
        label_ends(panel, places, look["palette"])
    axes[0].set_ylabel(f"{where} (%), {plan.profile}")
    return figure
