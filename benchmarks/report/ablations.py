"""The ablations: one value of GAVS changed at a time."""

from benchmarks.common.tables import NONE, SHARE, Grid, markdown, number, signed
from benchmarks.report import exports, figures, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section


def section(plan: Plan, ledger: Ledger) -> Section:
    """Ends with Table 1's GAVS rows: they are variants too, and cost nothing."""
    benchmark, base = plan.tables.ablations.benchmark, plan.base
    groups = {
        **plan.groups,
        "table 1": [row for row in plan.tables.table1.gavs if row != base],
    }
    source = Source(benchmark, "train", "test")
    columns = [
        Column(benchmark, "miou", "mIoU (%)", (Part(source, "miou"),), plan.runs, judged=True),
        Column(benchmark, "fscore", "F", (Part(source, "fscore"),), plan.runs, unit=SHARE),
    ]
    rows = [base, *(row for group in groups.values() for row in group)]
    table = measure("ablations", ledger, [Block(rows, columns)], base)
    grid = _grid(plan, ledger, table, source, {"base": [base], **groups})
    parts = [
        f"## Ablations of `{base}` on {benchmark.upper()}, profile `{plan.profile}`",
        markdown(grid),
        _in_words(table, columns[0].name),
        "![difference to the base, with its interval](figures/ablations.png)",
        text.missing(table),
    ]
    forest = figures.forest(plan, table, columns[0].name, groups)
    csv = exports.csv(plan, table)
    return Section("ablations", parts, csv, grid, table, {"ablations": forest})


def _grid(plan: Plan, ledger: Ledger, table: Table, source: Source, groups: dict) -> Grid:
    """The base, then each group of variants with what it gains or costs."""
    header = ["group", "variant", "mIoU (%)", "F", f"Δ to `{plan.base}`", "detectable"]
    header += ["trained parameters", "what differs"]
    miou, f = table.columns
    lines = []
    for group, members in groups.items():
        for i, row in enumerate(members):
            found = next(filter(None, (ledger.record(row, source, r) for r in plan.runs)), None)
            lines.append(
                [
                    "" if i else group,
                    f"`{row}`",
                    text.score(table, row, miou),
                    text.score(table, row, f),
                    *text.difference(table, row, miou),
                    number(found.counts.trainable_parameters) if found else NONE,
                    plan.notes.get(row, ""),
                ]
            )
    return Grid(header, lines, "llrrrrrl")


def _in_words(table: Table, column: str) -> str:
    judged = {row: c for (row, name), c in table.cells.items() if name == column and c.difference}
    clear = [f"`{row}` {signed(c.difference.mean)}" for row, c in judged.items() if not c.noise]
    listed = f" ({', '.join(clear)})" if clear else ""
    return f"Outside the noise: {len(clear)} of {len(judged)} variants{listed}."
