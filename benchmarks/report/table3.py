"""Table 3 and Figure 1: VGG-SS by the models trained on V2, and what trivial predictors score."""

import csv as csv_module
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.report import bars, exports, text
from benchmarks.report.formats import NONE, PERCENT, SHARE, Grid, markdown, number, share
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
OWN = Source("vggss", "0-shot", "vggss")
HEADLINE = "mean_iou/fixed/mask"
EXPERIMENT = "table3_cross_dataset"
DEFINITIONS = """\
One frame and the second of sound that covers it, by the models trained on V2; ground truth is the
union of boxes at 224 × 224. **mean IoU**: of the mask at probability 0.5 with the boxes.
**cIoU@0.5**: the share of images whose IoU reaches 0.5. **AUC**: area under that share over all
thresholds. **V2**: mIoU on the sounding frames of V2's test set by the same models; **shift**:
V2 − VGG-SS. Boxes cap what a mask can reach (an ellipse inscribed in its box covers 78.5 % of
it), so part of the shift is the format."""
PAPER_NOTE = """\
The paper prints cIoU and AUC. Its AVS rows look like mean IoU: in all of them AUC is cIoU / 100
to within 0.004, as the area under the success curve equals the mean IoU; its in-set rows (AVL
systems trained on VGG-Sound) are success rates, some with half of the pixels lit, where none can
exceed 50.5. So its AVS rows stand beside our mean IoU, and neither is to be compared with its
in-set rows."""


def section(plan: Plan, ledger: Ledger) -> Section:
    table, rows = numbers(plan, ledger), plan.tables.table3.rows
    trivial, counted = _trivial(plan, ledger)
    headline = f"{WHERE} {HEADLINE}"
    parts = [
        f"## Table 3: another data set (VGG-SS), profile `{plan.profile}`",
        DEFINITIONS,
        counted,
        markdown(overview(plan, table, rows, trivial)),
        PAPER_NOTE,
        _in_set(),
        "![mean IoU on VGG-SS with trivial predictors; the paper's bars](figures/figure1.png)",
        "### Three rules, mask and box hull: mean IoU (%) / cIoU@0.5 (%) / AUC",
        "fixed: probability above 0.5; median: the upper half of the pixels; oracle size: as many "
        "pixels as the ground truth has.",
        markdown(by_rule(table, rows, trivial)),
        "### How sure: mean IoU",
        markdown(text.intervals(plan, table, rows, [headline])),
        "### In words",
        text.orderings_in_words(table),
        text.best_in_words(table, [headline], rows),
        text.gaps_in_words(plan, table, rows, f"{WHERE} shift", "In-domain − shifted, V2 − VGG-SS"),
        _beaten_in_words(table, rows, trivial),
        text.missing(table),
    ]
    csv = exports.as_csv(
        pd.concat([exports.tidy(plan, table), *_tidy_trivial(plan, trivial)], ignore_index=True)
    )
    figure = bars.figure1(plan, table, rows, headline, _without_truth(trivial), _paper_bars())
    grid = overview(plan, table, rows, trivial)
    return Section("table3", parts, csv, grid, table, {"figure1": figure})


def numbers(plan: Plan, ledger: Ledger) -> Table:
    own, shuffled = OWN, OWN._replace(evaluation="vggss_shuffled")
    v2 = Part(test_source("v2"), "miou_nonempty")  # VGG-SS has no silent frames to be right on
    headline = Part(own, HEADLINE)
    shuffles = tuple(run for run in plan.runs if run[0] in plan.shuffle_seeds)

    def column(name: str, parts, runs=plan.runs, combine=None, unit=PERCENT, **options) -> Column:
        return Column(WHERE, name, name, parts, runs, combine, unit, **options)

    columns = []
    for shape in SHAPES:
        for rule in RULES:
            for figure, (_, unit, printed) in FIGURES.items():
                metric = f"{figure}/{rule}/{shape}"
                first = (rule, shape) == ("fixed", "mask") and printed
                paper = ("vggss", "0-shot", printed) if first else None
                columns.append(
                    column(
                        metric,
                        (Part(own, metric),),
                        unit=unit,
                        judged=metric == HEADLINE,
                        paper=paper,
                    )
                )
    heard = Part(shuffled, HEADLINE)
    columns += [
        column("shuffled", (heard,), shuffles),
        column("shuffle_loss", (headline, heard), shuffles, np.subtract),
        column("v2", (v2,)),
        column("shift", (v2, headline), combine=np.subtract),
    ]
    blocks = [Block(plan.tables.table3.rows, columns)]
    return measure("table3", ledger, blocks, plan.base, read_paper(EXPERIMENT))


def overview(plan: Plan, table: Table, rows: Sequence[str], trivial: pd.DataFrame) -> Grid:
    """The mask at 0.5: the figures of the paper, with what the sound and the data set are worth."""
    names = [f"{WHERE} {figure}/fixed/mask" for figure in FIGURES]
    header = ["method", "track", *(title for title, *_ in FIGURES.values()), "paper: cIoU / AUC"]
    header += ["shuffled: mean IoU", "own − shuffled", "V2", "shift [95 % interval]"]
    lines = [
        [
            f"`{row}`",
            plan.track(row) or NONE,
            text.marked(table, row, names[0]),
            *(text.score(table, row, name) for name in names[1:]),
            text.paper(table, row, names[0], names[2]),
            text.score(table, row, f"{WHERE} shuffled"),
            text.change(table, row, f"{WHERE} shuffle_loss"),
            text.score(table, row, f"{WHERE} v2"),
            text.change(table, row, f"{WHERE} shift"),
        ]
        for row in rows
    ]
    for line in trivial[trivial.rule == "fixed"].itertuples():
        values = [share(getattr(line, name), unit) for name, (_, unit, _) in FIGURES.items()]
        lines.append([line.predictor, NONE, *values, *[NONE] * 5])
    return Grid(header, lines, "ll" + "r" * (len(header) - 2))


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
    places = itertools.product(plan.tables.table3.rows, plan.runs)
    for row, run in places:  # clips that can't be had any more are in no record
        if ledger.record(row, OWN, run):
            clips = clips[clips.file.isin(ledger.scores(row, OWN, run).uid)]
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


def _in_set() -> str:
    """The paper's rows of systems that are trained on VGG-Sound, in one line."""
    rows: dict[str, dict[str, float]] = {}
    for line in _paper_rows():
        if line["setting"] == "in-set":
            rows.setdefault(line["method"], {})[line["metric"]] = float(line["value"])
    listed = (
        f"{name} {number(found['ciou'], decimals=2)} / {number(found.get('auc'), decimals=3)}"
        for name, found in rows.items()
    )
    return f"The paper's in-set rows, cIoU (%) / AUC: {'; '.join(listed)}."


def _paper_bars() -> dict[str, tuple[float, bool]]:
    """The paper's cIoU by system, and whether it was trained in-set."""
    return {
        line["method"]: (float(line["value"]), line["setting"] == "in-set")
        for line in _paper_rows()
        if line["metric"] == "ciou"
    }
