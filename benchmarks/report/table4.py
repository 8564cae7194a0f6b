"""Table 4: VGG-SS-Sub, classes that AVSBench lacks, with 0 to 5 boxed clips per class."""

from functools import partial

from benchmarks.common.tables import SHARE, markdown
from benchmarks.report.control import control_columns, control_grid
from benchmarks.report.layout import GridColumn, Layout, Section
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure
from benchmarks.report.plan import Plan
from benchmarks.report.shots_figure import shots_figure
from benchmarks.report.tested import tested

HEADLINE, AUC, SUCCESS = (f"{figure}/fixed/mask" for figure in ("mean_iou", "auc", "success"))
ZERO = Source("vggss_sub", "0-shot", "novel", subset="test-{draw}")
DEFINITIONS = """\
Models trained on V2, then fine-tuned on k clips of each class that AVSBench lacks, with boxes as
their masks. One test set per draw for every k, 0 included: the clips of those classes that are not
that draw's shots nor, where enough are left, of their videos. **mean IoU** of the mask at
probability 0.5 with the boxes; **control**: the same number of boxed clips from classes that
AVSBench has, tested on the same clips. Only the gain above the control is class learning: the
rest is learning the box format. **seen**: the classes with a counterpart in AVSBench; **harmonic
mean** of novel and seen. The paper's cIoU looks like mean IoU (see Table 3), and its subset is
not published, so that its figures stand here for their order alone."""


def section(plan: Plan, ledger: Ledger) -> Section:
    """Lay out the table."""
    table = numbers(plan, ledger)
    layout = Layout(plan, table)
    rows = layout.ranked(plan.tables.rows_of("table4"), "0-shot mean_iou")
    overview = layout.grid(rows, _overview(layout))
    parts = [
        DEFINITIONS,
        tested(ledger, rows, ZERO, plan.draws["vggss_sub"]),
        markdown(overview),
        "![mean IoU on novel classes by number of shots, of these and of other classes]"
        "(figures/table4.png)",
        "### What the shots teach: the control, and the seen classes",
        markdown(layout.grid(rows, _details(layout))),
        "### How sure: mean IoU on novel classes",
        layout.sure(rows, table.judged),
    ]
    measures = {"mean_iou": "shots of the novel classes", "control": "control: shots of others"}
    figure = partial(shots_figure, plan, table, plan.tables.table4.rows, measures, "mean IoU")
    title = "Table 4: few-shot transfer (VGG-SS-Sub)"
    return layout.section(title, parts, overview, {"table4": figure})


def numbers(plan: Plan, ledger: Ledger) -> Table:
    """Measure novel and mapped classes at every number of shots."""
    columns = [column for setting in plan.shot_settings for column in _columns(plan, setting)]
    return measure("table4", ledger, [Block(plan.tables.rows_of("table4"), columns)], plan.base)


def _columns(plan: Plan, setting: str) -> list[Column]:
    """Measures at one number of shots."""
    runs, drawn = tuple(plan.draws["vggss_sub"]), setting != "0-shot"
    novel = Source("vggss_sub", setting, "novel", drawn) if drawn else ZERO
    seen = Part(Source("vggss_sub", setting, "mapped", drawn), HEADLINE)
    after, before = Part(novel, HEADLINE), Part(ZERO, HEADLINE)
    control = Part(Source("vggss_sub", f"{setting}-control", "novel", drawn), HEADLINE)
    column, paper = partial(Column, setting, runs=runs), ("vggss_sub", setting)
    columns = [
        column("mean_iou", (after,), judged=True, paper=(*paper, "ciou")),
        column("auc", (Part(novel, AUC),), unit=SHARE, paper=(*paper, "auc")),
        column("success", (Part(novel, SUCCESS),)),
        column("seen", (seen,)),
        column("harmonic_mean", (after, seen), combine=harmonic_mean),
    ]
    if drawn:
        columns += control_columns(setting, after, before, control, runs)
    return columns


def _overview(layout: Layout) -> list[GridColumn]:
    """Columns as the paper prints them, by number of shots."""
    columns = [layout.method(), layout.track()]
    for setting in layout.plan.shot_settings:
        iou, auc, success = (f"{setting} {name}" for name in ("mean_iou", "auc", "success"))
        columns += [
            layout.score(f"{setting} mean IoU (%)", iou),
            layout.score("AUC", auc),
            layout.score("cIoU@0.5 (%)", success),
            layout.paper("paper: cIoU / AUC", iou, auc),
        ]
    return columns


def _details(layout: Layout) -> list[GridColumn]:
    """Columns of the gains over 0 shots, of shots and control; seen classes, harmonic mean."""
    columns = [
        layout.method(),
        layout.score("0-shot: seen", "0-shot seen"),
        layout.score("harmonic mean", "0-shot harmonic_mean"),
    ]
    for setting in layout.plan.shot_settings[1:]:
        columns += [
            *control_grid(layout, setting),
            layout.score("seen", f"{setting} seen"),
            layout.score("harmonic mean", f"{setting} harmonic_mean"),
        ]
    return columns
