"""Lines of a CSV that lies in git, where it can be merged or edited by hand."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

EXPECTED = {int: "a whole number", float: "a number or nothing"}


def read_lines(text: str, columns: Mapping[str, type], key: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV that has these columns and perhaps others, which stay text.

    Called inside of `gavs.reading.reading`, which adds the file's name.

    Args:
        columns: what each holds: `str`, `int`, or `float`, NaN where it is empty.
        key: columns that name a line together; none may be there twice.

    Raises:
        ValueError: no such CSV, naming the line and what was expected in it.
    """
    file = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(file, [])
    if missing := [name for name in columns if name not in header]:
        raise ValueError(f"no column {', '.join(missing)} in line 1, {_start(header)}")
    rows: list[dict[str, Any]] = []
    seen: dict[tuple, int] = {}
    for values in filter(None, file):
        place = f"line {file.line_num}"
        if len(values) != len(header):
            counts = f"{len(values)} values, expected {len(header)}"
            raise ValueError(f"{place}: {counts} as line 1 has: {_start(values)}")
        row: dict[str, Any] = dict(zip(header, values, strict=True))
        for name, kind in columns.items():
            try:
                row[name] = np.nan if kind is float and not row[name] else kind(row[name])
            except ValueError:
                found = f"{name} {row[name]!r}"
                raise ValueError(f"{place}: {found}, expected {EXPECTED[kind]}") from None
        named = tuple(row[name] for name in key)
        if key and (first := seen.setdefault(named, file.line_num)) != file.line_num:
            again = ", ".join(f"{name} {row[name]}" for name in key)
            raise ValueError(f"{place}: {again} again, as in line {first}; expected once")
        rows.append(row)
    return pd.DataFrame(rows, columns=header)


def _start(values: Sequence[str]) -> str:
    """Start of a line, by which one recognises it."""
    return repr(",".join(values)[:40])
