"""Curves of Figure 3: scores over the share of training clips, the paper's beside."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.style import STYLE, handles, looks_of

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
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots(2, len(tracks) + 1, sharex=True, squeeze=False)
    for (measure, title), panels in zip(METRICS.items(), axes, strict=True):
        for panel, members in zip(panels, tracks.values(), strict=False):
            panel.sharey(panels[0])
            _curves(plan, panel, _measured(table, members, measure, shares))
        _curves(plan, panels[-1], _printed(table, rows, measure, shares))
        panels[0].set_ylabel(f"V2 {title}")
    for panel, track in zip(axes[0], tracks, strict=False):
        panel.set_title(f"track {track}, {plan.profile}" if track else plan.profile)
    axes[0, -1].set_title("the paper (real data)")
    for panel in axes[1]:
        panel.set_xlabel("share of the training clips (%)")
        panel.set_xticks([100 * share for share in shares.values()])
    look = looks_of(plan)
    figure.legend(handles=handles(rows, look), loc="outside lower center", ncols=4)
    return figure


def _measured(
    table: Table, rows: Sequence[str], measure: str, shares: Mapping[str, float]
) -> pd.DataFrame:
    """Points, one per row and share on record: row, share, mean, low, high."""
    lines = [
        (row, 100 * share, *(unit.factor * x for x in (score.mean, score.low, score.high)))
        for row in rows
        for where, share in shares.items()
        if (row, name := f"{where} {measure}") in table.scores
        for score, unit in [(table.scores[row, name].over_runs, table.columns[name].unit)]
    ]
    return pd.DataFrame(lines, columns=["row", "share", "mean", "low", "high"])


def _printed(
    table: Table, rows: Sequence[str], measure: str, shares: Mapping[str, float]
) -> pd.DataFrame:
    """Points of the paper's curves: row, share, mean."""
    lines = [
        (row, 100 * share, figure)
        for row in rows
        for where, share in shares.items()
        if (figure := table.figure(row, f"{where} {measure}")) is not None
    ]
    return pd.DataFrame(lines, columns=["row", "share", "mean"])


def _curves(plan: Plan, axes: Axes, points: pd.DataFrame) -> None:
    """Draw one curve per row, with a band where the points have bounds."""
    look = looks_of(plan)
    if len(points):
        sns.lineplot(
            points, x="share", y="mean", hue="row", style="row", errorbar=None, markersize=4.5,
            markeredgewidth=0, legend=False, ax=axes, **look,
        )  # fmt: skip
    if "low" in points:
        for row, line in points.groupby("row", sort=False):
            colour = look["palette"][row]
            axes.fill_between(line.share, line.low, line.high, color=colour, alpha=0.12, lw=0)
    axes.set(xlabel="", ylabel="")
    axes.grid(axis="x", visible=False)
