"""The same numbers for programs: tidy CSV with 6 decimals, and a small JSON for `dvc metrics`."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.report.formats import METRICS
from benchmarks.report.summary import Cell, Table
from benchmarks.scoring.statistics import Difference

COLUMNS = ["profile", "method", "benchmark", "metric", "unit", "value", "sd", "low", "high"]
COLUMNS += ["p", "detectable", "seeds", "paper"]


def tidy(table: Table) -> pd.DataFrame:
    """One row a method, benchmark and metric, in the units of the printed table.

    `sd` is over seeds, `low` and `high` bound 95 % over videos and seeds. `difference` is to the
    table's base with p Holm-adjusted; `floor_gain` and `shuffle_loss` have a plain p.
    """
    lines = [
        {
            "profile": table.plan.profile,
            "method": row,
            "benchmark": benchmark,
            "paper": table.plan.paper.get((row, benchmark, line["metric"])),
            "seeds": len(cell.seeds),
            **line,
        }
        for (row, benchmark), cell in table.cells.items()
        for line in _lines(cell)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def csv(table: Table) -> str:
    return tidy(table).to_csv(index=False, float_format="%.6f", lineterminator="\n")


def _lines(cell: Cell) -> Iterator[dict[str, Any]]:
    for name, metric in METRICS.items():
        found = cell.metrics[name]
        yield {
            "metric": name,
            "unit": "%" if metric.factor == 100 else "",
            "value": metric.factor * found.mean,
            "sd": metric.factor * found.std,
            "low": metric.factor * found.low,
            "high": metric.factor * found.high,
        }
    for name in ("difference", "floor_gain", "shuffle_loss"):
        d: Difference | None = getattr(cell, name)
        if d is not None:
            points = {k: 100 * v for k, v in (("value", d.mean), ("low", d.low), ("high", d.high))}
            yield {
                "metric": name,
                "unit": "points",
                **points,
                "p": d.p,
                "detectable": 100 * d.detectable,
            }
    for name in ("floor", "shuffled"):
        if (value := getattr(cell, name)) is not None:
            yield {"metric": f"miou_{name}", "unit": "%", "value": 100 * value}
    for name, value in cell.counts:
        if value is not None:
            yield {"metric": name, "unit": "", "value": value}


def summary(table1: Table, ablations: Table) -> str:
    """mIoU (%) and F by method and benchmark, and each ablation's difference in points."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for (row, benchmark), cell in table1.cells.items():
        scores.setdefault(row, {})[benchmark] = {
            "miou": round(100 * cell.metrics["miou"].mean, 2),
            "fscore": round(cell.metrics["fscore"].mean, 3),
        }
    differences = {
        row: round(100 * cell.difference.mean, 2)
        for (row, _), cell in ablations.cells.items()
        if cell.difference
    }
    content = {
        "profile": table1.plan.profile,
        "missing": len(table1.missing) + len(ablations.missing),
        "table1": scores,
        "ablations": differences,
    }
    return json.dumps(content, indent=1) + "\n"
