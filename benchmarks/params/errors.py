"""Validation of nested values by pydantic models; errors name the key and the nearest known one."""

import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pydantic

MOST = 20  # errors of one file that are listed


class ParamsError(ValueError):
    """Error of a parameter file that can't be used; the message names every offending key."""


def validate(model: type[pydantic.BaseModel], values: Any, where: str) -> Any:
    """Build `model(**values)`.

    Raises:
        ParamsError: naming the full key of each wrong value, and the nearest known one.
    """
    try:
        made = model.model_validate(values)
    except pydantic.ValidationError as error:
        errors = error.errors()
        lines = [_line(model, e, where) for e in errors[:MOST]]
        if len(errors) > MOST:
            lines.append(f"and {len(errors) - MOST} more")
        raise ParamsError("; ".join(lines)) from None
    if keys := list(_switches(values, made, where)):
        raise ParamsError("; ".join(f"{k}: expected a number, not true or false" for k in keys))
    return made


def _switches(given: Any, made: Any, key: str) -> Iterator[str]:
    """Yield the keys of true and false that pydantic took for the numbers 1 and 0."""
    if isinstance(given, bool) and type(made) in (int, float):
        yield key
    elif isinstance(given, Mapping):
        for name, value in given.items():
            part = made.get(name) if isinstance(made, Mapping) else getattr(made, str(name), None)
            yield from _switches(value, part, f"{key}.{name}" if key else str(name))
    elif isinstance(given, list) and isinstance(made, list | tuple):
        for number, (value, part) in enumerate(zip(given, made, strict=False)):
            yield from _switches(value, part, f"{key}.{number}")


def _line(model: type[pydantic.BaseModel], error: Mapping[str, Any], where: str) -> str:
    """Describe what is wrong with one key, with its value where that is short and no block."""
    key = ".".join(str(part) for part in ((where,) if where else ()) + error["loc"])
    if error["type"] == "extra_forbidden":
        *parents, last = error["loc"]
        return f"unknown key {key}{nearest(str(last), _fields_at(model, parents))}"
    if error["type"] == "missing":
        return f"{key}: missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "expected a mapping of keys to values"
    value = ascii(error["input"])
    got = "" if isinstance(error["input"], Mapping) or len(value) > 80 else f" (got {value})"
    return f"{key}: {message}{got}" if key else f"{message}{got}"


def _fields_at(model: Any, loc: Iterable[int | str]) -> list[str]:
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


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return `value`, a free block of keys, if it is a mapping.

    Raises:
        ParamsError: it is none.
    """
    if not isinstance(value, Mapping):
        raise ParamsError(f"{where}: expected a mapping of keys to values (got {ascii(value):.80})")
    return value


def nearest(word: str, known: list[str]) -> str:
    """End of an error: the known word that may have been meant, or all known ones."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(known)}" if known else ""
