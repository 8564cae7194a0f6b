"""Two states of the tables, of the working tree or of git: what an edit did to the figures."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.common.lines import read_lines
from benchmarks.common.tables import NONE, SHARE, signed
from benchmarks.experiments import SPECS
from gavs.reading import reason

PLACES = ["table", "method", "where", "measure"]  # columns that name a figure of the tables
VALUES = ["value", "low", "high"]
LINES = 40  # of changed figures that are printed


class CompareError(ValueError):
    """Two things that can't be compared: which, and what can."""


def tables_of(name: str, results: Path) -> dict[str, pd.DataFrame] | None:
    """Tables as CSV of the working tree (`.`) or of a git revision; None if it is neither.

    Raises:
        CompareError: there are none, or one can't be read.
    """
    texts: dict[str, Callable[[], str | None]]
    if name == ".":
        texts = {
            str(p): partial(p.read_text, "utf-8") for p in sorted(results.glob("tables/*.csv"))
        }
    else:
        known = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if known is None:
            return None
        prefix = f"./{results.as_posix()}/tables"
        listed = _git("ls-tree", "--name-only", known.strip(), f"{prefix}/") or ""
        paths = [path for path in listed.splitlines() if path.endswith(".csv")]
        texts = {f"{name}:{path}": partial(_git, "show", f"{name}:./{path}") for path in paths}
    if not texts:
        raise CompareError(f"{name}: no tables in {results}/tables; make them with `dvc repro`")
    columns = dict.fromkeys(PLACES[1:], str) | dict.fromkeys(VALUES, float)
    frames = {}
    for place, read in texts.items():
        table = Path(place).stem
        try:
            text = read() or ""
            first = text.partition("\n")[0].split(",")
            if table in SPECS or {*columns} <= {*first}:  # not runs.csv, which has a line per seed
                frames[table] = read_lines(text, columns, PLACES[1:])
        except Exception as error:  # as in `gavs.reading`, but of a revision there is no path
            why = f"can't be read as a table: {reason(error)}"
            remedy = "; resolve its conflict, or restore it from git" if name == "." else ""
            raise CompareError(f"{place}: {why}{remedy}") from None
    return frames


def _git(*arguments: str) -> str | None:
    """Output of git; None where it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table
    )


def changed(first: Mapping[str, pd.DataFrame], second: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Figures of the tables that differ between two states of the results, the surest first.

    Columns: PLACES, `first`, `second`, `change`, `outside` (no interval of one holds the other),
    `only` (the side that alone has the figure).
    """
    sides = [
        pd.concat([frame.assign(table=name) for name, frame in sorted(side.items())])
        for side in (first, second)
    ]
    merged = sides[0][PLACES + VALUES].merge(
        sides[1][PLACES + VALUES], "outer", PLACES, suffixes=("_1", "_2"), indicator="only"
    )
    merged["change"] = merged.value_1 - merged.value_2
    same = (merged.change.abs() < 1e-6) | (merged.value_1.isna() & merged.value_2.isna())
    merged = merged[~same].copy()
    low, high = merged.value_1 < merged.low_2, merged.value_1 > merged.high_2
    merged["outside"] = (low | high) & (
        (merged.value_2 < merged.low_1) | (merged.value_2 > merged.high_1)
    )
    width = (merged.high_1 - merged.low_1).combine(merged.high_2 - merged.low_2, max)
    merged["weight"] = merged.change.abs() / width
    merged["only"] = merged.only.map({"left_only": "first", "right_only": "second", "both": ""})
    merged = merged.sort_values(["weight", *PLACES], ascending=[False, *[True] * len(PLACES)])
    renamed = merged.rename(columns={"value_1": "first", "value_2": "second"})
    return renamed[[*PLACES, "first", "second", "change", "outside", "only"]]


def changes_text(changes: pd.DataFrame, names: tuple[str, str]) -> str:
    """What an edit did to the tables, for a terminal."""
    both = changes[changes.only == ""]
    lines = []
    if both.empty:
        lines.append("no figure differs")
    else:
        table = [["figure", "first", "second", "change", ""]]
        for line in both.head(LINES).itertuples():
            name = f"{line.table} {line.method} {line.where} {line.measure}"
            figures = [f"{value:.3f}" for value in (line.first, line.second)]
            outside = "outside both intervals" if line.outside else ""
            table.append([name, *figures, signed(line.change, SHARE), outside])
        lines.append(aligned(table))
        surely = f"{int(both.outside.sum())} outside both intervals"
        lines.append(f"{len(both)} figures differ, {surely}, the first {LINES} at most above")
    for side, name in (("first", names[0]), ("second", names[1])):
        rows = changes[changes.only == side][["table", "method"]].drop_duplicates()
        if len(rows):
            listed = ", ".join(f"{r.table} {r.method}" for r in rows.head(10).itertuples())
            lines.append(f"only in {name}: {listed}" + (" …" if len(rows) > 10 else ""))
    lines.append(
        f"first: {names[0]}, second: {names[1]}; git holds tables, not records: "
        f"not paired by video, so there is no p ({NONE})"
    )
    return "\n".join(lines)
