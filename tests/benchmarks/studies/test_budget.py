"""The study of the budget: which trainings it asks for, and what it says of their scores."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.grid.protocol import training_of
from benchmarks.params import ParamsError, load
from benchmarks.report.verdicts import read_studies
from benchmarks.studies import budget, validated
from benchmarks.studies.budget import scaled, study
from tests.benchmarks.studies.bench import Bench
from tests.copies import ROOT, small_project


@pytest.fixture
def params(tmp_path, monkeypatch):
    small_project(tmp_path, "miniature")
    monkeypatch.chdir(tmp_path)
    return load()


def test_only_the_updates_differ_and_the_models_lie_with_the_profiles(params):
    rows = ["gavs", "tpavi_sam"]
    double = scaled(params, 2.0, rows, ["v2"])
    for row in rows:
        ours, theirs = params.row(row, "v2"), double.row(row, "v2")
        assert theirs.training.steps == 2 * ours.training.steps
        assert theirs.training.model_dump() | {"steps": ours.training.steps} == (
            ours.training.model_dump()
        )
        assert theirs.config == ours.config
        assert double.row(row, "v1s") == params.row(row, "v1s")
    assert double.shared == params.shared == params.work != double.work
    assert scaled(params, 1.0, rows, ["v2"]) == params


def test_a_profile_over_another_ones_work_has_that_work_at_every_budget(tmp_path, monkeypatch):
    """Check on `study`, whose folder has records alone."""
    study_params = load(ROOT / "profiles/study.yaml")
    monkeypatch.chdir(tmp_path)
    for times in budget.TIMES:
        assert scaled(study_params, times, ["gavs"], ["v2"]).shared == Path("work/miniature")
    assert scaled(study_params, 1.0, ["gavs"], ["v2"]) == study_params
    assert list(tmp_path.iterdir()) == []


def test_validation_alone_reads_no_test_score_and_names_what_moves(params, monkeypatch, tmp_path):
    gains = {"gavs": 0.02, "sam_fusion": 0.01}

    def trained(bench, model, name):
        steps = training_of(bench.params, model)[1].steps
        times = steps / params.benchmarks["v2"].training["steps"]
        score = 0.4 + gains[model.row] * times
        return None, {"selection": {"validation": score}, "seconds": 1.0}

    monkeypatch.setattr(validated, "trained", trained)
    monkeypatch.setattr(budget, "Workbench", Bench)
    monkeypatch.setattr(budget, "run_cells", None)
    asked = {"rows": list(gains), "benchmarks": ["v2"], "times": [2], "validation_only": True}
    assert study(params, tmp_path, **asked) == []
    table = pd.read_csv(tmp_path / "budget.csv").set_index(["row", "times"])
    assert table.validation.round(6).to_dict() == {
        ("gavs", 1): 0.42,
        ("gavs", 2): 0.44,
        ("sam_fusion", 1): 0.41,
        ("sam_fusion", 2): 0.42,
    }
    assert table.miou.isna().all() and not (tmp_path / "budget_pairs.csv").exists()
    text = (tmp_path / "budget.md").read_text()
    assert "more than 1.5 points on the validation clips: `gavs` on v2 +2.0." in text
    options = "--rows gavs sam_fusion --benchmarks v2 --times 1 2 --validation-only"
    assert f"`python -m benchmarks budget {options}`" in text  # what printed it
    assert read_studies(tmp_path).pairs == {}


def test_a_row_or_a_benchmark_that_is_not_the_profiles_is_named(params, tmp_path):
    with pytest.raises(ParamsError, match="rows gvas: expected of avsbench, "):
        study(params, tmp_path, ["gvas"])
    with pytest.raises(ParamsError, match="benchmarks v9: expected of v1s, v1m, v2"):
        study(params, tmp_path, benchmarks=["v9"])
