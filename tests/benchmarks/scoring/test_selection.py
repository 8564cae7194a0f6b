import pytest

from benchmarks.scoring.selection import select


def history(*validation: float | None) -> list[dict]:
    return [
        {"epoch": i, "step": 10 * i, "validation": v, "loss": -i} for i, v in enumerate(validation)
    ]


def test_best_val_is_the_earliest_of_the_highest():
    chosen = select("best_val", history(None, 0.4, 0.6, 0.5, 0.6, None))
    assert chosen == {"rule": "best_val", "epoch": 2, "step": 20, "validation": 0.6}


def test_a_score_of_zero_is_validated():
    assert select("best_val", history(None, 0.0))["epoch"] == 1


def test_last_needs_no_validation():
    assert select("last", history(0.9, 0.1, None)) == {
        "rule": "last",
        "epoch": 2,
        "step": 20,
        "validation": None,
    }


def test_best_val_without_validation_is_an_error():
    with pytest.raises(ValueError, match="none of 2 entries was validated"):
        select("best_val", history(None, None))


def test_an_unknown_rule_names_the_known_ones():
    with pytest.raises(ValueError, match="'best_test'; known: best_val, last"):
        select("best_test", history(0.1))
