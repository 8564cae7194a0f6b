"""Which parameters and code the committed tables come from, and whether they still do."""

import json
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell, cells_of, recipe
from benchmarks.data.files import sha256
from benchmarks.params import Params, TablesParams


def provenance(params: Params) -> dict[str, Any]:
    """Checksum of the recipe (parameters and code) of each row and benchmark on record."""
    rows = {}
    for cell in _cells(params):
        path = params.work / "records" / cell.table / cell.stage / f"{cell.file_stem}.json"
        if path.is_file():
            rows[_key(cell)] = _checksum(json.loads(path.read_text()))
    return {"profile": params.profile, "recipes": rows}


def stale_rows(params: Params, path: Path) -> list[str]:
    """Rows of committed tables that today's parameters and code would make anew."""
    known = json.loads(path.read_text())
    if known["profile"] != params.profile:
        return [f"all: made with profile {known['profile']}, params.yaml has {params.profile}"]
    today = {
        _key(cell): _checksum(recipe(params, params.row(cell.row, cell.benchmark)))
        for cell in _cells(params)
    }
    rows = {**today, **known["recipes"]}
    return [key for key in rows if today.get(key) != known["recipes"].get(key)]


def _cells(params: Params) -> list[Cell]:
    return [
        cell
        for table in TablesParams.model_fields
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
        if cell.setting == "train" and cell.seed == params.seeds[0]
    ]


def _key(cell: Cell) -> str:
    return f"{cell.table} {cell.row} {cell.benchmark}"


def _checksum(recipe: dict[str, Any]) -> str:
    parts = [recipe["method"], recipe["parameters"], recipe["checksums"]["code"]]
    return sha256(json.dumps(parts, sort_keys=True).encode())[:16]
