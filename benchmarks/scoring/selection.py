"""Selection of an epoch: a named rule on the history of a record, never on the test set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Epoch = Mapping[str, Any]  # an entry of a record's history: epoch, validation (None: not validated)


def _best_val(history: Sequence[Epoch]) -> Epoch:
    validated = [entry for entry in history if entry["validation"] is not None]
    if not validated:
        raise ValueError(
            f"rule `best_val`: none of {len(history)} epochs was validated; "
            "validate at least one epoch or select `last`"
        )
    return max(validated, key=lambda entry: entry["validation"])  # max keeps the earliest of equals


def _last(history: Sequence[Epoch]) -> Epoch:
    return history[-1]


RULES: dict[str, Callable[[Sequence[Epoch]], Epoch]] = {"best_val": _best_val, "last": _last}


def select(rule: str, history: Sequence[Epoch]) -> dict[str, Any]:
    """The record's `selection` block: {"rule", "epoch", "validation"} of the chosen epoch.

    Works on the history so far too: the latest epoch is worth keeping when it is the one selected.
    Raises ValueError for an unknown rule, and for `best_val` when no epoch was validated.
    """
    if rule not in RULES:
        raise ValueError(f"unknown selection rule {rule!r}; known: {', '.join(RULES)}")
    chosen = RULES[rule](history)
    return {"rule": rule, "epoch": chosen["epoch"], "validation": chosen["validation"]}
