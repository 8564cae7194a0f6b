"""Figure 3: scores over the share of training clips, the paper's curves in panels of their own."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.figures import STYLE, styles
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan

METRICS = {"miou": "mIoU (%)", "fscore": "F"}


@mpl.rc_context(STYLE)
def figure3(plan: Plan, table: Table, rows: Sequence[str], shares: Mapping[str, float]) -> Figure:
    """Rows of panels: mIoU and F; columns: the tracks with 95 % bands, and the paper's curves.

    The paper's have axes of their own: they were measured on different data.

    shares: 0..1 by the name of the columns.
    """
    tracks = {track: [row for row in rows if track in plan.track(row)] for track in ("P", "C")}
    tracks = {track: members for track, members in tracks.items() if members} or {"": rows}
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots(2, len(tracks) + 1, sharex=True, squeeze=False)
    look = styles(rows)
    for (measure, title), panels in zip(METRICS.items(), axes, strict=True):
        *own, paper = panels
        for panel, members in zip(own, tracks.values(), strict=True):
            panel.sharey(own[0])
            for row in members:
                _measured(panel, table, row, measure, shares, look[row])
        for row in rows:
            points = {
                100 * share: value
                for where, share in shares.items()
                if (value := table.figure(row, f"{where} {measure}")) is not None
            }
            paper.plot(list(points), list(points.values()), marker="D", ms=3, mfc="w", **look[row])
        own[0].set_ylabel(f"V2 {title}")
        for panel in panels:
            panel.grid(axis="x", visible=False)
    for panel, track in zip(axes[0], tracks, strict=False):
        panel.set_title(f"track {track}, {plan.profile}" if track else plan.profile)
    axes[0, -1].set_title("the paper (real data)")
    for panel in axes[1]:
        panel.set_xlabel("share of the training clips (%)")
        panel.set_xticks([100 * share for share in shares.values()])
    handles = [Line2D([], [], marker="o", ms=3, label=row, **look[row]) for row in rows]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _measured(
    axes: Axes,
    table: Table,
    row: str,
    measure: str,
    shares: Mapping[str, float],
    style: dict[str, str],
) -> None:
    """A row's curve with its band, over the shares that have a record."""
    x, scores, factor = [], [], 1
    for where, share in shares.items():
        name = f"{where} {measure}"
        if (row, name) in table.cells:
            factor = table.columns[name].unit.factor
            x.append(100 * share)
            scores.append(table.cells[row, name].score)
    axes.plot(x, [factor * s.mean for s in scores], marker="o", ms=3, **style)
    low, high = ([factor * getattr(s, side) for s in scores] for side in ("low", "high"))
    axes.fill_between(x, low, high, color=style["color"], alpha=0.12, lw=0)
