"""Changing params.yaml and its profiles in place, their comments kept."""

import io
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmarks.common.files import write_atomic
from benchmarks.params import load
from benchmarks.params.errors import ParamsError


def edit_yaml(path: Path, change: Callable[[Any], list[str]]) -> list[str]:
    """Let `change` edit a YAML document; its list of changes, without which nothing is written."""
    yaml = YAML()  # round trip
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    try:
        document = yaml.load(path.read_text())
    except YAMLError as error:
        raise ParamsError(f"{path}: {error}") from None
    changes = change(document)
    if changes:
        buffer = io.StringIO()
        yaml.dump(document, buffer)
        write_atomic(path, buffer.getvalue())
    return changes


def apply_profile(path: Path, profile: Path) -> list[str]:
    """Write a profile's values over those of `path`; the changes, one a line."""
    if not profile.is_file():
        known = ", ".join(sorted(p.stem for p in profile.parent.glob("*.yaml")))
        raise ParamsError(f"no profile '{profile.stem}'; known: {known}")
    values = YAML().load(profile.read_text())
    changes = edit_yaml(path, lambda document: _overwrite(document, values, ""))
    load(path)
    return changes


def _overwrite(document: Any, values: Mapping[str, Any], where: str) -> list[str]:
    changes = []
    for key, value in values.items():
        old = document.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            changes += _overwrite(old, value, f"{where}{key}.")
        elif old != value:
            changes.append(f"{where}{key}: {old} -> {value}")
            if isinstance(old, list):
                old[:] = value  # in place, so that the list keeps its style and its comments
            else:
                document[key] = value
    return changes


def lower(block: MutableMapping[str, Any], most: Mapping[str, int]) -> list[str]:
    """A change for `edit_yaml`: no whole number above `most` of its key, at any depth; of dotted
    keys the last part counts."""
    changes = []
    for key, value in block.items():
        limit = most.get(str(key).rsplit(".")[-1])
        if isinstance(value, MutableMapping):
            changes += lower(value, most)
        elif limit is not None and isinstance(value, int) and value > limit:
            block[key] = limit
            changes.append(f"{key}: {value} -> {limit}")
    return changes
