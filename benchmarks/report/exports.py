"""Exports for programs: tidy CSV with 6 decimals, and a small JSON for `dvc metrics`."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.report.measure import Table, missing_of
from benchmarks.report.plan import Plan
from benchmarks.report.study import BY_RUN

COLUMNS = ["profile", "method", "where", "measure", "unit", "value", "sd", "low", "high", "runs"]
COLUMNS += ["difference", "difference_low", "difference_high", "p", "detectable", "paper"]


def tidy(plan: Plan, table: Table) -> pd.DataFrame:
    """Make one line per row and column, in the units of the printed table.

    `sd` is over runs, `low` and `high` bound 95 % over videos and runs. `difference` is to the
    table's base, with p Holm-adjusted over the table.
    """
    lines = []
    for (row, name), score in table.scores.items():
        column, runs, judged = table.columns[name], score.over_runs, score.difference
        factor = column.unit.factor
        line: dict[str, Any] = {
            "profile": plan.profile,
            "method": row,
            "where": column.where,
            "measure": column.measure,
            "unit": column.unit.name,
            "value": factor * runs.mean,
            "sd": factor * runs.std,
            "low": factor * runs.low,
            "high": factor * runs.high,
            "runs": runs.runs,
            "paper": table.figure(row, name),
        }
        if judged:
            line |= {
                "difference": factor * judged.mean,
                "difference_low": factor * judged.low,
                "difference_high": factor * judged.high,
                "p": judged.p,
                "detectable": factor * judged.detectable,
            }
        lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS)


def by_run(tables: Sequence[Table]) -> str:
    """CSV of the judged scores run by run, a line per training: what the means are made of."""
    lines = [
        (table.name, row, column.where, column.measure, column.unit.name, seed,
         "" if draw is None else str(draw), column.unit.factor * value)
        for table in tables
        for (row, name), score in table.samples.items()
        for column in [table.columns[name]]
        if column.judged
        for (seed, draw), value in zip(score.runs, score.values, strict=True)
    ]  # fmt: skip
    return as_csv(pd.DataFrame(lines, columns=BY_RUN))


def as_csv(frame: pd.DataFrame) -> str:
    """Text of a frame as CSV."""
    return frame.to_csv(index=False, float_format="%.6f", lineterminator="\n")


def summary(plan: Plan, tables: Sequence[Table]) -> str:
    """JSON of the judged scores (%) of each table, by row and column, and the missing records."""
    content: dict[str, Any] = {
        "profile": plan.profile,
        "missing": len(missing_of(tables)),
    }
    for table in tables:
        scores: dict[str, dict[str, float]] = {}
        for (row, name), score in table.scores.items():
            if table.columns[name].judged:
                value = round(100 * score.mean, 2)
                scores.setdefault(row, {})[name.replace(" ", "_")] = value
        content[table.name] = scores
    return json.dumps(content, indent=1) + "\n"
