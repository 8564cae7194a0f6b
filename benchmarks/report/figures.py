"""Figures from summaries: Table 1 as dots, training curves, the ablations as a forest plot.

Nothing is computed here that a table doesn't print too. Equal records give equal bytes.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from benchmarks.common.tables import signed
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.scoring.records import Epoch

# Okabe and Ito's palette; its yellow, too light for lines on white, gives way to grey.
PALETTE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
DASHES = ["-", "--", ":", "-."]  # one for each further round of the palette
GREY = "#666666"
LOWER = 0.28  # of a row: floor and shuffled sound stand under the interval that they may meet
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def png(figure: Figure) -> bytes:
    """The figure at 200 dpi, without matplotlib's version or a date in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def styles(rows: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and dash of each row, told apart with any colour vision."""
    n = len(PALETTE)
    return {
        row: {"color": PALETTE[i % n], "linestyle": DASHES[i // n % len(DASHES)]}
        for i, row in enumerate(rows)
    }


@mpl.rc_context(STYLE)
def dots(plan: Plan, table: Table, rows: Sequence[str]) -> Figure:
    """Table 1: mIoU with its interval, floor, shuffled sound and ceiling; the paper's below.

    The two never share an axis: they were measured on different data.
    """
    benchmarks = plan.tables.table1.benchmarks
    named = [[table.figure(row, f"{b} miou") is not None for b in benchmarks] for row in rows]
    published = [row for row, found in zip(rows, named, strict=True) if any(found)]
    heights = [len(rows) + 1] + ([len(published) + 1] if published else [])
    figure = Figure(figsize=(7.2, 1.5 + 0.22 * sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(heights),
        len(benchmarks),
        squeeze=False,
        sharex="row",
        sharey="row",
        gridspec_kw={"height_ratios": heights},
    )
    colour = styles(rows)
    for benchmark, column in zip(benchmarks, axes.T, strict=True):
        column[0].set_title(f"{benchmark.upper()}, {plan.profile}")
        _measured(plan, column[0], table, benchmark, rows, colour)
        for paper in column[1:]:
            paper.set_title(f"{benchmark.upper()}, the paper (real data)")
            for y, row in enumerate(published):
                if value := table.figure(row, f"{benchmark} miou"):
                    paper.plot(value, y, "D", ms=4, mfc="white", color=colour[row]["color"])
            _label_rows(paper, published)
    figure.legend(handles=_DOT_LEGEND, loc="outside lower center", ncols=len(_DOT_LEGEND))
    return figure


_DOT_LEGEND = [
    Line2D([], [], color=GREY, marker="o", ms=4, label="mean, 95 % interval"),
    Line2D(
        [], [], color=GREY, marker="|", ms=7, ls="", mew=1.2, label="trained and tested in silence"
    ),
    Line2D([], [], color=GREY, marker="x", ms=4, ls="", label="sound of other classes"),
    Line2D([], [], color=GREY, ls="--", lw=0.8, label="ceiling"),
    Line2D([], [], color=GREY, marker="D", ms=4, ls="", mfc="white", label="paper"),
]


def _measured(
    plan: Plan,
    axes: Axes,
    table: Table,
    benchmark: str,
    rows: Sequence[str],
    colour: dict[str, dict],
) -> None:
    for y, row in enumerate(rows):
        cell = table.cells.get((row, f"{benchmark} miou"))
        if cell is None:
            continue
        found, style = cell.score, {"color": colour[row]["color"]}
        axes.plot([100 * found.low, 100 * found.high], [y, y], **style)
        axes.plot(100 * found.mean, y, "o", ms=4, **style)
        for measure, marker in (
            ("floor", {"marker": "|", "mew": 1.2}),
            ("shuffled", {"marker": "x"}),
        ):
            if other := table.cells.get((row, f"{benchmark} {measure}")):
                axes.plot(100 * other.score.mean, y + LOWER, ms=5, **marker, **style)
    if ceiling := table.cells.get((plan.tables.table1.ceiling, f"{benchmark} miou")):
        axes.axvline(100 * ceiling.score.mean, color=GREY, ls="--", lw=0.8)
    _label_rows(axes, rows)


def _label_rows(axes: Axes, rows: Sequence[str], xlabel: str = "mIoU (%)") -> None:
    axes.set_xlabel(xlabel)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first row on top, as in the table
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


@mpl.rc_context(STYLE)
def training_curves(
    plan: Plan,
    benchmarks: Sequence[str],
    histories: Mapping[tuple[str, str], Sequence[Sequence[Epoch]]],
) -> Figure:
    """Loss (log scale) and validation mIoU by epoch; line: mean of the seeds, band: their range.

    histories: one a seed, by row and benchmark.
    """
    rows = list(dict.fromkeys(row for row, _ in histories))
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots(2, len(benchmarks), squeeze=False, sharex="col", sharey="row")
    for benchmark, (loss, val) in zip(benchmarks, axes.T, strict=True):
        for row, style in styles(rows).items():
            if runs := histories[row, benchmark]:
                _band(loss, [[(e.epoch, e.loss) for e in run] for run in runs], style, row)
                validated = [
                    [(e.epoch, 100 * e.validation) for e in run if e.validation is not None]
                    for run in runs
                ]
                _band(val, validated, style | {"marker": "o", "markersize": 2.5}, row)
        loss.set_title(f"{benchmark.upper()}, {plan.profile}")
        loss.set_yscale("log")
        loss.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        loss.yaxis.set_major_formatter("{x:g}")
        loss.yaxis.set_minor_formatter(NullFormatter())
        loss.xaxis.set_major_locator(MaxNLocator(integer=True))
        val.set_xlabel("epoch")
    axes[0, 0].set_ylabel("training loss (own terms)")
    axes[1, 0].set_ylabel("validation mIoU (%)")
    handles = [Line2D([], [], label=row, **style) for row, style in styles(rows).items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _band(axes: Axes, runs: Sequence[Sequence[tuple[int, float]]], style: dict, label: str) -> None:
    """Mean over the runs that reached an epoch, and their range."""
    by_epoch: dict[int, list[float]] = {}
    for epoch, value in (point for run in runs for point in run):
        by_epoch.setdefault(epoch, []).append(value)
    epochs = sorted(by_epoch)
    axes.plot(epochs, [np.mean(by_epoch[e]) for e in epochs], label=label, **style)
    low, high = ([f(by_epoch[e]) for e in epochs] for f in (min, max))
    axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, lw=0)


@mpl.rc_context(STYLE)
def forest(plan: Plan, table: Table, column: str, groups: Mapping[str, Sequence[str]]) -> Figure:
    """Each row's difference to the base with its 95 % interval, by group; hollow if undecided."""
    variants = [row for rows in groups.values() for row in rows]
    figure = Figure(figsize=(7.2, 1.2 + 0.2 * len(variants)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="black", lw=0.8)
    for y, row in enumerate(variants):
        cell = table.cells.get((row, column))
        if cell and cell.difference:
            d, colour = cell.difference, GREY if cell.noise else PALETTE[1]
            axes.plot([100 * d.low, 100 * d.high], [y, y], color=colour)
            face = "white" if cell.noise else colour
            axes.plot(100 * d.mean, y, "o", ms=4, color=colour, mfc=face)
            _beside(axes, 1.01, y, f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]", colour)
    first = 0
    for i, (group, rows) in enumerate(groups.items()):
        shade = "#F4F4F4" if i % 2 == 0 else "white"
        axes.axhspan(first - 0.5, first + len(rows) - 0.5, color=shade, lw=0, zorder=0)
        _beside(axes, 0.01, first, group, "black")
        first += len(rows)
    where = f"{table.columns[column].where.upper()}, {plan.profile}"
    _label_rows(axes, variants, f"mIoU minus that of {plan.base} (points), {where}")
    handles = [
        Line2D([], [], color=PALETTE[1], marker="o", ms=4, label="decided"),
        Line2D([], [], color=GREY, marker="o", ms=4, mfc="white", label="undecided"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _beside(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    """Text at a share of the width, on a row."""
    axes.annotate(
        text, (x, y), xycoords=("axes fraction", "data"), va="center", fontsize=7, color=colour
    )
