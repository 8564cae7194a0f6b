"""What can be compared: a row, a run, a folder of records, a folder of predictions, a revision."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.params import Params
from benchmarks.predictions.imported import Imported, StoredImport, read_import, read_imported
from benchmarks.predictions.states import CompareError
from benchmarks.scoring.npz import Scores, load_scores
from benchmarks.scoring.records import SCHEMA, RecordError, Stored, read_record
from gavs.reading import reading


class Place(NamedTuple):
    """Place of scores; its row counts only where both sides have several."""

    row: str
    benchmark: str
    setting: str
    seed: int
    draw: int | str | None


Cells = dict[Place, Callable[[], dict[str, Scores]]]  # scores, each read when it is asked for


@dataclass(frozen=True)
class Operand:
    """Scores of one side, by cell, each read when it is asked for."""

    name: str
    cells: Mapping[Place, Callable[[], dict[str, Scores]]]
    masks: bool = False  # of some cells: binary ones, whose F isn't the tables'

    @property
    def rows(self) -> list[str]:
        """Names of its rows."""
        return sorted({cell.row for cell in self.cells})


def side_of(name: str, params: Params, benchmark: str | None = None) -> Operand | None:
    """The records that a name stands for: a folder's, or a row's of the profile; None without any.

    A folder of predictions and a revision hold none.

    Args:
        benchmark: the only one whose records count; None: all do.

    Raises:
        RecordError: a record is damaged.
        CompareError: there are records, but none of the benchmark.
    """
    # A row first: `gavs` is a folder of this repository too.
    if stored := [] if "/" in name else stored_of(name, params):
        return _operand(name, stored, benchmark)
    folder = Path(name)
    if (folder / "record.json").is_file():
        return Operand(name, _of(name, _run(folder), benchmark))
    stored = [s for path in sorted(folder.rglob("*.json")) if (s := _record(path))]
    return _operand(name, stored, benchmark) if stored else None


def stored_of(row: str, params: Params) -> list[Stored]:
    """Records of a row of the profile, imported ones too."""
    paths = sorted((params.work / "records").rglob("*.json"))
    named = [path for path in paths if path.parent.name == row or path.name.startswith(f"{row}-")]
    stored = [s for path in named if (s := _record(path)) and s.record.variant == row]
    imported = read_imported(params.work / "imported", params.profile).values()
    return stored + [s for s in imported if s.record.variant == row]


def _record(path: Path) -> Stored | None:
    """A record; None where the JSON is something else.

    Raises:
        RecordError: it is damaged; what lies beside scores of its name was a record.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if path.with_suffix(".npz").is_file():
            read_record(path)
        return None
    if not (isinstance(content, dict) and "variant" in content):
        return None
    if "imported" in content:
        return StoredImport(read_import(path), path)
    return Stored(read_record(path), path)


def _operand(name: str, stored: list[Stored], benchmark: str | None) -> Operand:
    records = [one.record for one in stored if benchmark in (None, one.record.benchmark)]
    masks = any(isinstance(r, Imported) and r.imported.kind == "masks" for r in records)
    cells: Cells = {}
    for one in stored:
        record = one.record
        cell = Place(record.variant, *record.key[1:])
        if cell in cells:
            raise CompareError(f"{one.path}: another record of {record.key}; expected one of each")
        cells[cell] = one.scores
    return Operand(name, _of(name, cells, benchmark), masks)


def _of(name: str, cells: Cells, benchmark: str | None) -> Cells:
    """The cells of a benchmark alone; None: all."""
    if chosen := {p: read for p, read in cells.items() if benchmark in (None, p.benchmark)}:
        return chosen
    known = ", ".join(sorted({place.benchmark for place in cells}))
    raise CompareError(f"{name}: no record of --benchmark {benchmark}; it has {known}")


def _run(folder: Path) -> Cells:
    path = folder / "record.json"
    with reading(path, RecordError, "as a record of a run"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r}, expected {SCHEMA}")
        names = [content[key] for key in ("method", "benchmark", "setting", "seed", "draw")]
    return {Place(*names): lambda: load_scores(folder / "scores.npz")}
