"""Strict readers of text files made by others, CSV and JSON; errors name the file and line."""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gavs.reading import reading, shown

LARGEST = 1 << 28  # bytes of a text file; the largest published one, vggsound.csv, has 14 MB
NAMED = 20  # problems of a file that an error lists: a wrong file has 200,000 of them
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class SplitError(ValueError):
    """Error of an input that no split can be made of: one printable message with all problems."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [shown(p) for p in ([problems] if isinstance(problems, str) else problems)]
        super().__init__("\n  ".join([f"{len(self.problems)} problem(s):", *self.problems]))


def raise_if(problems: Sequence[str]) -> None:
    """Raise a `SplitError` that lists the problems, if there are any."""
    if problems:
        raise SplitError(problems)


def shortened(problems: Sequence[str]) -> list[str]:
    """Cut a list to its first `NAMED` problems and a line that counts the others."""
    more = len(problems) - NAMED
    return list(problems) if more <= 0 else [*problems[:NAMED], f"and {more} more"]


def read_text(path: Path) -> str:
    """Read a file in UTF-8, with or without a byte order mark.

    Raises:
        SplitError: no such file, no regular file, larger than `LARGEST`, or not UTF-8 text.
    """
    path = Path(path)
    try:
        with reading(path, SplitError):
            size = path.stat().st_size
            if size > LARGEST:
                raise SplitError(f"{path}: {size:,} bytes, expected a text file of a few million")
            content = path.read_bytes()
    except FileNotFoundError as error:
        raise SplitError(str(error)) from None
    remedy = "expected UTF-8; save it again in that encoding"
    if content.startswith(_UTF16):
        raise SplitError(f"{path}: line 1: text in UTF-16, {remedy}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{content[error.start]:02x}"
        raise SplitError(f"{path}: line {line}: {byte}, perhaps Latin-1, {remedy}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SplitError(f"{path}: line {line}: a NUL byte (damaged, or UTF-16), {remedy}")
    return text


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Read the rows of a CSV, each with the number of its first line; blank lines are skipped.

    Raises:
        SplitError: as `read_text`; a quote that doesn't end, a field of over 131,072 characters, or
            one with a character that doesn't print.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows, line = [], 1
    try:
        for fields in reader:
            if fields:
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise SplitError(f"{path}: line {line}: {error}") from None
    odd = [(n, f) for n, fields in rows for f in fields if not f.replace("\t", "").isprintable()]
    raise_if(shortened([f"{path}: line {n}: {f!r:.80}, expected printable text" for n, f in odd]))
    return rows


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV with at least these columns, all text, nothing read as missing.

    Raises:
        SplitError: as `read_rows`; a column missing or named twice, or a row that is longer or
            shorter than the header.
    """
    rows = read_rows(path)
    if not rows:
        raise SplitError(f"{path}: empty, expected a header with the columns {list(columns)}")
    header = rows[0][1]
    missing = [c for c in columns if c not in header]
    if missing:
        raise SplitError(f"{path}: column(s) {missing} missing; found {header!r:.300}")
    twice = [name for name, count in Counter(header).items() if count > 1]
    raise_if([f"{path}: line 1: column {name!r:.80} twice" for name in twice])
    raise_if(shortened([_ragged(path, *row, header) for row in rows if len(row[1]) != len(header)]))
    return pd.DataFrame([fields for _, fields in rows[1:]], columns=header, dtype=str)


def _ragged(path: Path, line: int, fields: list[str], header: list[str]) -> str:
    ending = ", and ends in a comma" if fields[-1] == "" and len(fields) > len(header) else ""
    expected = f"{len(header)}: {','.join(header):.80}"
    return f"{path}: line {line}: has {len(fields)} fields{ending}, expected {expected}"


def read_json(path: Path, parse_int: Callable[[str], Any] = int) -> Any:
    """Read a JSON file.

    Raises:
        SplitError: as `read_text`; not JSON (with line and column), or a key twice in one object.
    """
    text = read_text(path)
    with reading(path, SplitError, "as JSON"):
        return json.loads(text, parse_int=parse_int, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"key {twice[0]!r:.80} twice in one object")
    return dict(pairs)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table without its index, and the folders above the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
