"""Seconds of finished cells, from records written here."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.common.files import write_sealed
from benchmarks.grid.spent import seconds_of, spent
from benchmarks.params import ParamsError


def write(root: Path, name: str, method: str, model: str, training: float, total: float) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    run = {"training_seconds": training, "seconds": total}
    write_sealed(root / name, {"method": method, "benchmark": "v2", "model": model, "run": run})


@pytest.fixture
def records(tmp_path) -> Path:
    """Two cells of one model, of which the second trained it; another model; one untrained."""
    root = tmp_path / "records"
    write(root, "table1/train/a.json", "gavs", "x", 100.0, 110.0)
    write(root, "robustness/score/a.json", "gavs", "x", 100.0, 6.0)
    write(root, "table1/train/b.json", "auss", "y", 200.0, 230.0)
    write(root, "table1/train/c.json", "oracle_click", "z", 0.0, 4.0)
    return root


def test_a_shared_model_is_trained_once(records):
    lines = seconds_of(sorted(records.rglob("*.json")), records)
    assert lines.groupby("method").training.sum().to_dict() == {
        "gavs": 100.0,
        "auss": 200.0,
        "oracle_click": 0.0,
    }
    assert lines.groupby("table").scoring.sum().to_dict() == {"robustness": 6.0, "table1": 44.0}
    assert lines.trainings.sum() == 2 and lines.total.sum() == 350.0


def test_a_model_that_a_study_trained_is_counted_once_too(tmp_path):
    """`tune` trained x before both of its cells; y's second cell, by name, trained it."""
    write(tmp_path, "robustness/score/a.json", "gavs", "x", 100.0, 6.0)
    write(tmp_path, "table1/train/a.json", "gavs", "x", 100.0, 10.0)
    write(tmp_path, "table3/score/b.json", "auss", "y", 200.0, 4.0)
    write(tmp_path, "table4/train/b.json", "auss", "y", 200.0, 230.0)
    lines = seconds_of(sorted(tmp_path.rglob("*.json")), tmp_path)
    assert lines.training.tolist() == [100.0, 0.0, 0.0, 200.0]
    assert lines.scoring.tolist() == [6.0, 10.0, 4.0, 30.0]
    assert lines.total.tolist() == [106.0, 10.0, 4.0, 230.0]


def test_the_most_expensive_stand_first(records):
    text = spent(SimpleNamespace(work=records.parent))
    assert "| table1 | 3 | 2 | 300 | 44 | 98.3 |\n| robustness | 1 | 0 | 0 | 6 | 1.7 |" in text
    assert text.endswith("| all | 4 | 2 | 300 | 50 | 100.0 |")


def test_without_records_it_says_what_makes_them(tmp_path):
    with pytest.raises(ParamsError, match="no record; `dvc repro` makes them"):
        spent(SimpleNamespace(work=tmp_path))
