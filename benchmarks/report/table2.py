"""Table 2: AVS-V3, unseen classes with 0 to 5 shots."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.common.tables import SHARE, markdown
from benchmarks.report.control import control_columns, control_grid
from benchmarks.report.layout import GridColumn, Layout, Section
from benchmarks.report.ledger import LEARNED, RIVALS, UNSEEN, Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure
from benchmarks.report.plan import Plan
from benchmarks.report.shots_figure import shots_figure
from benchmarks.report.tested import tested

DEFINITIONS = """\
Unseen = never seen as an audio-visual pair: the frozen encoders may know the class. The 0-shot
figure is on all unseen clips, as the paper's; shots come from the pool, and what is left of it
without the largest number of shots (and, where enough clips are left, without their videos) is the
test set that every number of shots shares, one per draw.
Few-shot models start from the 0-shot one. **seen** is the test part of the seen classes, after
fine-tuning too; **harmonic mean** is that of unseen and seen; **gap** is seen − unseen, both by
the same model."""

CONTROL = """\
**control**: as many clips of the seen classes, for as many steps, tested on the same clips. Only
the gain above it is learning the new classes: the rest is training longer."""

HEARD = """\
**own − other** is what another class's sound costs: nothing for a model that doesn't hear, or
hears and can't use it. **seen classes**: AVS-V3's model on those it learned. **not learned**: the
same model on {clips} clips of the unseen classes, all those that V2 tests too. **learned**: V2's
model of the row, which learned these classes, on the same clips. What the first and the last lose
and the second doesn't is hearing that is bound to the classes learned."""

SILENT = """\
**floor**: the row trained and tested in silence, on the same clips. Both also at the threshold that
is best on their own validation clips. **own − floor** is what the row gains by sound; below 0 a
model that can't hear does better."""

COMMON = UNSEEN._replace(subset="test-{draw}")  # clips that are no draw's shots
HEARD_BY = {  # measure -> clips and the model that is tested on them
    "seen_classes": Source("v3", "0-shot", "seen"),
    "not_learned": UNSEEN._replace(subset=LEARNED),
    "learned": Source("v2", "train", "test", subset=LEARNED),
}
FLOORS = {  # measure -> clips, metric and its title in print
    "floor": ("unseen", "miou", "unseen classes"),
    "floor_chosen": ("unseen", "miou_chosen", "at validation's threshold"),
    "floor_seen": ("seen", "miou_chosen", "seen classes, at validation's threshold"),
    "floor_lit": ("unseen", "lit", "unseen classes, share of the frame lit at 0.5 (%)"),
}


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the table."""
    table = numbers(plan, ledger)
    layout = Layout(plan, table)
    rows = layout.ranked(plan.tables.rows_of("table2"), "0-shot miou")
    overview = layout.grid(rows, _overview(layout))
    overview = layout.with_dark(overview, plan.shot_settings)
    parts = [
        DEFINITIONS,
        tested(ledger, rows, UNSEEN, plan.runs, "Tested with 0 shots"),
        tested(ledger, rows, COMMON, plan.draws["v3"], "Tested with more"),
        markdown(overview),
        "![mIoU on unseen and on seen classes by number of shots](figures/table2.png)",
        "### 0-shot on each test set, and what fine-tuning does to the seen classes",
        markdown(layout.grid(rows, _details(layout))),
        "### What the shots teach: the control",
        CONTROL,
        markdown(layout.grid(rows, _taught(layout))),
        *_floors(layout),
        *_heard(layout, ledger, rows),
        "### How sure: mIoU on unseen classes",
        layout.sure(rows, table.judged),
    ]
    measures = {"miou": "unseen classes", "seen": "seen classes, same models"}
    figure = partial(shots_figure, plan, table, plan.tables.table2.rows, measures, "AVS-V3 mIoU")
    title = "Table 2: unseen classes (AVS-V3)"
    return layout.section(title, parts, overview, {"table2": figure})


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure unseen and seen classes at every number of shots."""
    columns = [column for setting in plan.shot_settings for column in _columns(plan, setting)]
    for where, source, runs in (
        ("pool", UNSEEN._replace(subset="pool"), plan.runs),
        ("common test", COMMON, plan.draws["v3"]),
    ):
        columns.append(Column("0-shot", where, (Part(source, "miou"),), tuple(runs)))
    shuffles = plan.shuffle_runs
    heard, wrong = (
        Part(UNSEEN._replace(evaluation=name), "miou") for name in ("unseen", "unseen_shuffled")
    )
    columns += [
        Column("0-shot", "shuffled", (wrong,), shuffles),
        Column("0-shot", "shuffle_loss", (heard, wrong), shuffles, np.subtract, gain=True),
    ]
    if RIVALS in ledger.strata:
        here = [p._replace(source=p.source._replace(subset=RIVALS)) for p in (heard, wrong)]
        columns += [
            Column("0-shot", "rivals", (here[0],), plan.runs),
            Column("0-shot", "rivals_shuffle_loss", tuple(here), shuffles, np.subtract),
        ]
    rows = plan.tables.rows_of("table2")
    blocks = [Block(rows, columns)]
    if plan.tables.table2.floor:
        blocks.append(Block(plan.tables.table2.floor, _floor_columns(plan)))
    if LEARNED in ledger.strata and "v2" in plan.tables.table1.benchmarks:
        both = [row for row in rows if row in plan.tables.table1.methods]
        blocks.append(Block(both, _heard_columns(plan)))
    return measure("table2", ledger, blocks, plan.base)


