"""Summaries -> grids of text and sentences: what a reader of the tables sees."""

from collections.abc import Sequence

import numpy as np

from benchmarks.report.formats import METRICS, NONE, Grid, number, signed
from benchmarks.report.summary import Cell, Table

NOISE = "≈"
DEAF = "†"
VERDICTS = ("holds", "reversed", "undecided")


def overview(table: Table) -> Grid:
    """Methods x benchmarks: what a reader looks for first."""
    header = ["method"]
    for benchmark in table.plan.benchmarks:
        name = benchmark.upper()
        header += [f"{name} mIoU (%)", f"{name} F", f"{name} paper: mIoU / F"]
    rows = []
    for row in table.plan.rows:
        line = [_label(table, row)]
        for benchmark in table.plan.benchmarks:
            line += [
                _score(table, row, benchmark, "miou") + _marks(table.cells.get((row, benchmark))),
                _score(table, row, benchmark, "fscore"),
                _paper(table, row, benchmark),
            ]
        rows.append(line)
    return Grid(header, rows, "l" + "r" * (len(header) - 1))


def details(table: Table, benchmark: str) -> Grid:
    """One benchmark: how sure each figure is, and what it took."""
    header = ["method", "mIoU (%)", "95 % interval", f"Δ to `{table.plan.base}`", "detectable"]
    header += ["floor", "shuffled", "trained parameters", "updates", "videos / clips"]
    rows = []
    for row in table.plan.rows:
        line = [_label(table, row), _score(table, row, benchmark, "miou")]
        cell = table.cells.get((row, benchmark))
        if cell is None:
            rows.append(line + [NONE] * (len(header) - len(line)))
            continue
        found, counts = cell.metrics["miou"], cell.counts
        rows.append(
            [
                *line,
                f"[{number(found.low, 100, 2)}, {number(found.high, 100, 2)}]",
                *_difference(cell),
                number(cell.floor, 100, 2),
                number(cell.shuffled, 100, 2) + (f" {DEAF}" if is_deaf(cell) else ""),
                number(counts.trainable_parameters),
                number(counts.updates),
                f"{number(counts.train_videos)} / {number(counts.train_clips)}",
            ]
        )
    return Grid(header, rows, "l" + "r" * (len(header) - 1))


def readings(table: Table, benchmark: str) -> Grid:
    """One benchmark by every other reading of the metric, all from the same predictions."""
    names = [name for name in METRICS if name != "miou"]
    titles = [METRICS[n].title + (" (%)" if METRICS[n].factor == 100 else "") for n in names]
    rows = [
        [_label(table, row), *(_score(table, row, benchmark, name) for name in names)]
        for row in table.plan.rows
    ]
    return Grid(["method", *titles], rows, "l" + "r" * len(titles))


def ablations(table: Table) -> Grid:
    """The base, then each group of variants with what it gains or costs."""
    (benchmark,) = table.plan.benchmarks
    header = ["group", "variant", "mIoU (%)", "F", f"Δ to `{table.plan.base}`", "detectable"]
    header += ["trained parameters", "what differs"]
    rows = []
    for group, members in table.plan.groups.items():
        for i, row in enumerate(members):
            cell = table.cells.get((row, benchmark))
            rows.append(
                [
                    "" if i else group,
                    _label(table, row),
                    _score(table, row, benchmark, "miou"),
                    _score(table, row, benchmark, "fscore"),
                    *_difference(cell),
                    number(cell.counts.trainable_parameters if cell else None),
                    table.plan.notes.get(row, ""),
                ]
            )
    return Grid(header, rows, "llrrrrrl")


def orderings(table: Table) -> Grid:
    """The paper's orderings by verdict."""
    rows = []
    for benchmark in table.plan.benchmarks:
        pairs = {
            verdict: ", ".join(
                f"`{o.better}` > `{o.worse}`"
                for o in table.orderings
                if o.benchmark == benchmark and o.verdict == verdict
            )
            for verdict in VERDICTS
        }
        rows.append([benchmark.upper(), *(pairs[verdict] or NONE for verdict in VERDICTS)])
    return Grid(["the paper's order on", *VERDICTS], rows, "llll")


