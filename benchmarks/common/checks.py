"""Types of parameter fields that several blocks of params.yaml share."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    """A value given twice would count one record twice."""
    if repeated := [str(v) for v in dict.fromkeys(values) if values.count(v) > 1]:
        raise ValueError(f"{', '.join(repeated)} given more than once")
    return values


Distinct = Annotated[list[T], AfterValidator(_distinct)]
Seed = Annotated[int, Field(ge=0)]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with nested changes, neither of them touched."""
    merged = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = dict(value) if isinstance(value, Mapping) else value
    return merged


def over(default: Mapping[str, Any]) -> BeforeValidator:
    """Validator of a mapping of free keys: what a file says goes over `default`, key by key."""
    return BeforeValidator(lambda v: merge(default, v) if isinstance(v, Mapping) else v)
