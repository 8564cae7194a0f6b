"""Table 3: segmentation models, localisers and trivial predictors on VGG-SS."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, markdown, number, share
from benchmarks.report import exports
from benchmarks.report.figure1 import figure1
from benchmarks.report.layout import GridColumn, Layout, Section
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import test_source
from benchmarks.scoring.boxes import trivial_rows
from splits.vggss_boxes import read_annotations

RULES = {"fixed": "fixed 0.5", "median": "median", "oracle": "oracle size"}
SHAPES = {"mask": "raw mask", "hull": "box hull"}
FIGURES = {  # of scoring.boxes -> title, unit, name in paper.csv
    "mean_iou": ("mean IoU (%)", PERCENT, "ciou"),
    "success": ("cIoU@0.5 (%)", PERCENT, None),
    "auc": ("AUC", SHARE, "auc"),
}
WHERE = "vggss"
ZERO_SHOT, IN_SET = "0-shot", "in-set"
GROUPS = ("heard", "unheard")  # names of a record's subsets
MAIN = ("mean_iou", "success")
GUIDED = tuple(f"{figure}/{rule}/mask" for rule in ("fixed", "median") for figure in MAIN)
SOUNDS = {"own": "own sound", "silence": "silence", "noise": "noise", "shuffled": "other class"}
HEADLINE = "mean_iou/fixed/mask"
BLIND = "§"  # mark of a row not shown to be above predictors that neither look nor listen
DEFINITIONS = f"""\
One frame and the sound around it, by the segmentation models trained on V2 (zero-shot) and by
localisers trained in-set, on unlabelled VGG-Sound; ground truth is the union of boxes at
224 × 224. **mean IoU**: of the mask at probability 0.5 with the boxes; {BLIND}: not above the best
predictor that neither looks nor listens, by the lower end of its interval; such rows take part in
the verdicts, which say who is above whom.
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
RULES_NOTE = """\
fixed: probability above 0.5; median: the upper half of the pixels; oracle size: as many pixels as
the ground truth has."""
GUIDED_NOTE = """\
Object-guided localisation mixes in a map of objects that a frozen image network sees, whatever
sounds: a switch of the test, no other training."""
WRONG_NOTE = """\
**lit**: share of the frame above probability 0.5. Silence, noise or a class that doesn't sound
there should light nothing; a localiser's map is brought to 0..1 frame by frame, as published, so it
always lights its largest values. **confidence**: mean probability of the brightest quarter, for
localisers of (1 + cosine) / 2 before that (SLAVC's measure): what could still tell that nothing
sounds."""
HEARD_NOTE = """\
Heard: classes that sound in the localisers' training list. Segmentation models never learned from
it: theirs shows how hard the two halves are."""


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the table, its grids by rule, guidance, wrong sound and heard classes."""
    table, in_set = numbers(plan, ledger), plan.tables.table3.in_set
    layout, headline = Layout(plan, table), name_of(HEADLINE)
    rows = layout.ranked(plan.tables.rows_of("table3"), headline) + layout.ranked(in_set, headline)
    trivial, sentence = _trivial(plan, ledger)
    blind = _without_truth(trivial)
    overview = _overview(layout, rows, trivial, max(blind.values(), default=-np.inf))
    parts = [
        DEFINITIONS,
        sentence,
        markdown(overview),
        PAPER_NOTE,
        "![mean IoU on VGG-SS with trivial predictors; the paper's bars](figures/figure1.png)",
        "### Three rules, mask and box hull: mean IoU (%) / cIoU@0.5 (%) / AUC",
        RULES_NOTE,
        markdown(_by_rule(layout, rows, trivial)),
    ]
    guided = [row for row in rows if (row, name_of(f"guided_{HEADLINE}")) in table.scores]
    if guided:
        grid = layout.grid(guided, _guided(layout))
        parts += ["### Object-guided localisation", GUIDED_NOTE, markdown(grid)]
    wrong = [
        layout.plain(f"{title}: {sound}", name_of(f"{metric}_{kind}"))
        for title, metric in (("lit", "lit_boxes"), ("confidence", "confidence"))
        for kind, sound in SOUNDS.items()
    ]
    grid = layout.grid(rows, [layout.method(), *wrong])
    parts += ["### Sound that isn't there (%)", WRONG_NOTE, markdown(grid)]
    if plan.by_heard:
        columns = [layout.score(group, name_of(group)) for group in GROUPS]
        grid = layout.grid(rows, [layout.method(), *columns])
        parts += ["### Heard and unheard classes: mean IoU (%)", HEARD_NOTE, markdown(grid)]
    parts += ["### How sure: mean IoU", layout.sure(rows, [headline])]
    csv = pd.concat([exports.tidy(plan, table), *_tidy_trivial(plan, trivial)], ignore_index=True)
    figures = {"figure1": partial(figure1, plan, table, rows, headline, blind)}
    title = "Table 3: another data set (VGG-SS)"
    laid_out = layout.section(title, parts, overview, figures, noted=in_set)
    return replace(laid_out, csv=exports.as_csv(csv))


def name_of(metric: str) -> str:
    """Name of a column."""
    return f"{WHERE} {metric}"


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure the rows trained on V2 and those trained in-set."""
    tables = plan.tables
    blocks = [
        Block(tables.rows_of("table3"), [*_columns(plan, ZERO_SHOT), *_shift_columns(plan)]),
        Block(tables.table3.in_set, [*_columns(plan, IN_SET), *_guided_columns(plan)]),
    ]
    return measure("table3", ledger, blocks, plan.base)


