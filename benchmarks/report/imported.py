"""Predictions that were made elsewhere: imported records, and the cards of cards/."""

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd

from benchmarks.common.tables import NONE, SHARE, Grid, markdown, number
from benchmarks.experiments import SPECS, csv_lines, paper_csv
from benchmarks.predictions.card import (
    CardError,
    Figure,
    ResultCard,
    figures_of,
    read_cards,
    scores_of,
)
from benchmarks.predictions.imported import Imported
from benchmarks.predictions.submission import TESTS
from benchmarks.report.exports import as_csv
from benchmarks.report.layout import GridColumn, Layout, Section, title_of
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, Table, measure
from benchmarks.report.plan import Plan
from benchmarks.scoring.records import Key
from gavs.reading import reading

OTHER_DATA = "**Of another state of the data, so left out: {rows}. Import again.**"
TEXT = (
    "Predictions that were made elsewhere, scored here by the tables' rule; **masks**: binary "
    "ones, whose F isn't the tables'. Made by `python -m benchmarks import` and `card`."
)
CARDS = (
    "What a card reports against what its counts give, mIoU (%; of VGG-SS the mean IoU) by each "
    "rule. The GAVS paper's figures are reported alone: nobody has its predictions."
)


def sections(plan: Plan, ledger: Ledger) -> list[Section]:
    """Lay out the imported rows and the cards; nothing where there are none."""
    keys = [key for key, stored in ledger.records.items() if isinstance(stored.record, Imported)]
    own = {s.record.checksums.index for key, s in ledger.records.items() if key not in keys}
    stale = [k for k in keys if own and ledger.records[k].record.checksums.index not in own]
    keys = [key for key in keys if key not in stale]
    laid_out = [_imported(plan, ledger, keys, stale)] if keys or stale else []
    cards = read_cards()
    return [*laid_out, _cards(plan, cards)] if cards else laid_out


def _imported(plan: Plan, ledger: Ledger, keys: Sequence[Key], stale: Sequence[Key]) -> Section:
    table = numbers(plan, ledger, keys)
    layout = Layout(plan, table)
    kinds = {
        row: ", ".join(sorted({_kind(ledger, key) for key in keys if key.row == row}))
        for row in table.rows
    }
    columns = [layout.method(), GridColumn("kind", lambda row: kinds[row], align="l")]
    for name, column in table.columns.items():
        score = layout.score(name, name, after=partial(_runs, table, name))
        columns.append(score._replace(title=f"{title_of(column.where)} {column.measure}"))
        if column.judged:
            columns += [layout.interval("95 % interval", name), *layout.difference(name)]
    grid = layout.grid(table.rows, columns)
    rows = ", ".join(dict.fromkeys(f"`{key.row}`" for key in stale))
    parts = [TEXT, *([OTHER_DATA.format(rows=rows)] if stale else []), markdown(grid)]
    return layout.section("Predictions made elsewhere", parts, grid)


def _runs(table: Table, column: str, row: str) -> str:
    """How many seeds a score is over: imports may have others than the profile."""
    score = table.scores.get((row, column))
    return f" (n = {score.over_runs.runs})" if score else ""


def numbers(plan: Plan, ledger: Ledger, keys: Sequence[Key]) -> Table:
    """Measure every imported row on the tests that it has predictions of."""
    blocks = []
    for row in dict.fromkeys(key.row for key in keys):
        columns = []
        for benchmark in dict.fromkeys(key.benchmark for key in keys if key.row == row):
            mine = [key for key in keys if (key.row, key.benchmark) == (row, benchmark)]
            runs = tuple((key.seed, key.draw) for key in mine)
            source = Source(benchmark, mine[0].setting, TESTS[benchmark].evaluation)
            first = "mean_iou/fixed/mask" if benchmark == "vggss" else "miou"
            title = "mean IoU" if benchmark == "vggss" else "miou"
            columns.append(Column(benchmark, title, (Part(source, first),), runs, judged=True))
            soft = [key for key in mine if _kind(ledger, key) == "probabilities"]
            if benchmark != "vggss" and soft:
                f, runs = Part(source, "fscore"), tuple((key.seed, key.draw) for key in soft)
                columns.append(Column(benchmark, "fscore", (f,), runs, unit=SHARE))
        blocks.append(Block([row], columns))
    return measure("imported", ledger, blocks, plan.base)


def _kind(ledger: Ledger, key: Key) -> str:
    """What was imported: probabilities or masks."""
    record = ledger.records[key].record
    assert isinstance(record, Imported)
    return record.imported.kind


def _cards(plan: Plan, cards: Sequence[ResultCard]) -> Section:
    header = ["name", "benchmark", "profile", "kind", "reported", "by rule", "re-scored"]
    lines = [line for card in cards for line in _lines(card)]
    paper = [
        [method, figure.benchmark, "paper", "reported", _percent(figure), figure.rule or NONE, NONE]
        for method, figure in paper_figures()
        if figure.metric in ("miou", "ciou")
    ]
    grid = Grid(header, [*lines, *paper], "llllrlr")
    text = as_csv(pd.DataFrame(grid.rows, columns=header))
    parts = [f"## Cards, profile `{plan.profile}`", CARDS, markdown(grid)]
    return Section("cards", parts, text, grid)


def _lines(card: ResultCard) -> Iterator[list[str]]:
    """A line per figure that is reported or counted."""
    told = [f for f in card.reported if f.metric in ("miou", "mean_iou")]
    for result in card.results:
        counted = figures_of(scores_of(result))
        rules = ["tables"] if result.benchmark != "vggss" else ["mean_iou"]
        here = [f for f in told if f.benchmark == result.benchmark]
        place = [card.name, result.benchmark, result.profile, result.kind]
        for rule in dict.fromkeys([*rules, *(f.rule for f in here if f.rule in counted)]):
            for said in [_percent(f) for f in here if f.rule == rule] or [NONE]:
                yield [*place, said, rule, number(counted[rule], 100, 2)]
        for figure in here:
            if figure.rule not in counted:
                yield [*place, _percent(figure), figure.rule or NONE, NONE]
    for figure in told:
        if figure.benchmark not in {result.benchmark for result in card.results}:
            place = [card.name, figure.benchmark, NONE, "reported"]
            yield [*place, _percent(figure), figure.rule or NONE, NONE]


def _percent(figure: Figure) -> str:
    return number(figure.value, 100, 2)


def paper_figures() -> Iterator[tuple[str, Figure]]:
    """The GAVS paper's own figures with their method, from each table's paper.csv."""
    for path in filter(None, map(paper_csv, SPECS)):
        with reading(path, CardError, "as the paper's figures"):
            for line in csv_lines(path):
                factor = 100 if line["metric"] in ("miou", "ciou") else 1
                figure = Figure(
                    benchmark=f"{line['benchmark']} {line['setting']}",
                    metric=line["metric"],
                    value=float(line["value"]) / factor,
                    rule=line["rule"],
                    source=f"GAVS paper, {line['source']}",
                )
                yield line["method"], figure
