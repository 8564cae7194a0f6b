"""Figure of results/speed.md: ratios on a log axis with the least ones, and growth of costs."""

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.report.style import GREY, PALETTE, STYLE
from benchmarks.speed.compare import Line


@mpl.rc_context(STYLE)
def draw(lines: Sequence[Line]) -> Figure:
    """Draw ratios with spread and least ratio, and CPU seconds of more clips or methods."""
    ratios = [line for line in lines if not math.isnan(line.ratio)]
    grown = [line for line in lines if line.points]
    figure = Figure(figsize=(7.2, 1.6 + 0.22 * max(len(ratios), 6)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _ratios(left, ratios)
    for line, colour in zip(grown, PALETTE, strict=False):
        x, y = zip(*line.points, strict=True)
        label = _plain(line.what.removeprefix("growth, "))
        right.plot(x, y, "o-", ms=3, color=colour, label=label)
    right.set(xlabel="times as many clips", ylabel="CPU seconds", xlim=0, ylim=0)
    if grown:
        right.set_ylim(top=1.3 * right.get_ylim()[1])  # room for the legend above the lines
        right.legend(fontsize=6, loc="upper left")
    else:
        right.set_visible(False)
    return figure


def _ratios(axes: Axes, lines: Sequence[Line]) -> None:
    """Draw one row per line, with the legend."""
    for y, line in enumerate(lines):
        colour = PALETTE[1] if line.reached else PALETTE[0]
        axes.plot(line.spread, [y, y], color=colour)
        axes.plot(line.ratio, y, "o", ms=4, color=colour)
        if line.wanted is not None:
            axes.plot(line.wanted, y, "|", ms=9, mew=1.4, color="black")
    axes.axvline(1, color=GREY, lw=0.8, ls="--")
    axes.set(xscale="log", xlabel="reference's time over ours", ylim=(len(lines) - 0.5, -0.5))
    axes.set_yticks(range(len(lines)), [_plain(line.what) for line in lines], fontsize=6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", visible=False)
    handles = [
        Line2D([], [], color=PALETTE[1], marker="o", ms=4, label="reached, with its spread"),
        Line2D([], [], color=PALETTE[0], marker="o", ms=4, label="not reached"),
        Line2D([], [], color="black", marker="|", ms=9, ls="", mew=1.4, label="at least"),
    ]
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=3)


def _plain(what: str) -> str:
    return what.replace("`", "")
