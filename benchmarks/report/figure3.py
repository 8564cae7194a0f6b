"""Table of Figure 3: V2 with fractions of its training clips."""

from functools import partial

import numpy as np

from benchmarks.common.tables import PERCENT, SHARE, markdown
from benchmarks.report.figure3_figure import figure3_figure
from benchmarks.report.layout import GridColumn, Layout, Section
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import test_source
from benchmarks.report.tested import tested

DEFINITIONS = """\
V2's test set after training on a part of its training clips: nested, stratified parts; draw i
goes with seed i; 100 % is Table 1's, of all seeds of a row. Where no other budget is set, each part
gets as many optimiser steps as the whole. The paper's figures at 10, 30 and 50 % are read off its
Figure 3 (to about 0.1 point)."""


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the table and its figure."""
    table, shares = numbers(plan, ledger), shares_of(plan)
    layout = Layout(plan, table)
    rows = layout.ranked(plan.tables.rows_of("figure3"), "100 % miou")
    overview = layout.with_dark(layout.grid(rows, _overview(layout)), [*shares])
    parts = [
        DEFINITIONS,
        tested(ledger, rows, test_source("v2"), plan.runs),
        "![mIoU and F over the share of training clips; the paper's curves](figures/figure3.png)",
        markdown(overview),
        "### How sure: mIoU",
        layout.sure(rows, table.judged),
    ]
    figure = partial(figure3_figure, plan, table, plan.tables.figure3.rows, shares)
    return layout.section("Figure 3: data fractions of V2", parts, overview, {"figure3": figure})


def shares_of(plan: Plan) -> dict[str, float]:
    """Shares of the training clips, 0..1, by name of their columns."""
    return {f"{100 * share:g} %": share for share in [*sorted(plan.fractions), 1.0]}


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure mIoU and F at every share, and the gap to all clips."""
    draws, full = tuple(plan.draws["v2"]), test_source("v2")
    columns = []
    for where, share in shares_of(plan).items():
        source = full if share == 1 else Source("v2", f"fraction-{share}", "test", drawn=True)
        runs = plan.runs if share == 1 else draws
        for metric, unit in (("miou", PERCENT), ("fscore", SHARE)):
            paper, part = ("v2", source.setting, metric), Part(source, metric)
            judged, chosen = metric == "miou", part._replace(metric="miou_chosen")
            twin = Column(where, chosen.metric, (chosen,), runs) if judged else None
            columns.append(
                Column(where, metric, (part,), runs, None, unit, judged, twin=twin, paper=paper)
            )
        columns.append(Column(where, "dark", (Part(source, "dark"),), runs[:1]))
        if share < 1:
            both = (Part(full, "miou"), Part(source, "miou"))
            columns.append(Column(where, "gap", both, draws, np.subtract, apart=True))
    return measure("figure3", ledger, [Block(plan.tables.rows_of("figure3"), columns)], plan.base)


def _overview(layout: Layout) -> list[GridColumn]:
    """Columns: scores at every share beside the paper's, and what the other clips add."""
    columns = [layout.method(), layout.track()]
    for where in shares_of(layout.plan):
        miou, f = f"{where} miou", f"{where} fscore"
        columns += [
            layout.score(f"{where}: mIoU (%)", miou),
            layout.score("F", f),
            layout.paper("paper: mIoU / F", miou, f),
        ]
    least, *more = shares_of(layout.plan)
    gap = [layout.change(f"100 % − {least} [95 % interval]", f"{least} gap")] if more else []
    return [*columns, *gap]
