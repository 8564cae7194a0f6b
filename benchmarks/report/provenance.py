"""Provenance of the committed tables: checksums of the parameters and code behind each row."""

import json
from pathlib import Path
from typing import Any

from benchmarks.grid.fingerprint import recipe_checksum
from benchmarks.grid.needs import cells_in
from benchmarks.grid.protocol import Cell, record_stem
from benchmarks.params import Params
from benchmarks.report.study import read_manifest


def provenance(params: Params) -> dict[str, Any]:
    """Read the recipe (checksum of parameters and code) of each row and benchmark on record."""
    rows = {}
    for cell in first_cells(params):
        path = record_stem(params, cell).with_name(f"{cell.file_stem}.json")
        if path.is_file():
            rows[key(cell)] = json.loads(path.read_text())["recipe"]
    return {"profile": params.profile, "recipes": rows}


def stale_rows(params: Params, path: Path) -> list[str]:
    """List the rows of committed tables that the present parameters and code would make anew.

    path: the tables' manifest.

    Raises:
        RecordError: it can't be read.
    """
    profile, committed = read_manifest(path)
    if profile != params.profile:
        return [f"all: made with profile {profile}, not {params.profile}"]
    present = {key(cell): recipe_checksum(params, cell) for cell in first_cells(params)}
    rows = {**present, **committed}
    return [row for row in rows if present.get(row) != committed.get(row)]


def first_cells(params: Params) -> list[Cell]:
    """List the cells of the first seed and draw of each row, benchmark and setting."""
    first: dict[str, Cell] = {}
    for cell in cells_in(params):
        first.setdefault(key(cell), cell)
    return list(first.values())


def key(cell: Cell) -> str:
    """Name of a cell's row, benchmark and setting."""
    setting = "" if cell.setting == "train" else f" {cell.setting}"
    return f"{cell.table} {cell.row} {cell.benchmark}{setting}"
