"""Table 3 and Figure 1: VGG-SS by segmentation models, by localisers, by trivial predictors."""

import csv as csv_module
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, markdown, number, share
from benchmarks.report import bars, exports, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import (
    EXPERIMENTS,
    Block,
    Column,
    Table,
    measure,
    read_paper,
)
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section
from benchmarks.report.table1 import test_source
from benchmarks.scoring.vggss import trivial_rows
from splits.vggss_boxes import read_annotations

RULES = {"fixed": "fixed 0.5", "median": "median", "oracle": "oracle size"}
SHAPES = {"mask": "raw mask", "hull": "box hull"}
FIGURES = {  # of scoring.vggss -> title, unit, name in paper.csv
    "mean_iou": ("mean IoU (%)", PERCENT, "ciou"),
    "success": ("cIoU@0.5 (%)", PERCENT, None),
    "auc": ("AUC", SHARE, "auc"),
}
WHERE = "vggss"
ZERO_SHOT, IN_SET = "0-shot", "in-set"
GROUPS = ("heard", "unheard")  # names of a record's subsets
GUIDED_RULES = ("fixed", "median")
WRONG = {"silence": "silence", "noise": "noise", "shuffled": "other class"}
SOUNDS = {"own": "own sound", **WRONG}
HEADLINE = "mean_iou/fixed/mask"
EXPERIMENT = "table3_cross_dataset"
DEFINITIONS = """\
One frame and the sound around it, by the segmentation models trained on V2 (zero-shot) and by
localisers trained in-set, on unlabelled VGG-Sound; ground truth is the union of boxes at
224 × 224. **mean IoU**: of the mask at probability 0.5 with the boxes.
**cIoU@0.5**: the share of images whose IoU reaches 0.5. **AUC**: area under that share over all
thresholds. **V2**: mIoU on the sounding frames of V2's test set by the same models; **shift**:
V2 − VGG-SS. Boxes cap what a mask can reach (an ellipse inscribed in its box covers 78.5 % of
it), so part of the shift is the format."""
PAPER_NOTE = """\
The paper prints cIoU and AUC. Its AVS rows look like mean IoU: in all of them AUC is cIoU / 100
to within 0.004, as the area under the success curve equals the mean IoU; its in-set rows (AVL
systems trained on VGG-Sound) are success rates, some with half of the pixels lit, where none can
exceed 50.5. So its AVS rows stand beside our mean IoU, and neither is to be compared with its
in-set rows, which belong beside our cIoU@0.5 by the median rule (AVIN's: fixed)."""
GUIDED_NOTE = """\
Object-guided localisation mixes in a map of objects that a frozen image network sees, whatever
sounds: a switch of the test, no other training."""
WRONG_NOTE = """\
**lit**: share of the frame above probability 0.5. Silence, noise or a class that doesn't sound
there should light nothing; a localiser's map is brought to 0..1 frame by frame, as published, so it
always lights its largest values. **confidence**: mean probability of the brightest quarter, for
localisers of (1 + cosine) / 2 before that (SLAVC's measure): what could still tell that nothing
sounds."""


def section(plan: Plan, ledger: Ledger) -> Section:
    table = numbers(plan, ledger)
    zero_shot, in_set = plan.tables.table3.rows, plan.tables.table3.in_set
    rows = [*zero_shot, *in_set]
    trivial, counted = _trivial(plan, ledger)
    headline = f"{WHERE} {HEADLINE}"
    parts = [
        f"## Table 3: another data set (VGG-SS), profile `{plan.profile}`",
        DEFINITIONS,
        counted,
        markdown(overview(plan, table, rows, trivial)),
        PAPER_NOTE,
        "![mean IoU on VGG-SS with trivial predictors; the paper's bars](figures/figure1.png)",
        "### Three rules, mask and box hull: mean IoU (%) / cIoU@0.5 (%) / AUC",
        "fixed: probability above 0.5; median: the upper half of the pixels; oracle size: as many "
        "pixels as the ground truth has.",
        markdown(by_rule(table, rows, trivial)),
        *_guided(table, in_set),
        "### Sound that isn't there (%)",
        WRONG_NOTE,
        markdown(wrong_sound(table, rows)),
        *_by_heard(plan, table, rows),
        "### How sure: mean IoU",
        markdown(text.intervals(plan, table, rows, [headline])),
        "### In words",
        text.orderings_in_words(table),
        text.best_in_words(table, [headline], rows),
        text.gaps_in_words(
            plan, table, zero_shot, f"{WHERE} shift", "In-domain − shifted, V2 − VGG-SS"
        ),
        _beaten_in_words(table, rows, trivial),
        text.notes(plan, in_set),
        text.missing(table),
    ]
    csv = exports.as_csv(
        pd.concat([exports.tidy(plan, table), *_tidy_trivial(plan, trivial)], ignore_index=True)
    )
    figure = bars.figure1(plan, table, rows, headline, _without_truth(trivial), _paper_bars())
    grid = overview(plan, table, rows, trivial)
    return Section("table3", parts, csv, grid, table, {"figure1": figure})


