"""Table 1: every method on AVSBench, tracks P and C apart, and what the paradigm is worth."""

from collections.abc import Sequence

import numpy as np

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, markdown, number, share
from benchmarks.report import exports, figures, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Cell, Column, Table, measure, read_paper
from benchmarks.report.paradigms import paradigms_in_words, rivals
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section

DEAF = "†"
OPERATORS = "sam_fusion"  # the row whose range over `tables.table1.operators` is printed
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
    return Source(benchmark, setting, evaluation)


def section(plan: Plan, ledger: Ledger) -> Section:
    params, table = plan.tables.table1, numbers(plan, ledger)
    shown = [*params.published, *params.controlled, *params.gavs, params.ceiling]
    published = [*plan.published, params.ceiling]
    label = f"profile `{plan.profile}`"
    parts = [
        f"## Table 1: AVS benchmarks, {label}",
        "### Track P: each system as published",
        markdown(overview(plan, table, published)),
        operators_in_words(plan, table),
    ]
    if plan.controlled:
        parts += [
            "### Track C: heads on the same frozen embeddings",
            CONTROLLED,
            markdown(overview(plan, table, plan.controlled)),
        ]
    parts += [
        "![mIoU with its interval, floor and ceiling](figures/table1.png)",
        "### In words",
        paradigms_in_words(plan, table),
        text.orderings_in_words(table),
        sound_in_words(table),
        text.notes(plan, shown),
        text.missing(table),
    ]
    for benchmark in params.benchmarks:
        parts += [
            f"### {benchmark.upper()}, {label}",
            markdown(details(plan, ledger, table, benchmark, shown)),
            "The same predictions by other readings of the metric:",
            markdown(readings(plan, table, benchmark, shown)),
        ]
    parts.append("![loss and validation mIoU by epoch](figures/training_curves.png)")
    rows = [row for row in shown if row != params.ceiling]
    return Section(
        "table1",
        parts,
        exports.csv(plan, table),
        overview(plan, table, shown),
        table,
        {
            "table1": figures.dots(plan, table, rows),
            "training_curves": figures.training_curves(
                plan, params.benchmarks, _histories(plan, ledger, rows)
            ),
        },
    )


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Every row with its floor and shuffled sound; the ceiling and the operators plainly."""
    params = plan.tables.table1
    rows = [*params.published, *params.controlled, *params.gavs]
    plain = [c for b in params.benchmarks for c in _scores(plan, b, plan.runs)]
    heard = [c for b in params.benchmarks for c in _sound(plan, b)]
    once = [c for b in params.benchmarks for c in _scores(plan, b, plan.runs[:1])]
    return measure(
        "table1",
        ledger,
        [
            Block(rows, [*plain, *heard]),
            Block(params.operators, plain),
            Block([params.ceiling], once),
        ],
        plan.base,
        read_paper("table1_avs_benchmarks"),
        pairs=rivals(plan, plan.published) + rivals(plan, plan.controlled),
        unjudged=[*params.operators, params.ceiling],
    )


def _scores(plan: Plan, benchmark: str, runs: Sequence) -> list[Column]:
    source = test_source(benchmark)

    def column(metric: str, title: str, unit=PERCENT, **options) -> Column:
        parts = (Part(source, metric),)
        return Column(benchmark, metric, title, parts, tuple(runs), unit=unit, **options)

    paper = (benchmark, "train")
    return [
        column("miou", "mIoU (%)", judged=True, paper=(*paper, "miou")),
        column("fscore", "F", SHARE, paper=(*paper, "fscore")),
        *(column(metric, f"{title} (%)") for metric, title in READINGS.items()),
    ]


def _sound(plan: Plan, benchmark: str) -> list[Column]:
    own = Part(test_source(benchmark), "miou")
    floor = Part(test_source(benchmark, setting="floor"), "miou")
    shuffled = Part(test_source(benchmark, "test_shuffled"), "miou")
    floors, shuffles = (
        tuple(run for run in plan.runs if run[0] in seeds)
        for seeds in (plan.floor_seeds, plan.shuffle_seeds)
    )
    return [
        Column(benchmark, "floor", "floor", (floor,), floors),
        Column(benchmark, "floor_gain", "own − floor", (own, floor), floors, np.subtract),
        Column(benchmark, "shuffled", "shuffled", (shuffled,), shuffles),
        Column(benchmark, "shuffle_loss", "own − shuffled", (own, shuffled), shuffles, np.subtract),
    ]


def overview(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    """Methods x benchmarks: what a reader looks for first."""
    header, lines = ["method"], [[text.label(plan, row)] for row in rows]
    for benchmark in plan.tables.table1.benchmarks:
        name = benchmark.upper()
        header += [f"{name} mIoU (%)", f"{name} F", f"{name} paper: mIoU / F"]
        for row, line in zip(rows, lines, strict=True):
            miou, f = f"{benchmark} miou", f"{benchmark} fscore"
            deaf = (
                f" {DEAF}" if is_deaf(table.cells.get((row, f"{benchmark} shuffle_loss"))) else ""
            )
            line += [
                text.marked(table, row, miou) + deaf + _range(plan, table, row, miou),
                text.score(table, row, f) + _range(plan, table, row, f),
                text.paper(table, row, miou, f),
            ]
    return Grid(header, lines, "l" + "r" * (len(header) - 1))


def details(plan: Plan, ledger: Ledger, table: Table, benchmark: str, rows: Sequence[str]) -> Grid:
    """One benchmark: how sure each figure is, and what it took."""
    header = ["method", "track", "mIoU (%)", "95 % interval", f"Δ to `{plan.base}`", "detectable"]
    header += ["floor", "shuffled", "trained parameters", "updates", "videos / clips"]
    lines = []
    for row in rows:
        name, found = f"{benchmark} miou", None
        for run in plan.runs:
            found = found or ledger.record(row, test_source(benchmark), run)
        floor, shuffled, loss = (
            table.cells.get((row, f"{benchmark} {measure}"))
            for measure in ("floor", "shuffled", "shuffle_loss")
        )
        counts = found.counts if found else None
        lines.append(
            [
                text.label(plan, row),
                plan.track(row) or NONE,
                text.score(table, row, name),
                text.bounds(table, row, name),
                *text.difference(table, row, name),
                share(floor.score.mean) if floor else NONE,
                (share(shuffled.score.mean) if shuffled else NONE)
                + (f" {DEAF}" if is_deaf(loss) else ""),
                number(counts.trainable_parameters) if counts else NONE,
                number(counts.updates) if counts else NONE,
                f"{number(counts.train_videos)} / {number(counts.train_clips)}" if counts else NONE,
            ]
        )
    return Grid(header, lines, "ll" + "r" * (len(header) - 2))


def readings(plan: Plan, table: Table, benchmark: str, rows: Sequence[str]) -> Grid:
    """One benchmark by every other reading of the metric."""
    names = [f"{benchmark} {metric}" for metric in ("fscore", *READINGS)]
    lines = [[text.label(plan, r), *(text.score(table, r, name) for name in names)] for r in rows]
    titles = ["F", *(f"{title} (%)" for title in READINGS.values())]
    return Grid(["method", *titles], lines, "l" + "r" * len(titles))


def is_deaf(loss: Cell | None) -> bool:
    """Whether the sound of other classes may do as well as the clip's own."""
    return loss is not None and loss.score.low <= 0


