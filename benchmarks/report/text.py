"""Cells and sentences that every table has: numbers with their spread, verdicts, gaps."""

from collections.abc import Sequence

import numpy as np

from benchmarks.common.tables import NONE, Grid, number, share, signed
from benchmarks.report.measure import Table, decided
from benchmarks.report.plan import Plan
from benchmarks.scoring.statistics import Interval

NOISE = "≈"
VERDICTS = {"holds": "Holds", "reversed": "Reversed", "undecided": "Undecided"}


def label(plan: Plan, row: str) -> str:
    return f"`{row}` (ceiling)" if row == plan.tables.table1.ceiling else f"`{row}`"


def score(table: Table, row: str, column: str) -> str:
    """Mean ± standard deviation over runs; how many, if some of a judged column are missing."""
    cell = table.cells.get((row, column))
    if cell is None:
        return NONE
    found = table.columns[column]
    text = share(cell.score.mean, found.unit)
    if not np.isnan(cell.score.std):
        text += f" ± {share(cell.score.std, found.unit)}"
    if found.judged and cell.score.runs < cell.planned:
        text += f" ({cell.score.runs} of {cell.planned} runs)"
    return text


def marked(table: Table, row: str, column: str) -> str:
    """The score, with a mark where its difference to the base is inside the noise."""
    cell = table.cells.get((row, column))
    return score(table, row, column) + (f" {NOISE}" if cell and cell.noise else "")


def bounds(table: Table, row: str, column: str) -> str:
    """The 95 % interval of a score."""
    cell = table.cells.get((row, column))
    if cell is None or np.isnan(cell.score.low):
        return NONE
    unit = table.columns[column].unit
    return f"[{share(cell.score.low, unit)}, {share(cell.score.high, unit)}]"


def change(table: Table, row: str, column: str) -> str:
    """A column that is a difference itself: +1.20 [−0.35, +2.00]."""
    cell = table.cells.get((row, column))
    if cell is None:
        return NONE
    unit, found = table.columns[column].unit, cell.score
    return f"{signed(found.mean, unit)} [{signed(found.low, unit)}, {signed(found.high, unit)}]"


def points(table: Table, row: str, column: str) -> str:
    """The same without its interval."""
    cell = table.cells.get((row, column))
    return NONE if cell is None else signed(cell.score.mean, table.columns[column].unit)


def difference(table: Table, row: str, column: str) -> list[str]:
    """Points to the base with their interval and mark; the smallest that could be seen."""
    cell = table.cells.get((row, column))
    found = cell.difference if cell else None
    if found is None:
        return [NONE, NONE]
    mark = f" {NOISE}" if cell.noise else ""
    points = f"{signed(found.mean)} [{signed(found.low)}, {signed(found.high)}]{mark}"
    return [points, number(found.detectable, 100, 2)]


def paper(table: Table, row: str, *columns: str) -> str:
    """The paper's figures, as many decimals as it prints."""
    found = [(table.figure(row, name), table.columns[name].unit) for name in columns]
    if all(value is None for value, _ in found):
        return NONE
    return " / ".join(number(value, decimals=unit.decimals) for value, unit in found)


def orderings_in_words(table: Table) -> str:
    """Which of the paper's orderings hold here, by verdict; empty without any."""
    if not table.orderings:
        return ""
    count = {v: sum(o.verdict == v for o in table.orderings) for v in VERDICTS}
    sentences = [
        f"The paper's orderings of these rows by its first figure (mIoU, or cIoU): on this profile "
        f"{count['holds']} hold, {count['reversed']} reversed, {count['undecided']} undecided "
        "(p < 0.05, Holm over this table)."
    ]
    for verdict, title in VERDICTS.items():
        places: dict[tuple[str, str], list[str]] = {}
        for o in table.orderings:
            if o.verdict == verdict:
                places.setdefault((o.better, o.worse), []).append(where(o.column.where))
        # The base's first: they are what the paper claims.
        ranked = sorted(places, key=lambda pair: table.base not in pair)
        pairs = (f"`{a}` > `{b}` ({', '.join(places[a, b])})" for a, b in ranked)
        sentences.append(f"{title}: {', '.join(pairs) or 'none'}.")
    return " ".join(sentences)


def best_in_words(table: Table, columns: Sequence[str], rows: Sequence[str]) -> str:
    """The highest row of each column, and whether its lead over the base is decided."""
    sentences = []
    for name in columns:
        found = {r: table.cells[r, name].score.mean for r in rows if (r, name) in table.cells}
        if not found:
            continue
        best = max(found, key=found.get)
        text = f"{where(table.columns[name].where)} `{best}` ({share(found[best])})"
        lead = table.contrast(name, best, table.base)
        if lead:
            verdict = "decided" if decided(lead) else "undecided"
            text += f", {signed(lead.mean)} to `{table.base}`, {verdict}"
        sentences.append(text)
    return f"Highest: {'; '.join(sentences)}." if sentences else ""


def where(name: str) -> str:
    """v1s -> V1S, vggss -> VGG-SS, 5-shot stays."""
    return name.upper().replace("VGGSS", "VGG-SS") if name[:1] == "v" else name


def notes(plan: Plan, rows: Sequence[str]) -> str:
    return "\n".join(f"- `{row}`: {plan.notes[row]}" for row in rows if plan.notes.get(row))


def rows_with(places: Sequence[tuple[str, str]]) -> str:
    """`gavs` (V1S, V2), `audio_sam` (V1M)."""
    found = []
    for row in dict.fromkeys(row for row, _ in places):
        names = ", ".join(where(name) for r, name in places if r == row)
        found.append(f"`{row}` ({names})")
    return ", ".join(found)


def missing(table: Table) -> str:
    """The records that the table lacks; a row or a setting that lacks several is named once."""
    measured = {row for row, _ in table.cells}
    names: dict[str, list[str]] = {}
    for key in table.missing:
        whole = f"{key.row}/{key.benchmark}-{key.setting}" if key.row in measured else key.row
        names.setdefault(whole, []).append(str(key))
    if not names:
        return ""
    listed = (
        f"`{keys[0]}`" if len(keys) == 1 else f"`{whole}*` ({len(keys)})"
        for whole, keys in names.items()
    )
    return f"Missing records ({len(table.missing)}): {', '.join(listed)}."


def intervals(plan: Plan, table: Table, rows: Sequence[str], columns: Sequence[str]) -> Grid:
    """Each of some columns with its interval, difference to the base and what would have shown."""
    header, lines = ["method"], [[f"`{row}`"] for row in rows]
    for name in columns:
        header += [f"{where(table.columns[name].where)}: 95 % interval"]
        header += [f"Δ to `{plan.base}`", "detectable"]
        for row, line in zip(rows, lines, strict=True):
            line += [bounds(table, row, name), *difference(table, row, name)]
    return Grid(header, lines, "l" + "r" * (len(header) - 1))


def gaps_in_words(plan: Plan, table: Table, rows: Sequence[str], column: str, what: str) -> str:
    """A difference of scores by row and track: whether its interval reaches 0."""
    found = {row: table.cells[row, column].score for row in rows if (row, column) in table.cells}
    if not found:
        return ""
    words = []
    for track in ("P", "C"):
        members = [row for row in found if track in plan.track(row)]
        named = ", ".join(
            f"`{row}` {signed(found[row].mean)}{_open(found[row])}" for row in members
        )
        words += [f"track {track}: {named}"] if members else []
    return f"{what}, in points, {'; '.join(words)} ({NOISE}: the 95 % interval holds 0)."


def _open(score: Interval) -> str:
    return f" {NOISE}" if score.low <= 0 <= score.high else ""
