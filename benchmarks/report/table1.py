"""Table 1: every method on AVSBench, tracks P and C apart; prompt against fusion."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.common.tables import NONE, SHARE, Grid, markdown, number, share
from benchmarks.report.critical_figure import critical_figure
from benchmarks.report.layout import BELOW, GridColumn, Layout, Section, title_of
from benchmarks.report.ledger import RIVALS, Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure
from benchmarks.report.plan import Plan
from benchmarks.report.statements import PAIRS
from benchmarks.report.table1_figure import table1_figure
from benchmarks.report.tested import tested
from benchmarks.report.training_curves import training_curves
from benchmarks.scoring.records import Epoch, Record
from benchmarks.scoring.statistics import Run

DEAF = "†"  # mark of a row not shown to lose by the sound of other classes
OPERATORS = "sam_fusion"  # row whose range over `tables.table1.operators` is printed
READINGS = {  # other readings of the metric, from the same predictions
    "miou_threshold_0.4": "threshold 0.4",
    "miou_squash": "squashed frame",
    "iou_dataset": "dataset-level IoU",
    "miou_nonempty": "non-empty frames only",
    "miou_class": "class mean",
    "lit_silent": "lit area, silent frames",
}
CURVES = "loss by updates (line: mean of the seeds, band: their range), and each validation"
CONTROLLED = (
    "Track C: the published heads on the same frozen SAM embeddings as `gavs`, at its resolution "
    "and on its data, for the updates that stand in the tables below. `sam_fusion`, `audio_sam` "
    "and `gavs` stand on these embeddings as they are, so they are here again as reference rows. "
    "Heads, losses and what trains of the decoder differ: prompt against fusion is judged on pairs "
    "that differ in that alone."
)


def test_source(benchmark: str, evaluation: str = "test", setting: str = "train") -> Source:
    """Source of Table 1's scores on a benchmark."""
    return Source(benchmark, setting, evaluation)


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the tracks, one section per benchmark, and the figures."""
    params, table = plan.tables.table1, numbers(plan, ledger)
    layout = Layout(plan, table)
    methods = params.methods
    rows, first = [*methods, params.ceiling], f"{params.benchmarks[0]} miou"
    overview = [layout.method(), *_overview(layout)]
    published = layout.ranked([*plan.published, params.ceiling], first)
    parts = [
        "### Track P: the published systems",
        markdown(layout.grid(published, overview)),
    ]
    if plan.controlled:
        controlled = layout.ranked(plan.controlled, first, by_track=False)
        grid = markdown(layout.grid(controlled, overview))
        parts += ["### Track C: heads on the same frozen embeddings", CONTROLLED, grid]
    parts.append("![mIoU with its interval, floor and ceiling](figures/table1.png)")
    parts.append("![rows along their mIoU, joined where none is told apart](figures/critical.png)")
    for benchmark in params.benchmarks:
        ranked = layout.ranked(rows, f"{benchmark} miou")
        details = layout.grid(ranked, _details(layout, ledger, benchmark))
        parts += [
            f"### {title_of(benchmark)}, profile `{plan.profile}`",
            tested(ledger, ranked, test_source(benchmark), plan.runs),
            markdown(_with_references(plan, table, benchmark, details)),
            *_hearing(layout, ledger, benchmark, ranked),
            "The same predictions by other readings of the metric:",
            markdown(layout.grid(ranked, _readings(layout, ledger, benchmark))),
        ]
    parts.append(f"![{CURVES}](figures/training_curves.png)")
    histories: dict[tuple[str, str], list[list[Epoch]]] = {
        (row, benchmark): [record.history for record in _records(plan, ledger, row, benchmark)]
        for row in methods
        for benchmark in params.benchmarks
    }
    figures = {
        "table1": partial(table1_figure, plan, table, methods),
        "critical": partial(critical_figure, plan, table, methods),
        "training_curves": partial(training_curves, plan, histories),
    }
    tex = layout.grid(layout.ranked(rows, first), [overview[0], layout.track(), *overview[1:]])
    return layout.section("Table 1: AVS benchmarks", parts, tex, figures, noted=rows)


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure every row with its floor and shuffled sound; ceiling and operators without."""
    params = plan.tables.table1
    rows = params.methods
    plain = [c for b in params.benchmarks for c in _scores(b, plan.runs)]
    controls = [c for b in params.benchmarks for c in _sound(plan, b)]
    once = [c for b in params.benchmarks for c in _scores(b, plan.runs[:1])]
    blocks = [
        Block(rows, [*plain, *controls]),
        Block(params.operators, plain),
        Block([params.ceiling], once),
    ]
    pairs = [pair for pair in PAIRS if {*pair} <= {*rows, *params.operators}]
    table = measure("table1", ledger, blocks, plan.base, pairs, [params.ceiling])
    paradigms = [
        verdict
        for benchmark in params.benchmarks
        for pair in pairs
        if (verdict := table.verdict("prompt > fusion, matched pair", f"{benchmark} miou", *pair))
    ]
    judged = {(v.column.name, v.better, v.worse) for v in paradigms}
    orders = [v for v in table.verdicts if (v.column.name, v.better, v.worse) not in judged]
    return replace(table, verdicts=[*paradigms, *orders])