def numbers(plan: Plan, ledger: Ledger) -> Table:
    tables = plan.tables.table3
    blocks = [
        Block(tables.rows, [*_columns(plan, ZERO_SHOT), *_shift_columns(plan)]),
        Block(tables.in_set, [*_columns(plan, IN_SET), *_guided_columns(plan)]),
    ]
    return measure("table3", ledger, blocks, plan.base, read_paper(EXPERIMENT))


def _column(plan: Plan, name: str, *parts: Part, **options) -> Column:
    return Column(WHERE, name, name, parts, **{"runs": plan.runs, **options})


def _columns(plan: Plan, setting: str) -> list[Column]:
    """What zero-shot rows and rows trained in-set have in common."""
    own = Source("vggss", setting, "vggss")
    headline = Part(own, HEADLINE)
    few = tuple(run for run in plan.runs if run[0] in plan.shuffle_seeds)
    columns = []
    for shape, rule in itertools.product(SHAPES, RULES):
        for figure, (_, unit, printed) in FIGURES.items():
            metric = f"{figure}/{rule}/{shape}"
            first = (rule, shape) == ("fixed", "mask") and printed
            paper = ("vggss", ZERO_SHOT, printed) if first else None
            part, judged = Part(own, metric), metric == HEADLINE
            columns.append(_column(plan, metric, part, unit=unit, judged=judged, paper=paper))
    for sound, metric in itertools.product(SOUNDS, ("lit_boxes", "confidence")):
        source = own._replace(evaluation=f"vggss_{sound}" if sound in WRONG else "vggss")
        columns.append(_column(plan, f"{metric}_{sound}", Part(source, metric), runs=few))
    for group in GROUPS if plan.by_heard else ():
        columns.append(_column(plan, group, Part(own._replace(subset=group), HEADLINE)))
    shuffled = Part(own._replace(evaluation="vggss_shuffled"), HEADLINE)
    return [
        *columns,
        _column(plan, "shuffled", shuffled, runs=few),
        _column(plan, "shuffle_loss", headline, shuffled, runs=few, combine=np.subtract),
    ]


def _shift_columns(plan: Plan) -> list[Column]:
    v2 = Part(test_source("v2"), "miou_nonempty")  # VGG-SS has no silent frames to be right on
    here = Part(Source("vggss", ZERO_SHOT, "vggss"), HEADLINE)
    shift = _column(plan, "shift", v2, here, combine=np.subtract)
    return [_column(plan, "v2", v2), shift]


def _guided_columns(plan: Plan) -> list[Column]:
    """The same with object guidance, and what it adds."""
    own = Source("vggss", IN_SET, "vggss")
    columns = []
    for rule, figure in itertools.product(GUIDED_RULES, ("mean_iou", "success")):
        metric = f"{figure}/{rule}/mask"
        parts = Part(own._replace(evaluation="vggss_guided"), metric), Part(own, metric)
        columns.append(_column(plan, f"guided_{metric}", parts[0]))
        columns.append(_column(plan, f"gain_{metric}", *parts, combine=np.subtract))
    return columns


