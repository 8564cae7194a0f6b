"""Which parameters and code the committed tables come from, and whether they still do."""

import json
from pathlib import Path
from typing import Any

from benchmarks.grid.fingerprint import recipe_checksum
from benchmarks.grid.protocol import Cell, cells_of
from benchmarks.params import TABLES, Params


def provenance(params: Params) -> dict[str, Any]:
    """Checksum of the recipe (parameters and code) of each row and benchmark on record."""
    rows = {}
    for cell in first_cells(params):
        path = params.work / "records" / cell.table / cell.stage / f"{cell.file_stem}.json"
        if path.is_file():
            rows[key(cell)] = json.loads(path.read_text())["recipe"]
    return {"profile": params.profile, "recipes": rows}


def stale_rows(params: Params, path: Path) -> list[str]:
    """Rows of committed tables that today's parameters and code would make anew."""
    known = json.loads(path.read_text())
    if known["profile"] != params.profile:
        return [f"all: made with profile {known['profile']}, params.yaml has {params.profile}"]
    today = {key(cell): recipe_checksum(params, cell) for cell in first_cells(params)}
    rows = {**today, **known["recipes"]}
    return [row for row in rows if today.get(row) != known["recipes"].get(row)]


def first_cells(params: Params) -> list[Cell]:
    """The first seed and draw of each row, benchmark and setting."""
    first: dict[str, Cell] = {}
    for table in TABLES:
        for stage in params.table_rows(table):
            for cell in cells_of(params, table, stage):
                first.setdefault(key(cell), cell)
    return list(first.values())


def key(cell: Cell) -> str:
    """The cell's row, benchmark and setting in words."""
    setting = "" if cell.setting == "train" else f" {cell.setting}"
    return f"{cell.table} {cell.row} {cell.benchmark}{setting}"
