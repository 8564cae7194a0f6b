"""Nested values against pydantic models; errors name the key and the nearest known one."""

import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any

import pydantic


class ParamsError(ValueError):
    """A parameter file that can't be used; the message names every offending key."""


def validate(model: type[pydantic.BaseModel], values: Any, where: str) -> Any:
    """`model(**values)`, with errors that name the full key and the nearest known one."""
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        lines = []
        for e in error.errors():
            key = ".".join(str(part) for part in ((where,) if where else ()) + e["loc"])
            if e["type"] == "extra_forbidden":
                known = _fields_at(model, e["loc"][:-1])
                lines.append(f"unknown key {key}{nearest(str(e['loc'][-1]), known)}")
            else:
                lines.append(f"{key}: {e['msg']} (got {e['input']!r:.80})")
        raise ParamsError("; ".join(lines)) from None


def _fields_at(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the nested model that `loc` leads to."""
    for part in loc:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
        model = next((o for o in options if hasattr(o, "model_fields")), None)
        if model is None:
            return []
    return list(model.model_fields)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (types.UnionType, typing.Union)


def nearest(word: str, known: list[str]) -> str:
    """The end of an error: what may have been meant, or what there is."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else ""


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with nested changes, neither of them touched."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = dict(value) if isinstance(value, Mapping) else value
    return merged
