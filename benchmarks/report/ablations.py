"""Table of the ablations: one value of GAVS changed at a time."""

from functools import partial

from benchmarks.common.tables import NONE, SHARE, markdown, number
from benchmarks.report.ablations_figure import ablations_figure
from benchmarks.report.layout import GridColumn, Layout, Section, title_of
from benchmarks.report.ledger import UNSEEN, Ledger, Part, Source
from benchmarks.report.measure import Block, Column, measure
from benchmarks.report.plan import Plan
from benchmarks.report.table3 import HEADLINE
from benchmarks.report.tested import tested

GENERALISED = {  # 0-shot cells of other tables: title, source and metric
    "table2": ("unseen classes (%)", UNSEEN, "miou"),
    "table3": ("VGG-SS (%)", Source("vggss", "0-shot", "vggss"), HEADLINE),
}


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the ablations; Table 1's GAVS rows follow, since they are variants that exist."""
    benchmark, base = plan.tables.ablations.benchmark, plan.base
    source = Source(benchmark, "train", "test")
    miou = Column(benchmark, "miou", (Part(source, "miou"),), plan.runs, judged=True)
    f = Column(benchmark, "fscore", (Part(source, "fscore"),), plan.runs, unit=SHARE)
    table1 = [row for row in plan.tables.table1.gavs if row != base]
    groups = {"base": [base], **plan.groups, "table 1": table1}
    rows = [row for group in groups.values() for row in group]
    generalised = {
        table: found for table, found in GENERALISED.items() if base in plan.tables.rows_of(table)
    }
    elsewhere = [
        Column(s.benchmark, metric, (Part(s, metric),), plan.runs)
        for _, s, metric in generalised.values()
    ]
    measured = [plan.tables.stages_of(table)["zero_shot"] for table in generalised]
    shown = [row for row in rows if row != base and measured and all(row in m for m in measured)]
    blocks = [Block(rows, [miou, f]), Block([base, *shown] if shown else [], elsewhere)]
    table = measure("ablations", ledger, blocks, base)
    layout = Layout(plan, table)
    groups = {group: layout.ranked(names, miou.name, False) for group, names in groups.items()}
    first = {names[0]: group for group, names in groups.items() if names}

    def trained_parameters(row: str) -> str:
        records = (ledger.record(row, source, run) for run in plan.runs)
        record = next(filter(None, records), None)
        return number(record.counts.trainable_parameters) if record else NONE

    columns = [
        GridColumn("group", lambda row: first.get(row, ""), align="l"),
        layout.method()._replace(title="variant"),
        layout.score("mIoU (%)", miou.name),
        layout.score("F", f.name),
        *layout.study(miou.name),
        *layout.difference(miou.name),
        *(
            layout.score(title, column.name)
            for (title, *_), column in zip(generalised.values(), elsewhere, strict=True)
            if shown
        ),
        GridColumn("trained parameters", trained_parameters),
        GridColumn("what differs", lambda row: plan.notes.get(row, ""), align="l"),
    ]
    grid = layout.grid([row for names in groups.values() for row in names], columns)
    parts = [
        tested(ledger, rows, source, plan.runs),
        markdown(grid),
        "![difference to the base, with its interval](figures/ablations.png)",
    ]
    variants = {group: names for group, names in groups.items() if group != "base"}
    forest = partial(ablations_figure, plan, table, miou.name, variants)
    title = f"Ablations of `{base}` on {title_of(benchmark)}"
    return layout.section(title, parts, grid, {"ablations": forest})
