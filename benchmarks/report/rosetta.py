"""Metric Rosetta table: Table 1's predictions of one seed under each repository's rule."""

import itertools
from typing import Any

import pandas as pd

from benchmarks.common.tables import Grid, markdown, number
from benchmarks.report import exports
from benchmarks.report.layout import Section, title_of
from benchmarks.report.ledger import Ledger
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import test_source
from benchmarks.scoring.rosetta import RULES, Rule, rosetta

UNITS = {  # of a rule: what a mean is taken over
    "frame": "per frame",
    "clip": "per clip",
    "2": "per batch of 2 clips",
    "4": "per batch of 4 clips",
    "dataset": "of the data set's summed pixels",
    "set": "of the data set",
}
EMPTY = {
    "soft": "by their share of dark pixels",
    "hard": "as 1 if all dark, else 0",
    "skip": "left out",
}
METRICS = {"miou": (100, 2), "fscore": (1, 3)}  # factor and decimals in print


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out one grid per benchmark."""
    scores = scores_of(plan, ledger)
    parts = [
        f"## Metric Rosetta table, profile `{plan.profile}`",
        f"One set of predictions (seed {plan.seeds[0]}) under each rule, mIoU (%) / F. Compare a "
        "figure with a published one by the rule of its repository.",
        "\n".join(f"- `{rule.name}`: {described(rule)}" for rule in RULES),
    ]
    for benchmark in plan.tables.table1.benchmarks:
        parts += [
            f"### {title_of(benchmark)} under each rule",
            markdown(grid(plan, scores, benchmark)),
        ]
    csv = scores.assign(miou=100 * scores.miou).rename(columns={"miou": "miou (%)"})
    return Section("rosetta", parts, exports.as_csv(csv))


def described(rule: Rule) -> str:
    """What a rule takes means over, and what empty frames count."""
    f = "not kept" if rule.f_unit is None else f"the best threshold {UNITS[str(rule.f_unit)]}"
    return (
        f"{rule.source}; mIoU at threshold {rule.threshold}, {UNITS[str(rule.unit)]}, empty frames "
        f"{EMPTY[rule.empty]}; F {f}"
    )


def scores_of(plan: Plan, ledger: Ledger) -> pd.DataFrame:
    """Score each row and benchmark by each rule: its choices, miou and fscore (0..1)."""
    tables, run, frames = plan.tables.table1, plan.runs[0], []
    rows = [*tables.methods, tables.ceiling]
    for row, benchmark in itertools.product(rows, tables.benchmarks):
        source = test_source(benchmark)
        if ledger.record(row, source, run):
            stored: Any = ledger.scores(row, source, run)  # a test's, so of masks
            scores = rosetta(stored).rename(columns={"name": "rule"})
            place = {"profile": plan.profile, "method": row, "benchmark": benchmark}
            frames.append(scores.assign(**place)[[*place, *scores.columns]])
    columns = ["profile", "method", "benchmark", "rule", *METRICS]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def grid(plan: Plan, scores: pd.DataFrame, benchmark: str) -> Grid:
    """Grid of rows and rules on one benchmark, the highest mIoU by the tables' rule first."""
    here = scores[scores.benchmark == benchmark].sort_values("miou", ascending=False)
    order = here.method[here.rule == RULES[0].name]
    cells = {
        (line.method, line.rule): " / ".join(
            number(getattr(line, name), *print_as) for name, print_as in METRICS.items()
        )
        for line in here.itertuples()
    }
    ceiling = plan.tables.table1.ceiling
    rows = sorted(order, key=lambda row: row == ceiling)
    lines = [[plan.label(row), *(cells[row, rule.name] for rule in RULES)] for row in rows]
    return Grid(["method", *(f"`{r.name}`" for r in RULES)], lines)
