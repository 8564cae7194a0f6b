"""Seconds that the finished cells of a profile took, by table, benchmark and method.

Where two workers share two cores, seconds of a cell are about its CPU seconds. A model that several
cells use is trained, and counted, once.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common.files import read_sealed
from benchmarks.common.tables import Grid, markdown, number
from benchmarks.params import Params, ParamsError

HEADER = ["cells", "trainings", "training, s", "scoring and saving, s", "share, %"]


def spent(params: Params) -> str:
    """Tables of seconds by table, by benchmark and by method.

    Raises:
        ParamsError: there is no record.
        ValueError: a record is damaged.
    """
    folder = params.work / "records"
    lines = seconds_of(sorted(folder.rglob("*.json")), folder)
    if lines.empty:
        raise ParamsError(f"{folder}: no record; `dvc repro` makes them")
    return "\n\n".join(_grid(lines, key) for key in ("table", "benchmark", "method"))


def seconds_of(paths: Iterable[Path], root: Path) -> pd.DataFrame:
    """Read records: table, method, benchmark, trainings (0 or 1), training, scoring, total.

    Of the cells that share a model, the one that took longer than its training trained it. Where
    the cells that did are gone, none is charged with it.
    """
    lines = []
    charged: set[str] = set()
    for path in paths:
        record = read_sealed(path)
        run: Mapping[str, Any] = record["run"]
        training, total = run["training_seconds"], run["seconds"]
        trains = record["model"] not in charged and total >= training > 0
        charged |= {record["model"]} if trains else set()
        lines.append(
            {
                "table": path.relative_to(root).parts[0],
                "method": record["method"],
                "benchmark": record["benchmark"],
                "trainings": int(trains),
                "training": training if trains else 0.0,
                "scoring": total - training if trains else total,
                "total": total,
            }
        )
    return pd.DataFrame(lines)


def _grid(lines: pd.DataFrame, key: str) -> str:
    """Sums by `key`, the most expensive first, and of all."""
    sums = lines.groupby(key)[["trainings", "training", "scoring", "total"]].sum()
    sums.insert(0, "cells", lines.groupby(key).size())
    sums = sums.sort_values("total", ascending=False, kind="stable")
    sums.loc["all"] = sums.sum()
    rows = [
        [str(name), *map(number, line[:4]), number(line[4] / lines.total.sum(), 100, 1)]
        for name, line in zip(sums.index, sums.to_numpy(), strict=True)
    ]
    return markdown(Grid([key, *HEADER], rows))