def _scores(benchmark: str, runs: Sequence[Run]) -> list[Column]:
    """Columns of mIoU, F and the other readings of the metric."""
    source = test_source(benchmark)

    def column(metric: str, **options) -> Column:
        return Column(benchmark, metric, (Part(source, metric),), tuple(runs), **options)

    paper = (benchmark, "train")
    chosen = column("miou_chosen")
    return [
        column("miou", judged=True, twin=chosen, paper=(*paper, "miou")),
        column("fscore", unit=SHARE, paper=(*paper, "fscore")),
        *map(column, READINGS),
        chosen,
        column("fscore_chosen", unit=SHARE),
    ]


def _sound(plan: Plan, benchmark: str) -> list[Column]:
    """Columns of the controls: floor and shuffled sound, and the differences to them, on all frames
    and where silent rivals are in view."""
    clean = Part(test_source(benchmark), "miou")
    floor = Part(test_source(benchmark, setting="floor"), "miou")
    shuffled = Part(test_source(benchmark, "test_shuffled"), "miou")
    floors, shuffles = plan.floor_runs, plan.shuffle_runs
    gain = partial(Column, benchmark, combine=np.subtract, gain=True)
    columns = [
        Column(benchmark, "floor", (floor,), floors),
        gain("floor_gain", (clean, floor), floors, apart=True),
        Column(benchmark, "shuffled", (shuffled,), shuffles),
        gain("shuffle_loss", (clean, shuffled), shuffles),
        Column(benchmark, "dark", (clean._replace(metric="dark"),), plan.runs[:1]),
    ]
    here = tuple(
        part._replace(source=part.source._replace(subset=RIVALS))
        for part in (clean, floor, shuffled)
    )
    return [
        *columns,
        Column(benchmark, "rivals", (here[0],), plan.runs),
        gain("rivals_floor_gain", here[:2], floors, apart=True),
        gain("rivals_shuffle_loss", here[::2], shuffles),
    ]


def _overview(layout: Layout) -> list[GridColumn]:
    """Columns of all benchmarks, as the paper prints them."""
    columns = []
    for benchmark in layout.plan.tables.table1.benchmarks:
        name, miou, f = title_of(benchmark), f"{benchmark} miou", f"{benchmark} fscore"

        def marks(row: str, benchmark=benchmark, miou=miou) -> str:
            return _mark(layout, row, benchmark, "shuffle_loss") + _range(layout, row, miou)

        def spread(row: str, f=f) -> str:
            return _range(layout, row, f)

        columns += [
            layout.score(f"{name} mIoU (%)", miou, after=marks),
            layout.score(f"{name} F", f, after=spread),
            layout.paper(f"{name} paper: mIoU / F", miou, f),
        ]
    return columns


def _details(layout: Layout, ledger: Ledger, benchmark: str) -> list[GridColumn]:
    """Columns of one benchmark: intervals, controls, sizes of the training."""
    miou = f"{benchmark} miou"

    def count(title: str, *names: str) -> GridColumn:
        def text(row: str) -> str:
            record = next(iter(_records(layout.plan, ledger, row, benchmark)), None)
            if record is None:
                return NONE
            return " / ".join(number(getattr(record.counts, name)) for name in names)

        return GridColumn(title, text)

    return [
        layout.method(),
        layout.track(),
        layout.score("mIoU (%)", miou),
        layout.interval("95 % interval", miou),
        *layout.study(miou),
        *layout.difference(miou),
        layout.plain(
            "floor", f"{benchmark} floor", lambda row: _mark(layout, row, benchmark, "floor_gain")
        ),
        layout.plain(
            "shuffled",
            f"{benchmark} shuffled",
            lambda row: _mark(layout, row, benchmark, "shuffle_loss"),
        ),
        count("trained parameters", "trainable_parameters"),
        count("updates", "updates"),
        count("videos / clips", "train_videos", "train_clips"),
    ]