def _floor_columns(plan: Plan) -> list[Column]:
    """Measures of rows with a silent floor, of the floors, and the differences of the two."""
    columns = []
    for name, (evaluation, metric, _) in FLOORS.items():
        own, silent = (
            Part(Source("v3", setting, evaluation), metric) for setting in ("0-shot", "floor")
        )
        gain = Column("0-shot", f"{name}_gain", (own, silent), plan.floor_runs, np.subtract)
        columns += [
            Column("0-shot", f"{name}_own", (own,), plan.floor_runs),
            Column("0-shot", name, (silent,), plan.floor_runs),
            replace(gain, gain=True, apart=True),
        ]
    return columns


def _heard_columns(plan: Plan) -> list[Column]:
    """Measures of clips by models that learned their classes, and that didn't."""
    columns = []
    for name, source in HEARD_BY.items():
        own = Part(source, "miou")
        wrong = Part(source._replace(evaluation=f"{source.evaluation}_shuffled"), "miou")
        columns += [
            Column("hearing", name, (own,), plan.runs),
            Column("hearing", f"{name}_loss", (own, wrong), plan.shuffle_runs, np.subtract),
        ]
    return columns


def _columns(plan: Plan, setting: str) -> list[Column]:
    """Measures at one number of shots."""
    drawn = setting != "0-shot"
    runs = tuple(plan.draws["v3"]) if drawn else plan.runs
    unseen, seen = (Source("v3", setting, name, drawn) for name in ("unseen", "seen"))
    both = (Part(seen, "miou"), Part(unseen, "miou"))
    column, paper = partial(Column, setting, runs=runs), ("v3", setting)
    chosen = column("miou_chosen", (Part(unseen, "miou_chosen"),))
    columns = [
        column("miou", both[1:], judged=True, twin=chosen, paper=(*paper, "miou")),
        chosen,
        column("fscore", (Part(unseen, "fscore"),), unit=SHARE, paper=(*paper, "fscore")),
        column("dark", (Part(unseen, "dark"),)),
        column("seen", both[:1]),
        column("harmonic_mean", both, combine=harmonic_mean),
        column("gap", both, combine=np.subtract),
    ]
    if drawn:
        before = Part(COMMON, "miou")
        control = Part(unseen._replace(setting=f"{setting}-control"), "miou")
        columns += control_columns(setting, both[1], before, control, runs)
    return columns


def _taught(layout: Layout) -> list[GridColumn]:
    """Columns of what the shots teach."""
    columns = [layout.method()]
    for setting in layout.plan.shot_settings[1:]:
        columns += [
            layout.score(f"{setting}: control", f"{setting} control"),
            *control_grid(layout, setting),
        ]
    return columns


def _floors(layout: Layout) -> list[str]:
    """Title, text and grid of the silent floors; or nothing."""
    columns = [layout.method()]
    for name, (*_, title) in FLOORS.items():
        if layout.table.measures(f"0-shot {name}"):
            columns += [
                layout.plain(title, f"0-shot {name}_own"),
                layout.plain("floor", f"0-shot {name}"),
                layout.change("own − floor [95 % interval]", f"0-shot {name}_gain"),
            ]
    if len(columns) == 1:
        return []
    rows = layout.ranked(layout.plan.tables.table2.floor, "0-shot miou")
    grid = markdown(layout.grid(rows, columns))
    return ["### Without shots, above itself trained in silence?", SILENT, grid]


def _heard(layout: Layout, ledger: Ledger, rows: Sequence[str]) -> list[str]:
    """Title, text and grid of what wrong sound costs on classes learned and not; or nothing."""
    columns = [layout.method()]
    for name in HEARD_BY:
        if not layout.table.measures(f"hearing {name}_loss"):
            return []
        columns += [
            layout.score(f"{name.replace('_', ' ')}: mIoU (%)", f"hearing {name}"),
            layout.change("own − other [95 % interval]", f"hearing {name}_loss"),
        ]
    shown = [row for row in rows if (row, "hearing learned") in layout.table.scores]
    return [
        "### Is hearing bound to the classes that were learned?",
        HEARD.format(clips=f"{len(ledger.strata[LEARNED]):,}"),
        markdown(layout.grid(shown, columns)),
    ]


def _overview(layout: Layout) -> list[GridColumn]:
    """Columns as the paper prints them, by number of shots."""
    columns = [layout.method(), layout.track()]
    for setting in layout.plan.shot_settings:
        miou, f = f"{setting} miou", f"{setting} fscore"
        columns += [
            layout.score(f"{setting} mIoU (%)", miou),
            layout.score(f"{setting} F", f),
            layout.paper("paper: mIoU / F", miou, f),
        ]
    return columns


def _details(layout: Layout) -> list[GridColumn]:
    """Columns of the 0-shot test sets and of the seen classes."""
    zero = {"0-shot: all unseen": "miou", "pool": "pool", "common test": "common test"}
    columns = [layout.method()]
    if "0-shot rivals" in layout.table.columns:
        zero["silent rivals in view"] = "rivals"
    columns += [layout.score(title, f"0-shot {name}") for title, name in zero.items()]
    for setting in layout.plan.shot_settings:
        columns += [
            layout.score(f"{setting}: seen", f"{setting} seen"),
            layout.score("harmonic mean", f"{setting} harmonic_mean"),
            layout.change("gap [95 % interval]", f"{setting} gap"),
        ]
    for setting in layout.plan.shot_settings:
        name = f"{setting} miou_chosen"
        if layout.table.measures(name):
            columns.append(layout.score(f"{setting} at validation's threshold", name))
    columns += [
        layout.plain("0-shot with another class's sound", "0-shot shuffled"),
        layout.change("own − other class's sound", "0-shot shuffle_loss"),
    ]
    if "0-shot rivals" in layout.table.columns:
        columns.append(
            layout.change("the same, silent rivals in view", "0-shot rivals_shuffle_loss")
        )
    return columns
