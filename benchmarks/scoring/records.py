"""Files of a cell: one JSON record, its scores per frame and a few predictions as NPZ.

The one place that knows the schema: cells are written by it, tables and figures read nothing else.
Whatever is wrong with a file is an error that names it; a record that isn't there is a "–" in the
tables.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.common.files import seal_problem, sha256, write_sealed
from benchmarks.scoring.npz import Scores, load_scores
from gavs.reading import reading

SCHEMA = 3
REMEDY = "delete it and run `dvc repro`, which writes it again or measures the cell again"


class RecordError(ValueError):
    """A record that can't be used; the message names the file and what to do."""


class Key(NamedTuple):
    """A record's place in a table. `row` is a method's or a variant's name."""

    row: str
    benchmark: str
    setting: str
    seed: int
    draw: int | str | None = None  # of the shots or of the fraction

    def __str__(self) -> str:
        draw = "" if self.draw is None else f"-draw{self.draw}"
        return f"{self.row}/{self.benchmark}-{self.setting}{draw}-seed{self.seed}"


class Counts(BaseModel):
    """Sizes of a cell's sets and of its model; a row that trains nothing lacks some."""

    model_config = ConfigDict(frozen=True)
    trainable_parameters: int
    updates: int | None = None
    train_clips: int | None = None
    train_videos: int | None = None


class Checksums(BaseModel):
    """Checksums of a cell's clip index and code."""

    model_config = ConfigDict(frozen=True)
    index: str
    code: str


class Epoch(BaseModel):
    """One stretch of a training's history, to the end of an epoch or to a validation."""

    model_config = ConfigDict(frozen=True)
    epoch: int
    step: int  # updates at its end
    loss: float
    validation: float | None


class Record(BaseModel):
    """One cell: a row of a table on one benchmark, in one setting, with one seed and draw.

    These are the fields that the report reads; the file holds more, the `run` block among them.
    """

    model_config = ConfigDict(frozen=True)
    profile: str
    variant: str
    benchmark: str
    setting: str
    seed: int
    draw: int | str | None
    checksums: Checksums
    counts: Counts
    history: list[Epoch]
    evaluations: list[str]
    files: dict[str, str]  # checksums of scores.npz and overlays.npz, as the run has them
    subsets: dict[str, list[str]] = {}  # of the first evaluation's clips: name -> uids

    @property
    def key(self) -> Key:
        """Place in the table."""
        return Key(self.variant, self.benchmark, self.setting, self.seed, self.draw)


@dataclass(frozen=True)
class Stored:
    """A valid record and the file it came from."""

    record: Record
    path: Path

    def scores(self) -> dict[str, Scores]:
        """Scores by evaluation, read from disk at each call: they are large.

        Raises:
            RecordError: the NPZ is missing, unreadable, or lacks an evaluation the record names.
        """
        npz = self._member("scores.npz", ".npz")
        with reading(npz, RecordError, "as scores", REMEDY):
            scores = load_scores(npz)
        lacking = [name for name in self.record.evaluations if name not in scores]
        if lacking:
            raise RecordError(f"{npz}: lacks {lacking}, has {sorted(scores)}; {REMEDY}")
        return scores

    def overlays(self) -> dict[str, np.ndarray]:
        """Predictions that were kept for figures, (H, W) uint8 of 255 by `{uid}/{frame}`.

        Raises:
            RecordError: the NPZ is there and unreadable, or holds something else.
        """
        npz = self._member("overlays.npz", ".overlays.npz")
        if not npz.exists():
            return {}
        context = reading(npz, RecordError, "as predictions", REMEDY)
        with context, np.load(npz, allow_pickle=False) as file:
            maps = {key: file[key] for key in file.files}
            for key, image in maps.items():
                if image.ndim != 2 or image.dtype != np.uint8:
                    raise ValueError(f"{key}: {image.dtype} {image.shape}, expected uint8 (H, W)")
        return maps

    def _member(self, name: str, suffix: str) -> Path:
        """Path of a file beside the record, whose content is the one that the record names.

        Raises:
            RecordError: it is another.
        """
        path, recorded = self.path.with_suffix(suffix), self.record.files.get(name, "none")
        if path.is_file() and (checksum := sha256(path)) != recorded:
            raise RecordError(
                f"{path}: its checksum is {checksum[:12]}, "
                f"but {self.path.name} has {recorded[:12]}; "
                f"{REMEDY}"
            )
        return path


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record as JSON; pydantic.ValidationError where it lacks what the tables read."""
    Record.model_validate(content)
    write_sealed(path, dict(content))


def load_records(folders: Mapping[Path, Iterable[str]], profile: str) -> dict[Key, Stored]:
    """Records of some rows, by place in the table; a missing folder holds none.

    Args:
        folders: where to look -> the rows that count; others are leftovers of older lists.

    Raises:
        RecordError: a file isn't a record of this schema and profile, or two files claim one place.
    """
    records: dict[Key, Stored] = {}
    for folder, rows in folders.items():
        for path in sorted(folder.rglob("*.json")):
            record = read_record(path)
            if record.variant not in rows:
                continue
            if record.profile != profile:
                raise RecordError(
                    f"{path}: profile {record.profile!r}, expected {profile!r}; "
                    "profiles are never mixed, delete the file or move it to its own profile"
                )
            if record.key in records:
                raise RecordError(
                    f"{path} and {records[record.key].path} are both {record.key}; delete one"
                )
            records[record.key] = Stored(record, path)
    return records


def read_record(path: Path) -> Record:
    """Read and validate one JSON record.

    Raises:
        RecordError: naming the file and every wrong field.
    """
    with reading(path, RecordError, "as JSON", REMEDY):
        content = json.loads(path.read_text(encoding="utf-8"))
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise RecordError(f"{path}: schema {schema!r}, expected {SCHEMA}; {REMEDY}")
    if problem := seal_problem(content):
        raise RecordError(f"{path}: {problem}; {REMEDY}")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        fields = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r:.60})"
            for e in error.errors()
        )
        raise RecordError(f"{path}: {fields}; {REMEDY}") from None