def _range(plan: Plan, table: Table, row: str, column: str) -> str:
    """The lowest and highest of SAM-Fusion's operators, the default among them."""
    rows = [OPERATORS, *plan.tables.table1.operators] if row == OPERATORS else []
    found = [table.cells[r, column].score.mean for r in rows if (r, column) in table.cells]
    if len(found) < 2:
        return ""
    unit = table.columns[column].unit
    return f" ({share(min(found), unit)} to {share(max(found), unit)})"


def operators_in_words(plan: Plan, table: Table) -> str:
    rows = [OPERATORS, *plan.tables.table1.operators]
    by_benchmark = {
        benchmark: [
            f"`{row}` {share(cell.score.mean)}"
            for row in rows
            if (cell := table.cells.get((row, f"{benchmark} miou")))
        ]
        for benchmark in plan.tables.table1.benchmarks
    }
    found = [f"{b.upper()} {', '.join(t)}" for b, t in by_benchmark.items() if len(t) > 1]
    if not found:
        return ""
    return (
        f"`{OPERATORS}`: the default operator (concatenation and a 1×1 convolution) and, in "
        "brackets, the range over operators, since the paper doesn't name its own. mIoU of each: "
        f"{'; '.join(found)}."
    )


def sound_in_words(table: Table) -> str:
    """Which rows use the sound, by the two checks that were made."""
    sentences = []
    for measure_, some, none in (
        (
            "shuffle_loss",
            "Shuffling the sound is not shown to lower the score of",
            "Shuffling the sound lowers the score of every row.",
        ),
        (
            "floor_gain",
            "Not shown to exceed its floor, and so to gain from sound:",
            "Every row scores above its floor.",
        ),
    ):
        found = {
            (row, table.columns[name].where): cell
            for (row, name), cell in table.cells.items()
            if table.columns[name].measure == measure_
        }
        low = [place for place, cell in found.items() if cell.score.low <= 0]
        if found:
            sentences.append(f"{some} {text.rows_with(low)}." if low else none)
    if sentences:
        sentences.append("By 95 % intervals on the seeds for which it is run.")
    return " ".join(sentences)


def _histories(plan: Plan, ledger: Ledger, rows: Sequence[str]) -> dict:
    """(row, benchmark) -> the history of each seed."""
    return {
        (row, benchmark): [
            record.history
            for run in plan.runs
            if (record := ledger.record(row, test_source(benchmark), run))
        ]
        for row in rows
        for benchmark in plan.tables.table1.benchmarks
    }
