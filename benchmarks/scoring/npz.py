"""Scores per frame and per image on disk: one npz per cell."""

import io
import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.files import write_atomic
from benchmarks.scoring.boxes import BoxScores
from benchmarks.scoring.counts import FrameScores
from gavs.reading import reading

Scores = FrameScores | BoxScores
LARGEST = 1 << 30  # bytes of all arrays; V2's 7,500 test frames have 20 MB
_SHARED = ("thresholds", "rules")  # one for all rows
RATIO = 1100  # deflate makes 1032 bytes of one at most


class NpzError(ValueError):
    """A file that isn't the npz that was written: its name and why."""


def save_scores(path: Path, evaluations: Mapping[str, Scores]) -> None:
    """One compressed npz with arrays `<evaluation>/<field>`; equal scores give equal bytes."""
    arrays: dict[str, Any] = {
        f"{evaluation}/{name}": array
        for evaluation, scores in evaluations.items()
        for name, array in scores.arrays().items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomic(path, buffer.getvalue())


def load_scores(path: Path) -> dict[str, Scores]:
    """Read what `save_scores` wrote, by evaluation.

    Raises:
        FileNotFoundError, NpzError: as `read_arrays`; or not the arrays of scores.
    """
    by_evaluation: dict[str, dict[str, np.ndarray]] = {}
    for key, array in read_arrays(path).items():
        evaluation, _, name = key.rpartition("/")
        by_evaluation.setdefault(evaluation, {})[name] = array
    with reading(path, NpzError, "as scores"):
        return {name: _scores(name, arrays) for name, arrays in by_evaluation.items()}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of an npz, by name; nothing is allocated that the file can't hold.

    Raises:
        FileNotFoundError: there is no such file.
        NpzError: damaged (each member's CRC is compared), a name twice, an object array, or members
            that claim more than the file holds.
    """
    with reading(path, NpzError, "as npz"), zipfile.ZipFile(path) as file:
        members = file.infolist()
        twice = [name for name, count in Counter(m.filename for m in members).items() if count > 1]
        if twice:
            raise ValueError(f"member {twice[0]!r:.80} twice")
        claimed = sum(member.file_size for member in members)
        if claimed > min(LARGEST, RATIO * path.stat().st_size):
            raise ValueError(f"its members claim {claimed:,} bytes")
        return {m.filename.removesuffix(".npy"): _array(file.read(m), m.filename) for m in members}


def _array(content: bytes, name: str) -> np.ndarray:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(file)
    size = len(content) - file.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"member {name!r:.80}: {dtype} of shape {shape} in {size:,} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _scores(evaluation: str, arrays: Mapping[str, np.ndarray]) -> Scores:
    kind = FrameScores if "frame" in arrays else BoxScores
    expected = {f.name for f in fields(kind)}
    if set(arrays) != expected:
        odd = sorted(set(arrays) ^ expected)
        raise ValueError(f"arrays of {evaluation!r:.80}: {odd!r:.80} missing or unknown")
    rows = {name: len(a) for name, a in arrays.items() if name not in _SHARED}
    if len(set(rows.values())) > 1:
        raise ValueError(f"arrays of {evaluation!r:.80} of different lengths: {rows!r:.200}")
    return kind.from_arrays(arrays)