def _column(plan: Plan, name: str, *parts: Part, **options) -> Column:
    return Column(WHERE, name, parts, **{"runs": plan.runs, **options})


def _columns(plan: Plan, setting: str) -> list[Column]:
    """Measures that zero-shot rows and rows trained in-set share."""
    source = Source("vggss", setting, "vggss")
    headline = Part(source, HEADLINE)
    control_runs = plan.shuffle_runs
    columns = []
    for shape, rule in itertools.product(SHAPES, RULES):
        for figure, (_, unit, printed) in FIGURES.items():
            metric = f"{figure}/{rule}/{shape}"
            first = (rule, shape) == ("fixed", "mask") and printed
            paper = ("vggss", ZERO_SHOT, printed) if first else None
            part, judged = Part(source, metric), metric == HEADLINE
            columns.append(_column(plan, metric, part, unit=unit, judged=judged, paper=paper))
    for sound, metric in itertools.product(SOUNDS, ("lit_boxes", "confidence")):
        test = source._replace(evaluation="vggss" if sound == "own" else f"vggss_{sound}")
        columns.append(_column(plan, f"{metric}_{sound}", Part(test, metric), runs=control_runs))
    for group in GROUPS if plan.by_heard else ():
        columns.append(_column(plan, group, Part(source._replace(subset=group), HEADLINE)))
    shuffled = Part(source._replace(evaluation="vggss_shuffled"), HEADLINE)
    return [
        *columns,
        _column(plan, "shuffled", shuffled, runs=control_runs),
        _column(plan, "shuffle_loss", headline, shuffled, runs=control_runs, combine=np.subtract),
    ]


def _shift_columns(plan: Plan) -> list[Column]:
    """Measures of the shift from V2 to VGG-SS."""
    v2 = Part(test_source("v2"), "miou_nonempty")  # VGG-SS has no silent frames to be right on
    here = Part(Source("vggss", ZERO_SHOT, "vggss"), HEADLINE)
    shift = _column(plan, "shift", v2, here, combine=np.subtract)
    return [_column(plan, "v2", v2), shift]


def _guided_columns(plan: Plan) -> list[Column]:
    """Measures with object guidance, and what it adds."""
    source = Source("vggss", IN_SET, "vggss")
    columns = []
    for metric in GUIDED:
        parts = Part(source._replace(evaluation="vggss_guided"), metric), Part(source, metric)
        columns.append(_column(plan, f"guided_{metric}", parts[0]))
        columns.append(_column(plan, f"gain_{metric}", *parts, combine=np.subtract))
    return columns


def _overview(layout: Layout, rows: Sequence[str], trivial: pd.DataFrame, blind: float) -> Grid:
    """Grid of the mask at 0.5: the paper's figures, and the gains of sound and data set.

    blind: the best mean IoU (0..1) of a predictor that neither looks nor listens.
    """
    in_set, headline = layout.plan.tables.table3.in_set, name_of(HEADLINE)

    def below(row: str) -> str:
        score = layout.table.scores.get((row, headline))
        return f" {BLIND}" if score and score.over_runs.low <= blind else ""

    def paper(row: str) -> str:
        for setting in (ZERO_SHOT, IN_SET):
            figures = [layout.table.paper.get((row, WHERE, setting, m)) for m in ("ciou", "auc")]
            if figures[0] is not None:
                return f"{number(figures[0], decimals=2)} / {number(figures[1], decimals=3)}"
        return NONE

    scores = [
        layout.score(title, name_of(f"{figure}/fixed/mask"))
        for figure, (title, *_) in FIGURES.items()
    ]
    first = scores[0].text
    scores[0] = scores[0]._replace(text=lambda row: first(row) + below(row))
    columns = [
        layout.method(),
        GridColumn("trained on", lambda row: "VGG-Sound" if row in in_set else "V2", align="l"),
        layout.track(),
        *scores,
        GridColumn("paper: cIoU / AUC", paper),
        layout.score("shuffled: mean IoU", name_of("shuffled"))._replace(best=""),
        layout.change("own − shuffled", name_of("shuffle_loss")),
        layout.score("V2", name_of("v2")),
        layout.change("shift [95 % interval]", name_of("shift")),
    ]
    grid = layout.grid(rows, columns)
    lines = [
        [line.predictor, NONE, NONE, *_figures(line), *[NONE] * 5]
        for line in trivial[trivial.rule == "fixed"].itertuples()
    ]
    return grid._replace(rows=[*grid.rows, *lines])