def _with_references(plan: Plan, table: Table, benchmark: str, grid: Grid) -> Grid:
    """Add lines of what needs no ears: nothing lit, the best silent model, rules on outlines."""
    floors = {
        row: table.scores[row, f"{benchmark} floor"].mean
        for row in table.rows
        if (row, f"{benchmark} floor") in table.scores
    }
    dark = [score.mean for (_, name), score in table.scores.items() if name == f"{benchmark} dark"]
    lines = {"all dark": dark[0]} if dark else {}
    if floors:
        row = max(floors, key=lambda row: floors[row])
        lines[f"highest floor: `{row}`"] = floors[row]
    texts = {name: share(score) for name, score in lines.items()}
    for rule, score in plan.mute.get(benchmark, {}).items():  # of two digits, as their list has
        texts[f"{rule} (outlines known)"] = number(score, 100)
    blank = [NONE] * (len(grid.header) - 3)
    return grid._replace(rows=[*grid.rows, *([n, NONE, text, *blank] for n, text in texts.items())])


def _hearing(layout: Layout, ledger: Ledger, benchmark: str, rows: Sequence[str]) -> list[str]:
    """Heading and grid of what the sound is worth where it decides; empty where the data don't
    say, or have no such clip."""
    names = {
        "mIoU there (%)": "rivals",
        "there: own sound − floor": "rivals_floor_gain",
        "there: own sound − shuffled": "rivals_shuffle_loss",
        "all clips: own sound − floor": "floor_gain",
        "all clips: own sound − shuffled": "shuffle_loss",
    }
    measured = [row for row in rows if (row, f"{benchmark} rivals") in layout.table.scores]
    if not measured:
        return []
    (first, name), *others = names.items()
    columns = [layout.method(), layout.score(first, f"{benchmark} {name}")]
    columns += [layout.change(title, f"{benchmark} {name}") for title, name in others]
    own = test_source(benchmark)
    run = next(run for run in layout.plan.runs if ledger.record(measured[0], own, run))
    every, here = (
        len({*ledger.scores(measured[0], source, run).uid})
        for source in (own, own._replace(subset=RIVALS))
    )
    if not here:
        return []
    return [
        f"Where silent rivals are in view ({here} of {every} test clips), hearing decides:",
        markdown(layout.grid(measured, columns)),
    ]


def _readings(layout: Layout, ledger: Ledger, benchmark: str) -> list[GridColumn]:
    """Columns of one benchmark by every other reading of the metric."""

    def threshold(benchmark: str, metric: str) -> GridColumn:
        def text(row: str) -> str:
            chosen = ledger.threshold(row, test_source(benchmark), metric)
            return number(chosen, decimals=2)

        return GridColumn("threshold", text)

    titles = {name: f"{title} (%)" for name, title in READINGS.items()}
    columns = [layout.score("F", f"{benchmark} fscore")]
    if layout.table.measures(f"{benchmark} miou_chosen"):
        columns += [
            layout.score("at validation's threshold (%)", f"{benchmark} miou_chosen"),
            threshold(benchmark, "miou_chosen"),
            layout.score("F at validation's", f"{benchmark} fscore_chosen"),
            threshold(benchmark, "fscore_chosen"),
        ]
    columns += [layout.score(title, f"{benchmark} {name}") for name, title in titles.items()]
    columns[-1] = columns[-1]._replace(best="")  # dark frames alone make no method the best
    return [layout.method(), *columns]


def _mark(layout: Layout, row: str, benchmark: str, column: str) -> str:
    """Mark of a row for which the sound isn't shown to gain anything."""
    score = layout.table.scores.get((row, f"{benchmark} {column}"))
    mark = {"shuffle_loss": DEAF, "floor_gain": BELOW}[column]
    return f" {mark}" if score and score.gain and score.gain.verdict != "holds" else ""


def _range(layout: Layout, row: str, column: str) -> str:
    """Range of SAM-Fusion's operators, the default among them."""
    rows = [OPERATORS, *layout.plan.tables.table1.operators] if row == OPERATORS else []
    scores = layout.table.scores
    means = [scores[r, column].mean for r in rows if (r, column) in scores]
    if len(means) < 2:
        return ""
    unit = layout.table.columns[column].unit
    return f" ({share(min(means), unit)} to {share(max(means), unit)})"


def _records(plan: Plan, ledger: Ledger, row: str, benchmark: str) -> list[Record]:
    """Records of a row on a benchmark, one per seed that has one."""
    records = (ledger.record(row, test_source(benchmark), run) for run in plan.runs)
    return [record for record in records if record]
