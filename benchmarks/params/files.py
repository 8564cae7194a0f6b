"""Reading and writing parameter files: YAML of bounded size, and edits that keep its comments."""

import io
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    NodeEvent,
)

from benchmarks.common.checks import merge
from benchmarks.common.files import write_atomic
from benchmarks.params.errors import ParamsError

LARGEST = 2**20  # bytes of a file; the longest part of one is a list of clips to leave out
NODES = 100_000  # values and keys, an anchor's counted again wherever it is repeated
DEPTH = 20


def read_text(path: Path) -> str:
    """Read the text of a parameter file.

    Raises:
        ParamsError: it isn't there, is no plain file, is too large, or isn't UTF-8.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ParamsError(f"{path}: not a plain file; expected YAML text")
        if status.st_size > LARGEST:
            raise ParamsError(f"{path}: {status.st_size:,} bytes; expected at most {LARGEST:,}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror or error}") from None
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ParamsError(f"{path}: encoded as UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            f"{path}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8 (Latin-1, "
            "perhaps); save the file as UTF-8"
        ) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping that a parameter file holds.

    Raises:
        ParamsError: as `read_text`; or it isn't YAML, too large or deep, or not a mapping.
    """
    text = read_text(path)
    try:
        _bound(text)
        values = YAML(typ="safe").load(text)
    except Exception as error:  # whatever the parser raises, it is this file's
        raise ParamsError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected a mapping of keys to values, as `profile: smoke`")
    return values


def read_values(path: Path) -> dict[str, Any]:
    """Read a parameter file; with `extends: NAME` its values go over those of that profile, which
    is params.yaml or in `profiles/`.

    Raises:
        ParamsError: as `read_yaml`; or there is no such profile, or it extends another one.
    """
    values = read_yaml(path)
    if (name := values.pop("extends", None)) is None:
        return values
    folders = (path.parent, path.parent.parent)
    files = [f for folder in folders for f in (folder / "params.yaml", folder / f"{name}.yaml")]
    files += [folder / "profiles" / f"{name}.yaml" for folder in folders]
    for file in files:
        if file.is_file() and (base := read_yaml(file)).get("profile") == name:
            if "extends" in base:
                raise ParamsError(f"{path}: extends: {file} extends another profile itself")
            return merge(base, values)
    raise ParamsError(f"{path}: extends: no profile '{name}' in params.yaml or profiles/")


def _bound(text: str) -> None:
    """Count the values of a YAML text before any is built; an alias counts as what it stands for.

    Raises:
        ValueError: they are too many or too deep.
    """
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []  # anchor and number of the nodes before it
    nodes = 0
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"*{event.anchor} stands for nothing, or for what it is in")
            nodes += sizes[event.anchor]
        elif isinstance(event, NodeEvent):
            nodes += 1
            if isinstance(event, CollectionStartEvent):
                opened.append((event.anchor, nodes - 1))
            elif event.anchor:
                sizes[event.anchor] = 1
        if nodes > NODES:
            raise ValueError(f"more than {NODES:,} values, its aliases written out")
        if len(opened) > DEPTH:
            raise ValueError(f"values nested more than {DEPTH} deep")


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Write a parameter file for programs, without comments."""
    buffer = io.StringIO()
    YAML(typ="safe").dump(dict(values), buffer)
    write_atomic(path, buffer.getvalue())


def edit_yaml(path: Path, change: Callable[[Any], list[str]]) -> list[str]:
    """Let `change` edit a YAML document; returns its list of changes, writes only if it has any.

    The writer is the one of `dvc exp run --set-param`, whose lines the files in `profiles/` have:
    what isn't changed stays, byte for byte.
    """
    read_yaml(path)
    yaml = YAML()  # round trip
    document = yaml.load(read_text(path))
    changes = change(document)
    if changes:
        buffer = io.StringIO()
        yaml.dump(document, buffer)
        write_atomic(path, buffer.getvalue())
    return changes


def lower(values: Mapping[str, Any], most: Mapping[str, int]) -> dict[str, Any]:
    """Cut whole numbers, at any depth, to at most `most` of their key; of dotted keys the last part
    counts."""

    def lowered(key: Any, value: Any) -> Any:
        if isinstance(value, Mapping):
            return lower(value, most)
        limit = most.get(str(key).rsplit(".")[-1])
        return min(value, limit) if limit is not None and isinstance(value, int) else value

    return {key: lowered(key, value) for key, value in values.items()}
