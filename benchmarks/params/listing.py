"""List of every knob with its value and default: `python -m benchmarks params`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.checks import merge
from benchmarks.miniature.config import WorldConfig
from benchmarks.params import Params, load
from benchmarks.params.errors import ParamsError, nearest
from benchmarks.params.files import read_values
from gavs.configs import CONFIGS


def listing(path: Path, prefix: str = "") -> list[str]:
    """List the knobs below a dotted prefix, one line each: `key = value`, as JSON; with the default
    where the file sets the key.

    Raises:
        ParamsError: the file isn't valid, or it has no such key.
    """
    params, stated = load(path), dict(_leaves(read_values(path)))
    present, defaults = dict(_leaves(_full(params))), dict(_leaves(_defaults(params)))
    keys = [key for key in present if f"{key}.".startswith(f"{prefix}." if prefix else "")]
    if not keys:
        parents = {key.rsplit(".", n)[0] for key in present for n in range(key.count(".") + 1)}
        raise ParamsError(f"{path}: no key {prefix}{nearest(prefix, sorted(parents))}")
    lines = []
    for key in keys:
        line = f"{key} = {json.dumps(present[key])}"
        if key in stated:
            line += f"  # {path.name}"
            line += f"; default {json.dumps(defaults[key])}" if key in defaults else ""
        lines.append(line)
    return lines


def _leaves(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each dotted key with its value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value


def _full(params: Params) -> dict[str, Any]:
    """All values, defaults of the methods' classes included."""
    values = params.model_dump(mode="json")
    for name, block in values["methods"].items():
        defaults = CONFIGS[name]().model_dump(mode="json")
        values["methods"][name] = merge(defaults, block)
    return values


def _defaults(params: Params) -> dict[str, Any]:
    """All values of a file that sets only required keys."""
    required = {name for name, field in Params.model_fields.items() if field.is_required()}
    values = params.model_dump(mode="json", include=required)
    defaults = _full(Params.model_validate(values))
    world = WorldConfig().model_dump(mode="json")
    return {k: v for k, v in defaults.items() if k not in required} | {"world": world}
