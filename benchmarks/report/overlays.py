"""Masks of every method on the same frames: hits, false alarms and misses in three colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from benchmarks.common.overlay import COLOURS, colour_mask, iou
from benchmarks.report.style import STYLE

COLUMNS = 8  # of a figure as wide as a page
THRESHOLD = 0.5
SOUND, TRUTH = "sound (log-mel)", "ground truth"


@dataclass(frozen=True)
class Panel:
    """Row of the figure: one frame of a clip with each method's prediction."""

    title: str
    frame: np.ndarray  # (H, W, 3) uint8
    log_mel: np.ndarray  # (96 T, 64), the whole clip
    second: int  # which of the T the frame belongs to
    truth: np.ndarray  # (H, W) bool
    predictions: Mapping[str, np.ndarray]  # method -> (H, W) probability
    boxes: Sequence[Sequence[float]] = ()  # xmin, ymin, xmax, ymax in 0..1, drawn on every image


@mpl.rc_context(STYLE | {"axes.grid": False})
def overlay_figure(
    panels: Sequence[Panel], sound: bool = True, width: float = 7.2, points: float = 6
) -> Figure:
    """Draw frame, sound, ground truth and methods of each clip (at least one), in lines of COLUMNS,
    with each mask's IoU; a method without a prediction leaves its place empty.

    Args:
        sound: with its place.
        width: inches.
        points: size of the letters.
    """
    methods = list(dict.fromkeys(m for panel in panels for m in panel.predictions))
    titles = ["frame", *([SOUND] if sound else []), TRUTH, *methods]
    columns = min(COLUMNS, len(titles))
    lines = -(-len(titles) // columns)  # of a clip
    side = width / columns
    figure = Figure(figsize=(width, (side + 0.3) * lines * len(panels) + 0.4), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.05)
    axes = figure.subplots(len(panels) * lines, columns, squeeze=False)
    for row, panel in zip(axes.reshape(len(panels), -1), panels, strict=True):
        row[0].set_ylabel(panel.title, fontsize=points)
        lit = {m: p > THRESHOLD for m, p in panel.predictions.items()} | {TRUTH: panel.truth}
        for ax in row[len(titles) :]:
            ax.remove()
        for ax, title in zip(row, titles, strict=False):
            ax.set_title(title, fontsize=points)
            if title in panel.predictions:
                share = iou(lit[title], panel.truth)
                ax.set_xlabel(f"IoU {100 * share:.0f}", fontsize=points, labelpad=1)
            if title == SOUND:
                _spectrogram(ax, panel)
                continue
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if title in lit:
                image = colour_mask(panel.frame, lit[title], panel.truth)
                ax.imshow(image, interpolation="nearest")
            elif title == "frame":
                ax.imshow(panel.frame, interpolation="nearest")
            else:
                continue
            _draw_boxes(ax, panel)
    handles = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=points)
    return figure


def _draw_boxes(axes: Axes, panel: Panel) -> None:
    """Draw the ground-truth boxes."""
    height, width = panel.frame.shape[:2]
    for x0, y0, x1, y1 in panel.boxes:
        corner = (x0 * width - 0.5, y0 * height - 0.5)
        size = ((x1 - x0) * width, (y1 - y0) * height)
        axes.add_patch(Rectangle(corner, *size, fill=False, ec="white", lw=1))


def _spectrogram(axes: Axes, panel: Panel) -> None:
    """Draw mel bands over seconds, the second of the frame between two lines."""
    seconds = len(panel.log_mel) // 96
    axes.imshow(
        panel.log_mel.T, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, 64)
    )
    for edge in (panel.second, panel.second + 1):
        axes.axvline(edge, color="white", lw=0.8)
    axes.set(xticks=[0, seconds], yticks=[])
    axes.tick_params(axis="x", length=2, pad=1)
    axes.set_xlabel("s", labelpad=-6)
    axes.set_box_aspect(1)
