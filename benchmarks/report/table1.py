"""Table 1: every method on AVSBench, tracks P and C apart; prompt against fusion."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.common.tables import NONE, SHARE, markdown, number, share
from benchmarks.report.critical_figure import critical_figure
from benchmarks.report.layout import BELOW, GridColumn, Layout, Section, title_of
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, Verdict, measure
from benchmarks.report.plan import Plan
from benchmarks.report.table1_figure import table1_figure
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
CONTROLLED = (
    "Track C: the published heads on the same frozen SAM embeddings as `gavs`, at its resolution, "
    "on its data and for its optimiser steps (few shots of AVS-V3: for as many epochs). "
    "`sam_fusion`, `audio_sam` and `gavs` stand on these embeddings as they are, so they are here "
    "again as reference rows. Prompt against fusion is a claim about this track; in track P the "
    "backbones, resolutions and trainings differ too."
)


def test_source(benchmark: str, evaluation: str = "test", setting: str = "train") -> Source:
    """Source of Table 1's scores on a benchmark."""
    return Source(benchmark, setting, evaluation)


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the tracks, one section per benchmark, and the figures."""
    params, table = plan.tables.table1, numbers(plan, ledger)
    layout = Layout(plan, table)
    methods = [*params.published, *params.controlled, *params.gavs]
    rows, first = [*methods, params.ceiling], f"{params.benchmarks[0]} miou"
    overview = [layout.method(), *_overview(layout)]
    published = layout.ranked([*plan.published, params.ceiling], first)
    parts = [
        "### Track P: each system as published",
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
        parts += [
            f"### {title_of(benchmark)}, profile `{plan.profile}`",
            markdown(layout.grid(ranked, _details(layout, ledger, benchmark))),
            "The same predictions by other readings of the metric:",
            markdown(layout.grid(ranked, _readings(layout, benchmark))),
        ]
    parts.append("![loss by epoch, and the validations](figures/training_curves.png)")
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
    rows = [*params.published, *params.controlled, *params.gavs]
    plain = [c for b in params.benchmarks for c in _scores(b, plan.runs)]
    controls = [c for b in params.benchmarks for c in _sound(plan, b)]
    once = [c for b in params.benchmarks for c in _scores(b, plan.runs[:1])]
    blocks = [
        Block(rows, [*plain, *controls]),
        Block(params.operators, plain),
        Block([params.ceiling], once),
    ]
    tracks = {"P": _rivals(plan, plan.published), "C": _rivals(plan, plan.controlled)}
    pairs = [pair for rivals in tracks.values() for pair in rivals]
    unjudged = [*params.operators, params.ceiling]
    table = measure("table1", ledger, blocks, plan.base, pairs, unjudged)
    paradigms = [
        verdict
        for track, rivals in tracks.items()
        for benchmark in params.benchmarks
        if (verdict := _paradigms(table, track, rivals, f"{benchmark} miou"))
    ]
    return replace(table, verdicts=[*paradigms, *table.verdicts])


def _rivals(plan: Plan, track: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of each prompt row with each fusion row of a track; of GAVS's variants, the base."""
    rows = [row for row in track if row == plan.base or row not in plan.tables.table1.gavs]
    prompt, fusion = (
        [row for row in rows if plan.paradigms.get(row) == kind] for kind in ("prompt", "fusion")
    )
    return [(a, b) for a in prompt for b in fusion]


def _paradigms(
    table: Table, track: str, rivals: Sequence[tuple[str, str]], column: str
) -> Verdict | None:
    """Judge the best prompt row of a track against its best fusion row."""
    pairs = [pair for pair in rivals if all((row, column) in table.scores for row in pair)]
    if not pairs:
        return None
    prompt, fusion = (
        max((pair[side] for pair in pairs), key=lambda row: table.scores[row, column].mean)
        for side in (0, 1)
    )
    return table.verdict(f"prompt > fusion, track {track}", column, prompt, fusion)


def _scores(benchmark: str, runs: Sequence[Run]) -> list[Column]:
    """Columns of mIoU, F and the other readings of the metric."""
    source = test_source(benchmark)

    def column(metric: str, **options) -> Column:
        return Column(benchmark, metric, (Part(source, metric),), tuple(runs), **options)

    paper = (benchmark, "train")
    return [
        column("miou", judged=True, paper=(*paper, "miou")),
        column("fscore", unit=SHARE, paper=(*paper, "fscore")),
        *map(column, READINGS),
    ]


def _sound(plan: Plan, benchmark: str) -> list[Column]:
    """Columns of the controls: floor and shuffled sound, and the differences to them."""
    clean = Part(test_source(benchmark), "miou")
    floor = Part(test_source(benchmark, setting="floor"), "miou")
    shuffled = Part(test_source(benchmark, "test_shuffled"), "miou")
    floors, shuffles = (
        tuple(run for run in plan.runs if run[0] in seeds)
        for seeds in (plan.floor_seeds, plan.shuffle_seeds)
    )
    return [
        Column(benchmark, "floor", (floor,), floors),
        Column(benchmark, "floor_gain", (clean, floor), floors, np.subtract),
        Column(benchmark, "shuffled", (shuffled,), shuffles),
        Column(benchmark, "shuffle_loss", (clean, shuffled), shuffles, np.subtract),
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


def _readings(layout: Layout, benchmark: str) -> list[GridColumn]:
    """Columns of one benchmark by every other reading of the metric."""
    titles = {name: f"{title} (%)" for name, title in READINGS.items()}
    columns = [layout.score("F", f"{benchmark} fscore")]
    columns += [layout.score(title, f"{benchmark} {name}") for name, title in titles.items()]
    columns[-1] = columns[-1]._replace(best="")  # dark frames alone make no method the best
    return [layout.method(), *columns]


def _mark(layout: Layout, row: str, benchmark: str, column: str) -> str:
    """Mark of a row for which the interval of the sound's gain reaches 0."""
    score = layout.table.scores.get((row, f"{benchmark} {column}"))
    mark = {"shuffle_loss": DEAF, "floor_gain": BELOW}[column]
    return f" {mark}" if score and score.over_runs.low <= 0 else ""


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
