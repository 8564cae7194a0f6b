"""Seconds that the finished cells of a profile took, by table, benchmark and method.

Where two workers share two cores, seconds of a cell are about its CPU seconds. Each model is
counted once, whoever trained it: what the profile would take from nothing.
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
    none did, as after `tune` or `budget`, the first is charged with it beside its own seconds.
    """
    records = [(path, read_sealed(path)) for path in paths]
    trainers: dict[str, Path] = {}
    for path, record in sorted(records, key=lambda pair: not _trained(pair[1]["run"])):
        trainers.setdefault(record["model"], path)
    lines = []
    for path, record in records:
        run: Mapping[str, Any] = record["run"]
        seconds, trained = run["training_seconds"], trainers[record["model"]] == path
        training = seconds if trained else 0.0
        scoring = run["seconds"] - (training if _trained(run) else 0.0)
        lines.append(
            {
                "table": path.relative_to(root).parts[0],
                "method": record["method"],
                "benchmark": record["benchmark"],
                "trainings": int(training > 0),
                "training": training,
                "scoring": scoring,
                "total": training + scoring,
            }
        )
    return pd.DataFrame(lines)


def _trained(run: Mapping[str, Any]) -> bool:
    """Whether a cell took as long as its model's training, which then was a part of it."""
    return run["seconds"] >= run["training_seconds"]


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
