"""Table 2: AVS-V3, unseen classes with 0 to 5 shots."""

from collections.abc import Sequence

import numpy as np

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, Unit, markdown
from benchmarks.report import exports, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure, read_paper
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section

DEFINITIONS = """\
Unseen = never seen as an audio-visual pair: the frozen encoders may know the class. The 0-shot
figure is on all unseen clips, as the paper's; shots come from the pool, and what is left of it
without the largest number of shots (and, where enough clips are left, without their videos) is the
test set that every number of shots shares, one a draw.
Few-shot models start from the 0-shot one. **seen** is the test part of the seen classes, after
fine-tuning too; **harmonic mean** is that of unseen and seen; **gap** is seen − unseen, both by
the same model."""


def section(plan: Plan, ledger: Ledger) -> Section:
    table, rows = numbers(plan, ledger), plan.tables.table2.rows
    scored = [name for name, column in table.columns.items() if column.judged]
    parts = [
        f"## Table 2: unseen classes (AVS-V3), profile `{plan.profile}`",
        DEFINITIONS,
        markdown(overview(plan, table, rows)),
        "### 0-shot on each test set, and what fine-tuning does to the seen classes",
        markdown(details(plan, table, rows)),
        "### How sure: mIoU on unseen classes",
        markdown(text.intervals(plan, table, rows, scored)),
        "### In words",
        text.orderings_in_words(table),
        text.best_in_words(table, scored, rows),
        text.gaps_in_words(plan, table, rows, "0-shot gap", "Seen − unseen at 0 shots"),
        text.missing(table),
    ]
    csv = exports.csv(plan, table)
    return Section("table2", parts, csv, overview(plan, table, rows), table)


def settings(plan: Plan) -> list[str]:
    return ["0-shot", *(f"{k}-shot" for k in plan.shots)]


def numbers(plan: Plan, ledger: Ledger) -> Table:
    columns = [column for setting in settings(plan) for column in _columns(plan, setting)]
    zero = Source("v3", "0-shot", "unseen")
    for where, subset, runs in (
        ("pool", "pool", plan.runs),
        ("common test", "test-{draw}", plan.draws["v3"]),
    ):
        part = (Part(zero._replace(subset=subset), "miou"),)
        columns.append(Column("0-shot", where, f"0-shot, {where}", part, tuple(runs)))
    blocks = [Block(plan.tables.table2.rows, columns)]
    return measure("table2", ledger, blocks, plan.base, read_paper("table2_unseen_classes"))


def _columns(plan: Plan, setting: str) -> list[Column]:
    drawn = setting != "0-shot"
    runs = tuple(plan.draws["v3"]) if drawn else plan.runs
    unseen, seen = (Source("v3", setting, name, drawn) for name in ("unseen", "seen"))
    both = (Part(seen, "miou"), Part(unseen, "miou"))

    def column(measure_: str, parts, combine=None, unit: Unit = PERCENT, **options) -> Column:
        return Column(setting, measure_, measure_, parts, runs, combine, unit, **options)

    paper = ("v3", setting)
    return [
        column("miou", both[1:], judged=True, paper=(*paper, "miou")),
        column("fscore", (Part(unseen, "fscore"),), unit=SHARE, paper=(*paper, "fscore")),
        column("seen", both[:1]),
        column("harmonic_mean", both, harmonic_mean),
        column("gap", both, np.subtract),
    ]


def overview(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    """As the paper prints it: mIoU and F by number of shots."""
    header = ["method", "track"]
    lines = [[f"`{row}`", plan.track(row) or NONE] for row in rows]
    for setting in settings(plan):
        miou, f = f"{setting} miou", f"{setting} fscore"
        header += [f"{setting} mIoU (%)", f"{setting} F", "paper: mIoU / F"]
        for row, line in zip(rows, lines, strict=True):
            line += [
                text.marked(table, row, miou),
                text.score(table, row, f),
                text.paper(table, row, miou, f),
            ]
    return Grid(header, lines, "ll" + "r" * (len(header) - 2))


def details(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    header = ["method", "0-shot: all unseen", "pool", "common test"]
    for setting in settings(plan):
        header += [f"{setting}: seen", "harmonic mean", "gap [95 % interval]"]
    lines = [
        [
            f"`{row}`",
            *(text.score(table, row, f"0-shot {name}") for name in ("miou", "pool", "common test")),
            *(
                value
                for setting in settings(plan)
                for value in (
                    text.score(table, row, f"{setting} seen"),
                    text.score(table, row, f"{setting} harmonic_mean"),
                    text.change(table, row, f"{setting} gap"),
                )
            ),
        ]
        for row in rows
    ]
    return Grid(header, lines, "l" + "r" * (len(header) - 1))
