"""Curves of Tables 2 and 4: scores over the number of shots, each row named where it ends."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, curves, label_ends, looks_of, points_of


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
        points = points_of(table, rows, shots, measure)
        curves(panel, points, look, alpha=0.1)
        panel.set_title(title)
        panel.set(xlabel="shots per class", ylabel="", xticks=sorted(shots.values()))
        last = points.sort_values("x").groupby("row", sort=False).last()
        ends.append({str(row): (end.x, end["mean"]) for row, end in last.iterrows()})
    for panel, places in zip(axes, ends, strict=True):  # once the axis is settled
        label_ends(panel, places, look["palette"])
    axes[0].set_ylabel(f"{where} (%), {plan.profile}")
    return figure
