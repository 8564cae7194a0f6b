"""Style of all figures: one colour and marker per method, the same bytes from the same records.

Nothing is computed in a figure that a table doesn't print too.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Okabe and Ito's palette; its yellow, too light for lines on white, gives way to grey.
PALETTE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
MARKERS = "osD^vPXp<>hd*H8"  # filled ones, as many as share no factor with the palette
DASHES = [(), (1, 1), (4, 1.5), (4, 1, 1, 1)]  # one per round of the palette
GREY = "#666666"
STYLE: dict[Any, Any] = {
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
    """Render a figure as PNG at 200 dpi, without matplotlib's version or a date in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def looks(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Seaborn's `palette`, `markers` and `dashes` by method.

    No two methods share both colour and marker; colours differ with any colour vision.
    """
    n = len(PALETTE)
    return {
        "palette": {row: PALETTE[i % n] for i, row in enumerate(methods)},
        "markers": {row: MARKERS[i % len(MARKERS)] for i, row in enumerate(methods)},
        "dashes": {row: DASHES[i // n % len(DASHES)] for i, row in enumerate(methods)},
    }


def handles(rows: Sequence[str], look: Mapping[str, Mapping[str, Any]]) -> list[Line2D]:
    """Entries of a legend: line and marker of each row."""
    return [
        Line2D(
            [], [], color=look["palette"][row], marker=look["markers"][row], ms=4, label=row,
            ls=(0, look["dashes"][row]) if look["dashes"][row] else "-",
        )
        for row in rows
    ]  # fmt: skip


def label_rows(axes: Axes, rows: Sequence[str], xlabel: str = "mIoU (%)") -> None:
    """Name the rows at the left, the first on top, as in the table."""
    axes.set(xlabel=xlabel, ylabel="", ylim=(max(len(rows), 1) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
