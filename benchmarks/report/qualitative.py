"""Qualitative figures: the frames whose predictions the cells have kept, every method beside."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.common.files import write_atomic
from benchmarks.data.files import SAMPLE_RATE, frame_file, read_audio, read_frame, read_labels
from benchmarks.data.log_mel import read_log_mel
from benchmarks.grid.protocol import Cell
from benchmarks.report import text
from benchmarks.report.figures import png
from benchmarks.report.overlays import Panel, overlay_figure
from benchmarks.report.plan import Plan
from benchmarks.training.clips import fill_boxes
from gavs.vggish import log_mel

WINDOW = 0.99  # seconds of sound that a VGGish window needs, rounded up


def write_qualitative(
    records_root: Path, results: Path, plan: Plan, index: pd.DataFrame
) -> list[Path]:
    """Overlays of Table 1, of unseen classes (Table 2, 0-shot) and of VGG-SS (Table 3), first seed.

    A figure without any prediction on record isn't written. Returns the files written.
    """
    seed, tables = plan.seeds[0], plan.tables
    table1 = [*tables.table1.gavs, *tables.table1.published, *tables.table1.controlled]
    table1.append(tables.table1.ceiling)
    wanted = {
        "overlays": [
            [Cell("table1", row, row, benchmark, "train", seed) for row in table1]
            for benchmark in tables.table1.benchmarks
        ],
        "overlays_unseen": [
            [Cell("table2", "zero_shot", row, "v3", "0-shot", seed) for row in tables.table2.rows]
        ],
        "overlays_vggss": [
            [
                Cell("table3", "zero_shot", row, "vggss", "0-shot", seed)
                for row in tables.table3.rows
            ]
        ],
    }
    written = []
    for name, groups in wanted.items():
        shown = [panel for cells in groups for panel in panels(records_root, index, cells)]
        if shown:
            path = results / "figures" / f"{name}.png"
            write_atomic(path, png(overlay_figure(shown)))
            written.append(path)
    return written


def panels(records_root: Path, index: pd.DataFrame, cells: Sequence[Cell]) -> list[Panel]:
    """One panel a clip that these cells of one benchmark have kept predictions of.

    Beside a record, `.overlays.npz` maps `{uid}/{frame}` to probabilities (H, W) uint8 of 255.
    Cells without it are left out; the others are columns, in this order.
    """
    kept = {cell.row: _predictions(records_root, cell) for cell in cells}
    kept = {row: maps for row, maps in kept.items() if maps}
    clips = index.set_index("uid")
    return [
        _panel(
            cells[0].benchmark,
            clips.loc[key.rsplit("/", 1)[0]],
            int(key.rsplit("/", 1)[1]),
            {row: maps[key] / 255 for row, maps in kept.items() if key in maps},
        )
        for key in next(iter(kept.values()), {})
    ]


def _panel(
    benchmark: str, clip: pd.Series, number: int, predictions: dict[str, np.ndarray]
) -> Panel:
    frame = read_frame(frame_file(clip.frame_path, number))
    boxes = json.loads(clip.boxes) if clip.boxes else []
    if clip.boxes:
        truth = fill_boxes(boxes, *frame.shape[:2])
    else:
        truth = read_labels(frame_file(clip.mask_path, number)) > 0
    return Panel(
        title=f"{text.where(benchmark)}\n{clip.classes.replace('_', ', ')}",
        frame=frame,
        log_mel=_heard(Path(clip.audio_path)),
        second=clip.second + number,
        truth=truth,
        predictions=predictions,
        boxes=boxes,
    )


def _heard(path: Path) -> np.ndarray:
    """Log-mel spectrum of a clip, (96 T, 64)."""
    if path.suffix == ".pkl":
        return np.concatenate(read_log_mel(path))
    waveform = torch.from_numpy(read_audio(path))
    windows = int(len(waveform) / SAMPLE_RATE - WINDOW) + 1
    return log_mel(waveform, 1.0, windows).flatten(0, 1).numpy()


def _predictions(records_root: Path, cell: Cell) -> dict[str, np.ndarray]:
    path = records_root / cell.table / cell.stage / f"{cell.file_stem}.overlays.npz"
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
