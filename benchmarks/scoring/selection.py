"""Selection of an entry of a training's history by a named rule, never by the test set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Epoch = Mapping[str, Any]  # an entry of a history: epoch, step, validation (None: not validated)


def _best_val(history: Sequence[Epoch]) -> Epoch:
    validated = [entry for entry in history if entry["validation"] is not None]
    if not validated:
        raise ValueError(
            f"rule `best_val`: none of {len(history)} entries was validated; "
            "validate at least once or select `last`"
        )
    return max(validated, key=lambda entry: entry["validation"])  # max keeps the earliest of equals


def _last(history: Sequence[Epoch]) -> Epoch:
    return history[-1]


RULES: dict[str, Callable[[Sequence[Epoch]], Epoch]] = {"best_val": _best_val, "last": _last}


def select(rule: str, history: Sequence[Epoch]) -> dict[str, Any]:
    """The record's `selection` block: {"rule", "epoch", "step", "validation"} of the chosen entry.

    Works on the history so far too: the latest entry is worth keeping when it is the one selected.
    Raises ValueError for an unknown rule, and for `best_val` when none was validated.
    """
    if rule not in RULES:
        raise ValueError(f"unknown selection rule {rule!r}; known: {', '.join(RULES)}")
    chosen = RULES[rule](history)
    return {"rule": rule, **{key: chosen[key] for key in ("epoch", "step", "validation")}}
