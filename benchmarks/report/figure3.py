"""Figure 3: V2 with fractions of its training clips."""

from collections.abc import Sequence

import numpy as np

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, markdown
from benchmarks.report import curves, exports, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure, read_paper
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section
from benchmarks.report.table1 import test_source

DEFINITIONS = """\
V2's test set after training on a part of its training clips: nested, stratified parts, a draw
with each seed; 100 % is Table 1's. Where no other budget is set, each part gets as many optimiser
steps as the whole. The paper's figures at 10, 30 and 50 % are read off its Figure 3 (to about 0.1
point)."""


def section(plan: Plan, ledger: Ledger) -> Section:
    table, rows = numbers(plan, ledger), plan.tables.figure3.rows
    scored = [name for name, column in table.columns.items() if column.judged]
    least = percent(min(plan.fractions)) if plan.fractions else ""
    grid = overview(plan, table, rows)
    parts = [
        f"## Figure 3: data fractions of V2, profile `{plan.profile}`",
        DEFINITIONS,
        "![mIoU and F over the share of training clips; the paper's curves](figures/figure3.png)",
        markdown(grid),
        "### How sure: mIoU",
        markdown(text.intervals(plan, table, rows, scored)),
        "### In words",
        text.orderings_in_words(table),
        text.best_in_words(table, scored, rows),
        text.gaps_in_words(plan, table, rows, f"{least} gap", f"Full data − {least}"),
        text.missing(table),
    ]
    figure = curves.figure3(plan, table, rows, {percent(share): share for share in shares(plan)})
    return Section("figure3", parts, exports.csv(plan, table), grid, table, {"figure3": figure})


def shares(plan: Plan) -> list[float]:
    return [*sorted(plan.fractions), 1.0]


def percent(share: float) -> str:
    return f"{100 * share:g} %"


def numbers(plan: Plan, ledger: Ledger) -> Table:
    draws, full = tuple(plan.draws["v2"]), test_source("v2")
    columns = []
    for share in shares(plan):
        where = percent(share)
        source = full if share == 1 else Source("v2", f"fraction-{share}", "test", drawn=True)
        runs = plan.runs if share == 1 else draws
        for metric, title, unit in (("miou", "mIoU (%)", PERCENT), ("fscore", "F", SHARE)):
            columns.append(
                Column(
                    where,
                    metric,
                    title,
                    (Part(source, metric),),
                    runs,
                    unit=unit,
                    judged=metric == "miou",
                    paper=("v2", source.setting, metric),
                )
            )
        if share < 1:
            both = (Part(full, "miou"), Part(source, "miou"))
            columns.append(Column(where, "gap", "gap", both, draws, np.subtract))
    blocks = [Block(plan.tables.figure3.rows, columns)]
    return measure("figure3", ledger, blocks, plan.base, read_paper("figure3_data_fraction"))


def overview(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    header, lines = ["method", "track"], [[f"`{row}`", plan.track(row) or NONE] for row in rows]
    for where in map(percent, shares(plan)):
        header += [f"{where}: mIoU (%)", "F", "paper: mIoU / F"]
        for row, line in zip(rows, lines, strict=True):
            miou, f = f"{where} miou", f"{where} fscore"
            line += [
                text.marked(table, row, miou),
                text.score(table, row, f),
                text.paper(table, row, miou, f),
            ]
    for where in map(percent, shares(plan)[:1] if plan.fractions else []):
        header.append(f"100 % − {where} [95 % interval]")
        for row, line in zip(rows, lines, strict=True):
            line.append(text.change(table, row, f"{where} gap"))
    return Grid(header, lines, "ll" + "r" * (len(header) - 2))
