"""The published figure beside a result, by the rule of the code that printed it.

Figures, rules and sources stand in `paper.csv` of each table's folder. Column `rule`: one of
scoring.rosetta's rules for masks, empty where the code isn't public; for boxes figure and rule of
`box_terms`, as table3.PAPER_NOTE says why.
"""

from collections.abc import Sequence
from typing import cast

from benchmarks.experiments import csv_lines, paper_csv
from benchmarks.grid.protocol import Cell, record_stem
from benchmarks.params import Params
from benchmarks.report.measure import row_of
from benchmarks.scoring.boxes import BoxScores, Figure, Rule, box_terms
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import fscore, miou
from benchmarks.scoring.npz import load_scores
from benchmarks.scoring.rosetta import RULES


def published_lines(params: Params, cells: Sequence[Cell]) -> list[str]:
    """A line per published figure of these cells that have a record; none for a miniature world."""
    if params.world is not None:
        return []
    return [line for cell in cells for line in _lines(params, cell)]


def _lines(params: Params, cell: Cell) -> list[str]:
    stem, place = record_stem(params, cell), (cell.row, cell.benchmark, cell.setting)
    record, path = stem.with_name(f"{stem.name}.npz"), paper_csv(cell.table)
    figures = [
        line
        for line in (csv_lines(path) if path else [])
        if (row_of(line["method"]), line["benchmark"], line["setting"]) == place
    ]
    if not figures or not record.is_file():
        return []
    scores = next(iter(load_scores(record).values()))
    return [
        f"{cell} {line['metric']}: published: {line['value']} by "
        f"{_named(line['rule'])} ({line['source']}); yours: "
        f"{_yours(scores, line['metric'], line['rule'])}"
        for line in figures
    ]


def _named(rule: str) -> str:
    sources = {known.name: known.source.split(":")[0] for known in RULES}
    if rule in sources:
        return f"the rule of {sources[rule]}"
    figure, _, boxes = rule.partition("/")
    named = {"success": "the share of IoUs of 0.5 or more", "mean_iou": "mean IoU", "auc": "AUC"}
    return f"{named[figure]}, rule {boxes}, as it looks" if boxes else "an unnamed rule"


def _yours(scores: FrameScores | BoxScores, metric: str, rule: str) -> str:
    """A result in the published figure's unit; by the tables' rule where none is named."""
    if isinstance(scores, BoxScores):
        figure, boxes = rule.split("/")
        value = box_terms(scores, cast(Figure, figure), cast(Rule, boxes), "mask").value
        return f"{value:.3f}" if metric == "auc" else f"{100 * value:.2f}"
    known = {known.name: known for known in RULES}
    by = known.get(rule, known["tables"])
    if metric == "fscore":
        return f"{fscore(scores, by.f_unit or 'clip', by.f_empty):.3f}"
    return f"{100 * miou(scores, by.threshold, by.unit, by.empty, by.resolution):.2f}"
