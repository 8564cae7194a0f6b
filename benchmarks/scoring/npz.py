"""Per-frame and per-image scores on disk: one npz a cell."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.common.files import write_atomic
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.vggss import BoxScores

Scores = FrameScores | BoxScores


def save_scores(path: Path, evaluations: Mapping[str, Scores]) -> None:
    """One compressed npz with arrays `<evaluation>/<field>`; equal scores give equal bytes."""
    arrays = {
        f"{evaluation}/{name}": array
        for evaluation, scores in evaluations.items()
        for name, array in scores.arrays().items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomic(path, buffer.getvalue())


def load_scores(path: Path) -> dict[str, Scores]:
    """What `save_scores` wrote, by evaluation."""
    found: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            evaluation, _, name = key.rpartition("/")
            found.setdefault(evaluation, {})[name] = file[key]
    return {
        evaluation: (FrameScores if "frame" in arrays else BoxScores).from_arrays(arrays)
        for evaluation, arrays in found.items()
    }