def overview(plan: Plan, table: Table, rows: Sequence[str], trivial: pd.DataFrame) -> Grid:
    """The mask at 0.5: the figures of the paper, with what the sound and the data set are worth."""
    names = [f"{WHERE} {figure}/fixed/mask" for figure in FIGURES]
    header = ["method", "trained on", "track", *(title for title, *_ in FIGURES.values())]
    header += ["paper: cIoU / AUC", "shuffled: mean IoU", "own − shuffled", "V2"]
    header += ["shift [95 % interval]"]
    lines = [
        [
            f"`{row}`",
            "VGG-Sound" if row in plan.tables.table3.in_set else "V2",
            plan.track(row) or NONE,
            text.marked(table, row, names[0]),
            *(text.score(table, row, name) for name in names[1:]),
            _paper(table, row),
            text.score(table, row, f"{WHERE} shuffled"),
            text.change(table, row, f"{WHERE} shuffle_loss"),
            text.score(table, row, f"{WHERE} v2"),
            text.change(table, row, f"{WHERE} shift"),
        ]
        for row in rows
    ]
    for line in trivial[trivial.rule == "fixed"].itertuples():
        values = [share(getattr(line, name), unit) for name, (_, unit, _) in FIGURES.items()]
        lines.append([line.predictor, NONE, NONE, *values, *[NONE] * 5])
    return Grid(header, lines, "lll" + "r" * (len(header) - 3))


def _paper(table: Table, row: str) -> str:
    """The paper's figures of a row, zero-shot or in-set."""
    for setting in (ZERO_SHOT, IN_SET):
        found = [table.paper.get((row, WHERE, setting, metric)) for metric in ("ciou", "auc")]
        if found[0] is not None:
            return f"{number(found[0], decimals=2)} / {number(found[1], decimals=3)}"
    return NONE


def _guided(table: Table, rows: Sequence[str]) -> list[str]:
    """With and without object guidance; nothing where no row has it."""
    header = ["method"]
    for rule in GUIDED_RULES:
        for figure in ("mean IoU", "cIoU@0.5"):
            header += [f"{RULES[rule]}: {figure}", "guided", "gain [95 % interval]"]
    metrics = [f"{f}/{rule}/mask" for rule in GUIDED_RULES for f in ("mean_iou", "success")]
    lines = []
    for row in rows:
        if (row, f"{WHERE} guided_{metrics[0]}") not in table.cells:
            continue
        line = [f"`{row}`"]
        for metric in metrics:
            line += [text.score(table, row, f"{WHERE} {kind}{metric}") for kind in ("", "guided_")]
            line.append(text.change(table, row, f"{WHERE} gain_{metric}"))
        lines.append(line)
    if not lines:
        return []
    grid = Grid(header, lines, "l" + "r" * (len(header) - 1))
    return ["### Object-guided localisation", GUIDED_NOTE, markdown(grid)]


def wrong_sound(table: Table, rows: Sequence[str]) -> Grid:
    names = [f"{metric}_{sound}" for metric in ("lit_boxes", "confidence") for sound in SOUNDS]
    lines = [
        [f"`{row}`", *(text.score(table, row, f"{WHERE} {name}") for name in names)] for row in rows
    ]
    header = [f"{what}: {sound}" for what in ("lit", "confidence") for sound in SOUNDS.values()]
    return Grid(["method", *header], lines, "l" + "r" * len(names))


def _by_heard(plan: Plan, table: Table, rows: Sequence[str]) -> list[str]:
    """Mean IoU by whether the class sounds in the localisers' training list."""
    if not plan.by_heard:
        return []
    lines = [
        [f"`{row}`", *(text.score(table, row, f"{WHERE} {name}") for name in GROUPS)]
        for row in rows
    ]
    note = (
        "Heard: classes that sound in the localisers' training list. Segmentation models never "
        "learned from it: theirs shows how hard the two halves are."
    )
    grid = Grid(["method", *GROUPS], lines, "lrr")
    return ["### Heard and unheard classes: mean IoU (%)", note, markdown(grid)]


