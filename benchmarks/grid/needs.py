"""Frames that the tables read of each store: no others are encoded.

Temporal methods read whole clips; the others the frames that are scored, of what they train on
those that have a mask. Sound is stored whole: it is small, and other clips' sound is read too.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.features.layout import covered, kind_of
from benchmarks.grid.protocol import (
    Cell,
    Model,
    cells_of,
    evaluations_of,
    model_of,
    supervision_of,
    training_of,
)
from benchmarks.params import Params
from benchmarks.params.tables import TABLES
from benchmarks.scoring.frames import scored_frames

if TYPE_CHECKING:
    from benchmarks.grid.clip_sets import ClipSets

Read = tuple[str, str]  # a clip set, and which of its frames: all, labelled or scored


def reads(params: Params) -> dict[str, set[Read]]:
    """List what is read of each store of frames, by its name."""
    by_store: dict[str, set[Read]] = defaultdict(set)
    for cell in cells_in(params):
        row, _ = training_of(params, model_of(cell))
        if row.method_config.cover() == "avs":
            sets = set(_of_cell(params, cell, row.temporal))
            for store in row.method_config.inputs().values():
                by_store[store] |= sets
            model = model_of(cell)
            if supervision_of(params, model) == "sam_mask":
                by_store["sam_rgb"].add((model.train, "labelled"))
    return by_store


def cells_in(params: Params, *tables: str) -> list[Cell]:
    """List the cells of some tables, or of all, in the tables' order."""
    stages = [(table, stage) for table in tables or TABLES for stage in params.table_rows(table)]
    return [cell for place in stages for cell in cells_of(params, *place)]


def _of_cell(params: Params, cell: Cell, temporal: bool) -> Iterator[Read]:
    scored = "all" if temporal else "scored"
    for test in evaluations_of(params, cell):
        yield test.clips, scored
    model: Model | None = model_of(cell)
    while model:
        _, training = training_of(params, model)
        whole = temporal or training.whole_clips or training.first_mask == "copied"
        yield model.train, "all" if whole else "labelled"
        if model.val:
            yield model.val, scored
        model = model.parent


def needed_rows(params: Params, clip_sets: "ClipSets") -> dict[str, np.ndarray]:
    """Tell which rows of each store are read, by "{cover}/{name}", (rows,) bool."""
    by_store, needed = reads(params), {}
    numbers: dict[Read, np.ndarray] = {}  # of rows among all frames
    for cover, names in params.stores.items():
        clips = covered(clip_sets.index, cover)
        first = clips.first_row.iloc[0]
        for name in names:
            every = cover != "avs" or bool(kind_of(name)["audio"])
            rows = np.full(clips.frames.sum(), every)
            for read in () if every else by_store[name]:
                if read not in numbers:
                    frames = params.scoring.frames_per_clip
                    numbers[read] = _numbers(clip_sets[read[0]], read[1], frames)
                rows[numbers[read] - first] = True
            needed[f"{cover}/{name}"] = rows
    return needed


def _numbers(clips: pd.DataFrame, which: str, frames_per_clip: int | None) -> np.ndarray:
    """Numbers of the rows among all frames, (n,)."""
    rows: list[int] = []
    for clip in clips.itertuples():
        frames: set[int] = set(range(clip.frames))
        if which == "scored":  # and the middle, which figures show
            frames = {*scored_frames(clip.frames, frames_per_clip), clip.frames // 2}
        elif which == "labelled" and clip.supervision == "first_frame":
            frames = {0}
        rows += [clip.first_row + frame for frame in frames]
    return np.array(rows, int)
