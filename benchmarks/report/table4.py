"""Table 4: VGG-SS-Sub, classes that AVSBench lacks, with 0 to 5 boxed clips a class."""

from collections.abc import Sequence

import numpy as np

from benchmarks.common.tables import NONE, PERCENT, SHARE, Grid, markdown
from benchmarks.report import exports, text
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, harmonic_mean, measure, read_paper
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section

HEADLINE, AUC, SUCCESS = (f"{figure}/fixed/mask" for figure in ("mean_iou", "auc", "success"))
DEFINITIONS = """\
Models trained on V2, then fine-tuned on k clips of each class that AVSBench lacks, with boxes as
their masks. One test set a draw for every k, 0 included: the clips of those classes that are not
that draw's shots nor, where enough are left, of their videos. **mean IoU** of the mask at
probability 0.5 with the boxes; **control**: the same number of boxed clips from classes that
AVSBench has, tested on the same clips. Only the gain above the control is class learning: the
rest is learning the box format. **seen**: the classes with a counterpart in AVSBench; **harmonic
mean** of novel and seen. The paper's cIoU looks like mean IoU (see Table 3), and its subset is
not published, so that its figures stand here for their order alone."""


def section(plan: Plan, ledger: Ledger) -> Section:
    table, rows = numbers(plan, ledger), plan.tables.table4.rows
    scored = [name for name, column in table.columns.items() if column.judged]
    most = f"{max(plan.shots)}-shot"
    parts = [
        f"## Table 4: few-shot transfer (VGG-SS-Sub), profile `{plan.profile}`",
        DEFINITIONS,
        markdown(overview(plan, table, rows)),
        "### What the shots teach: the control, and the seen classes",
        markdown(details(plan, table, rows)),
        "### How sure: mean IoU on novel classes",
        markdown(text.intervals(plan, table, rows, scored)),
        "### In words",
        text.orderings_in_words(table),
        text.best_in_words(table, scored, rows),
        text.gaps_in_words(
            plan, table, rows, f"{most} above_control", f"Class learning at {most}, above control"
        ),
        text.missing(table),
    ]
    csv = exports.csv(plan, table)
    return Section("table4", parts, csv, overview(plan, table, rows), table)


def settings(plan: Plan) -> list[str]:
    return ["0-shot", *(f"{k}-shot" for k in plan.shots)]


def numbers(plan: Plan, ledger: Ledger) -> Table:
    columns = [column for setting in settings(plan) for column in _columns(plan, setting)]
    blocks = [Block(plan.tables.table4.rows, columns)]
    return measure("table4", ledger, blocks, plan.base, read_paper("table4_few_shot_transfer"))


def _columns(plan: Plan, setting: str) -> list[Column]:
    runs, zero = tuple(plan.draws["vggss_sub"]), Source("vggss_sub", "0-shot", "novel")
    zero = zero._replace(subset="test-{draw}")
    drawn = setting != "0-shot"
    novel = Source("vggss_sub", setting, "novel", drawn) if drawn else zero
    seen = Source("vggss_sub", setting, "mapped", drawn)
    own, start = Part(novel, HEADLINE), Part(zero, HEADLINE)
    control = Part(Source("vggss_sub", f"{setting}-control", "novel", drawn), HEADLINE)

    def column(measure_: str, parts, combine=None, unit=PERCENT, **options) -> Column:
        return Column(setting, measure_, measure_, parts, runs, combine, unit, **options)

    paper = ("vggss_sub", setting)
    columns = [
        column("mean_iou", (own,), judged=True, paper=(*paper, "ciou")),
        column("auc", (Part(novel, AUC),), unit=SHARE, paper=(*paper, "auc")),
        column("success", (Part(novel, SUCCESS),)),
        column("seen", (Part(seen, HEADLINE),)),
        column("harmonic_mean", (own, Part(seen, HEADLINE)), harmonic_mean),
    ]
    if drawn:
        columns += [
            column("control", (control,)),
            column("gain", (own, start), np.subtract),
            column("control_gain", (control, start), np.subtract),
            column("above_control", (own, control), np.subtract),
        ]
    return columns


def overview(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    """As the paper prints it, by number of shots."""
    header = ["method", "track"]
    lines = [[f"`{row}`", plan.track(row) or NONE] for row in rows]
    for setting in settings(plan):
        names = [f"{setting} {measure_}" for measure_ in ("mean_iou", "auc", "success")]
        header += [f"{setting} mean IoU (%)", "AUC", "cIoU@0.5 (%)", "paper: cIoU / AUC"]
        for row, line in zip(rows, lines, strict=True):
            line += [
                text.marked(table, row, names[0]),
                *(text.score(table, row, name) for name in names[1:]),
                text.paper(table, row, *names[:2]),
            ]
    return Grid(header, lines, "ll" + "r" * (len(header) - 2))


def details(plan: Plan, table: Table, rows: Sequence[str]) -> Grid:
    """Gains over 0 shots, of the shots and of the control; seen classes and harmonic mean."""
    header = ["method", "0-shot: seen", "harmonic mean"]
    lines = [
        [f"`{row}`", *(text.score(table, row, f"0-shot {m}") for m in ("seen", "harmonic_mean"))]
        for row in rows
    ]
    for setting in settings(plan)[1:]:
        header += [f"{setting}: gain", "control's gain", "above control [95 % interval]"]
        header += ["seen", "harmonic mean"]
        for row, line in zip(rows, lines, strict=True):
            line += [
                text.points(table, row, f"{setting} gain"),
                text.points(table, row, f"{setting} control_gain"),
                text.change(table, row, f"{setting} above_control"),
                text.score(table, row, f"{setting} seen"),
                text.score(table, row, f"{setting} harmonic_mean"),
            ]
    return Grid(header, lines, "l" + "r" * (len(header) - 1))
