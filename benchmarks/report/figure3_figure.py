"""Curves of Figure 3: scores over the share of training clips, the paper's beside."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, curves, handles, looks_of, points_of

METRICS = {"miou": "mIoU (%)", "fscore": "F"}


@mpl.rc_context(STYLE)
def figure3_figure(
    plan: Plan, table: Table, rows: Sequence[str], shares: Mapping[str, float]
) -> Figure:
    """Draw panels: mIoU and F by tracks with 95 % bands, and the paper's curves.

    The paper's have other axes: they were measured on different data.

    shares: 0..1 by name of the columns.
    """
    split = {track: [row for row in rows if track in plan.track(row)] for track in ("P", "C")}
    tracks: dict[str, Sequence[str]] = {t: some for t, some in split.items() if some} or {"": rows}
    look, places = looks_of(plan), {where: 100 * share for where, share in shares.items()}
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots(2, len(tracks) + 1, sharex=True, squeeze=False)
    for (measure, title), panels in zip(METRICS.items(), axes, strict=True):
        for panel, members in zip(panels, tracks.values(), strict=False):
            panel.sharey(panels[0])
            curves(panel, points_of(table, members, places, measure), look, alpha=0.12)
        curves(panels[-1], _printed(table, rows, measure, places), look, alpha=0.12)
        for panel in panels:
            panel.set(xlabel="", ylabel="")
            panel.grid(axis="x", visible=False)
        panels[0].set_ylabel(f"V2 {title}")
    for panel, track in zip(axes[0], tracks, strict=False):
        panel.set_title(f"track {track}, {plan.profile}" if track else plan.profile)
    axes[0, -1].set_title("the paper (real data)")
    for panel in axes[1]:
        panel.set_xlabel("share of the training clips (%)")
        panel.set_xticks(list(places.values()))
    figure.legend(handles=handles(rows, look), loc="outside lower center", ncols=4)
    return figure


def _printed(
    table: Table, rows: Sequence[str], measure: str, places: Mapping[str, float]
) -> pd.DataFrame:
    """Points of the paper's curves: row, x, mean."""
    lines = [
        (row, x, figure)
        for row in rows
        for where, x in places.items()
        if (figure := table.figure(row, f"{where} {measure}")) is not None
    ]
    return pd.DataFrame(lines, columns=["row", "x", "mean"])
