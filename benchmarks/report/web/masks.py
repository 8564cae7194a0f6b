"""Masks of trained models on some clips, with their own sound, another class's and none.

Records keep predictions of a few clips only, so they are drawn once more, from the models that the
records were scored with. A model that isn't there, as where only records were pulled, is left out:
nothing is trained for the page.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.grid.models import pick_device, trained
from benchmarks.grid.needs import cells_in
from benchmarks.grid.progress import model_folder
from benchmarks.grid.protocol import Cell, evaluations_of, model_of
from benchmarks.grid.workbench import Workbench
from benchmarks.report.ledger import Source
from benchmarks.training.clips import Samples
from gavs.method import Method
from gavs.views import to_native

log = logging.getLogger(__name__)
SOUNDS = {"own": "own", "wrong": "shuffled", "silent": "silence"}  # of the page -> of the grid
BATCH = 8  # samples


class Drawn(NamedTuple):
    """One mask."""

    row: str
    sound: str  # of SOUNDS
    uid: str
    mask: np.ndarray  # (H, W) bool, at the frame's own size


def drawn(
    bench: Workbench, sources: tuple[Source, ...], rows: list[str], frames: Mapping[str, int]
) -> Iterator[Drawn]:
    """Draw the masks of the rows' models of the first seed, row by row.

    Args:
        frames: the number of a frame by uid.
    """
    for cell, source in _cells(bench, sources, rows):
        model = model_of(cell)
        folder = model_folder(bench.params, bench.fingerprints.model(model))
        if not (folder / "model.json").is_file():
            log.warning("%s: no model in %s; its masks aren't on the page", cell, folder)
            continue
        method, _ = trained(bench, model, str(cell))
        tests = evaluations_of(bench.params, cell)
        (name,) = {test.clips for test in tests if test.name == source.evaluation}
        for sound, audio in SOUNDS.items():
            if sound != "own" and method.config.oracle:
                continue
            try:
                clips = bench.clips(method, name, audio)
            except ValueError as error:  # of a small set, where no other clip's sound is wrong
                log.warning("%s, %s sound: %s", cell, sound, error)
                continue
            for uid, mask in _masks(method, clips, frames, pick_device(bench.params.device)):
                yield Drawn(cell.row, sound, uid, mask)


def _cells(
    bench: Workbench, sources: tuple[Source, ...], rows: list[str]
) -> Iterator[tuple[Cell, Source]]:
    """Cells of the first seed that have these sources, one per row."""
    for cell in cells_in(bench.params, "table1", "table2", "table3"):
        for source in sources:
            place = (cell.benchmark, cell.setting, cell.seed)
            if place == (source.benchmark, source.setting, bench.params.seeds[0]):
                if cell.row in rows:
                    yield cell, source


@torch.inference_mode()
def _masks(
    method: Method, clips: Samples, frames: Mapping[str, int], device: torch.device
) -> Iterator[tuple[str, np.ndarray]]:
    """Masks (H, W) bool at probability 0.5 of one frame per clip."""
    uids = clips.index.uid.tolist()
    chosen = [
        number
        for number, (clip, seconds) in enumerate(clips.samples)
        if frames.get(uids[clip]) in seconds
    ]
    method.to(device).eval()
    by_length = pd.Series(chosen, dtype=int).groupby([len(clips.samples[n][1]) for n in chosen])
    for _, numbers in by_length:
        for start in range(0, len(numbers), BATCH):
            part = numbers.to_numpy()[start : start + BATCH]
            logits = method(clips.batch(part, targets=False).to(device)).logits.float()
            table = clips.frame_table(part)
            for place, frame in enumerate(table.itertuples()):
                if frames[frame.uid] == frame.frame:
                    native = to_native(
                        logits.flatten(0, 1)[[place]], (frame.height, frame.width),
                        method.config.geometry, clips.features.image_size,
                    )  # fmt: skip
                    yield frame.uid, (native[0] > 0).cpu().numpy()