def by_rule(table: Table, rows: Sequence[str], trivial: pd.DataFrame) -> Grid:
    places = [(rule, shape) for shape in SHAPES for rule in RULES]
    header = ["method", *(f"{RULES[rule]}, {SHAPES[shape]}" for rule, shape in places)]
    lines = []
    for row in rows:
        line = [f"`{row}`"]
        for rule, shape in places:
            cells = {f: table.cells.get((row, f"{WHERE} {f}/{rule}/{shape}")) for f in FIGURES}
            values = [
                share(cell.score.mean if cell else None, FIGURES[name][1])
                for name, cell in cells.items()
            ]
            line.append(NONE if {*values} == {NONE} else " / ".join(values))
        lines.append(line)
    for found in trivial.itertuples():
        values = (share(getattr(found, name), unit) for name, (_, unit, _) in FIGURES.items())
        cell = " / ".join(values)
        own = [cell if place == (found.rule, "mask") else NONE for place in places]
        lines.append([found.predictor, *own])
    return Grid(header, lines, "l" + "r" * len(places))


def _trivial(plan: Plan, ledger: Ledger) -> tuple[pd.DataFrame, str]:
    """Trivial predictors on the images that are scored, and a sentence on what these are."""
    if plan.annotations is None or not plan.annotations.is_file():
        columns = ["predictor", "rule", "success", "auc", "mean_iou", "n", "empty"]
        return pd.DataFrame(columns=columns), "No annotation file: trivial predictors are left out."
    clips, _ = read_annotations(plan.annotations)
    listed = len(clips)
    tables = plan.tables.table3
    sources = [(row, Source("vggss", ZERO_SHOT, "vggss")) for row in tables.rows]
    sources += [(row, Source("vggss", IN_SET, "vggss")) for row in tables.in_set]
    for (row, source), run in itertools.product(sources, plan.runs):
        if ledger.record(row, source, run):  # clips that can't be had any more are in no record
            clips = clips[clips.file.isin(ledger.scores(row, source, run).uid)]
            break
    empty = ", ".join(f"`{file}`" for file in clips.file[clips["empty"]])
    return trivial_rows(clips), (
        f"N = {len(clips):,} of {listed:,} annotated images, {int(clips['empty'].sum())} with an "
        f"empty ground truth, where every prediction scores 0{f': {empty}' if empty else ''}."
    )


def _tidy_trivial(plan: Plan, trivial: pd.DataFrame) -> list[pd.DataFrame]:
    """The trivial predictors as lines of the CSV; none without annotations."""
    lines = [
        {
            "profile": plan.profile,
            "method": found.predictor,
            "where": WHERE,
            "measure": f"{name}/{found.rule}/mask",
            "unit": unit.name,
            "value": unit.factor * getattr(found, name),
        }
        for found in trivial.itertuples()
        for name, (_, unit, _) in FIGURES.items()
    ]
    return [pd.DataFrame(lines)] if lines else []


def _without_truth(trivial: pd.DataFrame) -> dict[str, float]:
    """Mean IoU of the predictors that see nothing of the test set."""
    kept = trivial[~trivial.rule.eq("oracle") & ~trivial.predictor.str.contains("oracle|test set")]
    return dict(zip(kept.predictor, kept.mean_iou, strict=True))


def _beaten_in_words(table: Table, rows: Sequence[str], trivial: pd.DataFrame) -> str:
    """Which rows don't exceed the best predictor that neither looks nor listens."""
    known = _without_truth(trivial)
    name = f"{WHERE} {HEADLINE}"
    found = {row: table.cells[row, name].score for row in rows if (row, name) in table.cells}
    if not known or not found:
        return ""
    best = max(known, key=known.get)
    below = [f"`{row}`" for row, score in found.items() if score.low <= known[best]]
    text_ = (
        f"Of the predictors that neither look nor listen, the {best} scores {share(known[best])}"
    )
    return (
        f"{text_}; not above it, by the lower end of their intervals: {', '.join(below) or 'none'}."
    )


def _paper_rows() -> list[dict[str, str]]:
    with (EXPERIMENTS / EXPERIMENT / "paper.csv").open(newline="", encoding="utf-8") as file:
        return list(csv_module.DictReader(file))


def _paper_bars() -> dict[str, tuple[float, bool]]:
    """The paper's cIoU by system, and whether it was trained in-set."""
    return {
        line["method"]: (float(line["value"]), line["setting"] == "in-set")
        for line in _paper_rows()
        if line["metric"] == "ciou"
    }
