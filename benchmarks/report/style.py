"""Style of all figures: one colour and marker per method, the same bytes from the same records.

Nothing is computed in a figure that a table doesn't print too.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from sklearn.isotonic import isotonic_regression

from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan

# Okabe and Ito's palette; its yellow, too light for lines on white, gives way to grey.
PALETTE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"]
MARKERS = "osD^vPXp<>hd*H8"  # filled ones
DASHES = [(), (1, 1), (4, 1.5), (4, 1, 1, 1)]  # of the first, second, … row of a colour
GREY = "#666666"
LINE, PANEL = 7.5, 0.8  # points of a line of text; a panel's share of the figure's height
# Of rows by family; within one, lightness tells, and the marker does in all figures.
FAMILIES = {
    "prompt": ["#D55E00", "#E69F00", "#8C2D04", "#F4A582", "#B5651D", "#FDAE61"],
    "fusion": ["#0072B2", "#56B4E9", "#08306B", "#7FB3D5", "#2C7FB8", "#41506B"],
    "in-set": ["#009E73", "#66C2A4", "#00441B", "#8FBC8F", "#238B45"],
    "re-created": ["#7B3294", "#CC79A7", "#B784C2", "#3F1A6B", "#A6426F", "#E7298A", "#6A51A3"],
}
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
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=200)
    picture = Image.open(drawn).convert("RGB")  # a tenth smaller without its opacity
    picture.save(buffer, "PNG", dpi=(200, 200), optimize=True)
    return buffer.getvalue()


def looks_of(plan: Plan, further: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """The looks of all rows of a report's figures, and of further ones after them."""
    rows = list(dict.fromkeys([*plan.methods, *further]))
    return looks(rows, plan.families, plan.bases)


def looks(
    rows: Sequence[str],
    families: Mapping[str, str] | None = None,
    bases: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """Seaborn's `palette`, `markers` and `dashes` by row.

    No two rows share both colour and marker. Colours are of the row's family, and of PALETTE, which
    differs with any colour vision, for those without one. Once a family's are used up, a variant
    has the colour of its base and any other row one again; dashes tell how often it was there.

    bases: the row that a variant changes.
    """
    families, bases = families or {}, bases or {}
    palette: dict[str, str] = {}
    markers: dict[str, str] = {}
    dashes: dict[str, tuple[float, ...]] = {}
    turns, uses = Counter[str](), Counter[str]()
    for number, row in enumerate(rows):
        family = families.get(row, "")
        colours = FAMILIES.get(family, PALETTE)
        base = palette.get(bases.get(row, ""))
        if base and turns[family] >= len(colours):
            colour = base
        else:
            colour = colours[turns[family] % len(colours)]
            turns[family] += 1
        taken = {markers[other] for other in markers if palette[other] == colour}
        in_turn = [MARKERS[(number + i) % len(MARKERS)] for i in range(len(MARKERS))]
        palette[row] = colour
        markers[row] = next((marker for marker in in_turn if marker not in taken), in_turn[0])
        dashes[row] = DASHES[uses[colour] % len(DASHES)]
        uses[colour] += 1
    return {"palette": palette, "markers": markers, "dashes": dashes}


def handles(rows: Sequence[str], look: Mapping[str, Mapping[str, Any]]) -> list[Line2D]:
    """Entries of a legend: line and marker of each row."""
    return [
        Line2D(
            [], [], color=look["palette"][row], marker=look["markers"][row], ms=4, label=row,
            ls=(0, look["dashes"][row]) if look["dashes"][row] else "-",
        )
        for row in rows
    ]  # fmt: skip


def points_of(
    table: Table, rows: Sequence[str], places: Mapping[str, float], measure: str
) -> pd.DataFrame:
    """Points, one per row and place on record: row, x, mean, low, high.

    places: x by the first half of a column's name.
    """
    lines = [
        (row, x, *(column.unit.factor * value for value in (score.mean, score.low, score.high)))
        for row in rows
        for where, x in places.items()
        if (row, name := f"{where} {measure}") in table.scores
        for score, column in [(table.scores[row, name].over_runs, table.columns[name])]
    ]
    return pd.DataFrame(lines, columns=["row", "x", "mean", "low", "high"])


def curves(
    axes: Axes, points: pd.DataFrame, look: Mapping[str, Mapping[str, Any]], alpha: float
) -> None:
    """Draw one curve per row, with a band where the points have bounds."""
    if len(points):
        sns.lineplot(
            points, x="x", y="mean", hue="row", style="row", errorbar=None, markersize=4.5,
            markeredgewidth=0, legend=False, ax=axes, **look,
        )  # fmt: skip
    if "low" in points:
        for row, line in points.groupby("row", sort=False):
            colour = look["palette"][row]
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=alpha, lw=0)


def label_rows(axes: Axes, rows: Sequence[str], xlabel: str = "mIoU (%)") -> None:
    """Name the rows at the left, the first on top, as in the table."""
    axes.set(xlabel=xlabel, ylabel="", ylim=(max(len(rows), 1) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def label_ends(
    axes: Axes,
    places: Mapping[str, tuple[float, float]],
    colours: Mapping[str, str],
    numbers: bool = False,
    left: bool = False,
) -> None:
    """Name the rows beside their points, moved apart where they would overlap.

    Args:
        places: x and y of each row's point; all of one x.
        numbers: with their values.
    """
    if not places:
        return
    figure: Any = axes.figure
    low, high = axes.get_ylim()
    points = 72 * figure.get_figheight() * PANEL / (high - low)  # per unit of y
    ranked = sorted(places, key=lambda row: places[row][1])
    steps = LINE * np.arange(len(ranked))
    aims = np.array([points * places[row][1] for row in ranked])
    heights = dict(zip(ranked, isotonic_regression(aims - steps) + steps, strict=True))
    for row, (x, y) in places.items():
        axes.annotate(
            f"{row} {y:.1f}" if numbers else row,
            (x, y),
            (-6 if left else 6, heights[row] - points * y),
            textcoords="offset points",
            color=colours[row],
            fontsize=6,
            ha="right" if left else "left",
            va="center",
            annotation_clip=False,
        )
