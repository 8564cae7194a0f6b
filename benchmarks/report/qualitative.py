"""Qualitative figures: stored predictions of every method on the same frames."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import SAMPLE_RATE, read_audio, read_frame, read_labels
from benchmarks.data.log_mel import read_log_mel
from benchmarks.report.layout import title_of
from benchmarks.report.overlays import Panel, overlay_figure
from benchmarks.report.plan import Plan
from benchmarks.scoring.records import REMEDY, Key, RecordError, Stored
from benchmarks.training.clips import fill_boxes
from gavs.vggish import log_mel

WIDTH, METHODS = 4.9, 5  # of the strip: inches, methods at most
WINDOW = 0.99  # seconds of sound that a VGGish window needs, rounded up


def qualitative(
    plan: Plan, records: Mapping[Key, Stored], index: pd.DataFrame
) -> dict[str, Figure]:
    """Draw overlays of Table 1, of unseen classes (Table 2, 0-shot) and of VGG-SS (Table 3).

    Returns:
        Figures of the first seed by file name; none where no prediction is on record.

    Raises:
        RecordError: stored predictions can't be read, or are of a clip that the index lacks.
    """
    seed, tables = plan.seeds[0], plan.tables
    table1 = [*tables.table1.gavs, *tables.table1.published, *tables.table1.controlled]
    table1.append(tables.table1.ceiling)
    places: dict[str, tuple[Sequence[str], str, str]] = {
        **{f"overlays_{b}": (table1, b, "train") for b in tables.table1.benchmarks},
        "overlays_unseen": (tables.table2.rows, "v3", "0-shot"),
        "overlays_vggss": (tables.table3.rows, "vggss", "0-shot"),
    }
    figures: dict[str, Figure] = {}
    table1_panels: list[Panel] = []
    for name, (rows, benchmark, setting) in places.items():
        drawn = panels_of(records, index, [Key(row, benchmark, setting, seed) for row in rows])
        if drawn:
            figures[name] = overlay_figure(drawn)
        if rows is table1:
            table1_panels += drawn
    if chosen := strip(plan, table1_panels):
        figures["strip"] = strip_figure(chosen)
    return figures


def strip(plan: Plan, panels: Sequence[Panel]) -> list[Panel]:
    """Choose the panels of the repository's first page: per benchmark the first whose sound is in
    view, with the base and the first rows of track P among those that several tables share."""
    shared = [row for row in plan.tables.figure3.rows if "P" in plan.track(row)]
    rows = [plan.base, *(row for row in shared if row != plan.base)][:METHODS]
    chosen: dict[str, Panel] = {}
    for panel in panels:
        predictions = {row: panel.predictions[row] for row in rows if row in panel.predictions}
        if panel.truth.any() and predictions:
            benchmark = panel.title.splitlines()[0]
            chosen.setdefault(benchmark, replace(panel, predictions=predictions))
    return list(chosen.values())


def strip_figure(panels: Sequence[Panel]) -> Figure:
    """Draw the strip, at most 1,000 pixels wide."""
    return overlay_figure(panels, sound=False, width=WIDTH, points=5)


def panels_of(
    records: Mapping[Key, Stored], index: pd.DataFrame, keys: Sequence[Key]
) -> list[Panel]:
    """Make one panel per clip of which these cells (one benchmark) have stored predictions.

    Cells without any are left out; the others are columns, in this order.

    Raises:
        RecordError: stored predictions are of a frame that the index lacks.
    """
    maps = {key.row: records[key].overlays() for key in keys if key in records}
    maps = {row: images for row, images in maps.items() if images}
    clips = index.set_index("uid", drop=False)
    panels = []
    for place in next(iter(maps.values()), {}):
        uid, _, number = place.rpartition("/")
        if uid not in clips.index or not number.isdecimal():
            (path,) = [records[key].path for key in keys if key.row == next(iter(maps))]
            raise RecordError(f"{path}: predictions of {place!r}, no frame of the index; {REMEDY}")
        predictions = {row: images[place] / 255 for row, images in maps.items() if place in images}
        panels.append(_panel(keys[0].benchmark, clips.loc[uid], int(number), predictions))
    return panels


def frame_and_truth(clip: Any, number: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Read a frame (H, W, 3) of a clip of the index, its truth (H, W) bool and its boxes."""
    frame = read_frame(clip_file(clip, "frame", number))
    boxes = json.loads(clip.boxes) if clip.boxes else []
    if clip.boxes:  # boxes, none at all among them
        return frame, fill_boxes(boxes, *frame.shape[:2]), boxes
    return frame, read_labels(clip_file(clip, "mask", number)) > 0, boxes


def _panel(
    benchmark: str, clip: pd.Series, number: int, predictions: dict[str, np.ndarray]
) -> Panel:
    """Read a frame, its ground truth and its sound."""
    frame, truth, boxes = frame_and_truth(clip, number)
    return Panel(
        title=f"{title_of(benchmark)}\n{clip.classes.replace('_', ', ')}",
        frame=frame,
        log_mel=read_spectrogram(clip_file(clip, "audio")),
        second=clip.second + number,
        truth=truth,
        predictions=predictions,
        boxes=boxes,
    )


def read_spectrogram(path: Path) -> np.ndarray:
    """Read the log-mel spectrum of a clip, (96 T, 64)."""
    if path.suffix == ".pkl":
        return np.concatenate(read_log_mel(path))
    waveform = torch.from_numpy(read_audio(path))
    windows = int(len(waveform) / SAMPLE_RATE - WINDOW) + 1
    return log_mel(waveform, 1.0, windows).flatten(0, 1).numpy()