def _figures(line) -> list[str]:
    """Texts of a trivial predictor's figures."""
    return [share(getattr(line, name), unit) for name, (_, unit, _) in FIGURES.items()]


def _guided(layout: Layout) -> list[GridColumn]:
    """Columns with and without object guidance."""
    columns = [layout.method()]
    for metric in GUIDED:
        figure, rule, _ = metric.split("/")
        title = FIGURES[figure][0].removesuffix(" (%)")
        columns += [
            layout.score(f"{RULES[rule]}: {title}", name_of(metric)),
            layout.score("guided", name_of(f"guided_{metric}")),
            layout.change("gain [95 % interval]", name_of(f"gain_{metric}")),
        ]
    return columns


def _by_rule(layout: Layout, rows: Sequence[str], trivial: pd.DataFrame) -> Grid:
    """Grid of mean IoU, cIoU and AUC by rule and shape."""
    places = [(rule, shape) for shape in SHAPES for rule in RULES]

    def three(rule: str, shape: str) -> GridColumn:
        def text(row: str) -> str:
            names = [name_of(f"{figure}/{rule}/{shape}") for figure in FIGURES]
            if (row, names[0]) not in layout.table.scores:
                return NONE
            pairs = zip(names, FIGURES.values(), strict=True)
            return " / ".join(
                share(layout.table.scores[row, name].mean, unit) for name, (_, unit, _) in pairs
            )

        return GridColumn(f"{RULES[rule]}, {SHAPES[shape]}", text)

    grid = layout.grid(rows, [layout.method(), *(three(*place) for place in places)])
    lines = [
        [line.predictor]
        + [" / ".join(_figures(line)) if place == (line.rule, "mask") else NONE for place in places]
        for line in trivial.itertuples()
    ]
    return grid._replace(rows=[*grid.rows, *lines])


def _trivial(plan: Plan, ledger: Ledger) -> tuple[pd.DataFrame, str]:
    """Score trivial predictors on the images that are tested; returns a sentence on these too."""
    if plan.annotations is None or not plan.annotations.is_file():
        columns = ["predictor", "rule", "success", "auc", "mean_iou", "n", "empty"]
        return pd.DataFrame(columns=columns), "No annotation file: trivial predictors are left out."
    clips, _ = read_annotations(plan.annotations)
    annotated = len(clips)
    tables = plan.tables.table3
    sources = [(row, Source("vggss", ZERO_SHOT, "vggss")) for row in tables.rows]
    sources += [(row, Source("vggss", IN_SET, "vggss")) for row in tables.in_set]
    for (row, source), run in itertools.product(sources, plan.runs):
        if ledger.record(row, source, run):  # clips that can't be had any more are in no record
            clips = clips[clips.file.isin(ledger.scores(row, source, run).uid)]
            break
    empty = ", ".join(f"`{file}`" for file in clips.file[clips["empty"]])
    return trivial_rows(clips), (
        f"N = {len(clips):,} of {annotated:,} annotated images, {int(clips['empty'].sum())} with "
        f"an empty ground truth, where every prediction scores 0{f': {empty}' if empty else ''}."
    )


def _tidy_trivial(plan: Plan, trivial: pd.DataFrame) -> list[pd.DataFrame]:
    """Lines of the CSV on trivial predictors; none without annotations."""
    lines = [
        {
            "profile": plan.profile,
            "method": line.predictor,
            "where": WHERE,
            "measure": f"{name}/{line.rule}/mask",
            "unit": unit.name,
            "value": unit.factor * getattr(line, name),
        }
        for line in trivial.itertuples()
        for name, (_, unit, _) in FIGURES.items()
    ]
    return [pd.DataFrame(lines)] if lines else []


def _without_truth(trivial: pd.DataFrame) -> dict[str, float]:
    """Mean IoU of the predictors that know nothing of the test set."""
    blind = trivial[~trivial.rule.eq("oracle") & ~trivial.predictor.str.contains("oracle|test set")]
    return dict(zip(blind.predictor, blind.mean_iou, strict=True))