def orderings_in_words(table: Table) -> str:
    count = {v: sum(o.verdict == v for o in table.orderings) for v in VERDICTS}
    return (
        f"The paper's order of these rows by mIoU, pair by pair: {count['holds']} hold on this "
        f"profile, {count['reversed']} are reversed, {count['undecided']} undecided."
    )


def sound_in_words(table: Table) -> str:
    """Which rows use the sound, by the two checks that were made."""
    cells = table.cells
    sentences = []
    if any(cell.shuffle_loss for cell in cells.values()):
        deaf = [place for place, cell in cells.items() if is_deaf(cell)]
        sentences.append(
            f"Shuffling the sound does not lower the score of {_places(table, deaf)}."
            if deaf
            else "Shuffling the sound lowers the score of every row."
        )
    if any(cell.floor_gain for cell in cells.values()):
        low = [p for p, cell in cells.items() if cell.floor_gain and cell.floor_gain.low <= 0]
        sentences.append(
            f"No better than its floor, so that it gains nothing from sound: {_places(table, low)}."
            if low
            else "Every row scores above its floor."
        )
    return " ".join(sentences)


def ablations_in_words(table: Table) -> str:
    judged = {row: cell for (row, _), cell in table.cells.items() if cell.difference}
    clear = [f"`{row}` {signed(c.difference.mean)}" for row, c in judged.items() if not c.noise]
    listed = f" ({', '.join(clear)})" if clear else ""
    return f"Outside the noise: {len(clear)} of {len(judged)} variants{listed}."


def is_deaf(cell: Cell) -> bool:
    """Whether the sound of other classes does as well as the clip's own."""
    return cell.shuffle_loss is not None and cell.shuffle_loss.low <= 0


def _places(table: Table, places: Sequence[tuple[str, str]]) -> str:
    """`gavs` (V1S, V2), `audio_sam` (V1M: its note)."""
    found = []
    for row in dict.fromkeys(row for row, _ in places):
        where = ", ".join(benchmark.upper() for r, benchmark in places if r == row)
        note = table.plan.notes.get(row)
        found.append(f"`{row}` ({where}: {note})" if note else f"`{row}` ({where})")
    return "; ".join(found)


def _label(table: Table, row: str) -> str:
    return f"`{row}` (ceiling)" if row == table.plan.ceiling else f"`{row}`"


def _score(table: Table, row: str, benchmark: str, name: str) -> str:
    """Mean ± standard deviation over seeds; beside the mIoU, how many if some are missing."""
    cell = table.cells.get((row, benchmark))
    if cell is None:
        return NONE
    metric, found = METRICS[name], cell.metrics[name]
    text = number(found.mean, metric.factor, metric.decimals)
    if not np.isnan(found.std):
        text += f" ± {number(found.std, metric.factor, metric.decimals)}"
    planned = 1 if row == table.plan.ceiling else len(table.plan.seeds)
    if name == "miou" and len(cell.seeds) < planned:
        text += f" ({len(cell.seeds)} of {planned} seeds)"
    return text


def _marks(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f" {NOISE}" * cell.noise + f" {DEAF}" * is_deaf(cell)


def _paper(table: Table, row: str, benchmark: str) -> str:
    figures = [table.plan.paper.get((row, benchmark, name)) for name in ("miou", "fscore")]
    if figures == [None, None]:
        return NONE
    return f"{number(figures[0], decimals=2)} / {number(figures[1], decimals=3)}"


def _difference(cell: Cell | None) -> list[str]:
    """mIoU points to the base with their interval and mark; the smallest that could be seen."""
    d = cell.difference if cell else None
    if d is None:
        return [NONE, NONE]
    mark = f" {NOISE}" if cell.noise else ""
    text = f"{signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]{mark}"
    return [text, number(d.detectable, 100, 2)]
