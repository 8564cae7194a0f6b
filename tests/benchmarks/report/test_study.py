"""The study's numbers beside the default's: read from its tables, compared cell by cell."""

import numpy as np
import pytest

from benchmarks.report.agreement import agreement, predicted
from benchmarks.report.study import Study, read_study
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from tests.benchmarks.report.conftest import line_of, plan_with

V1S = "### V1S, profile"


def test_a_study_is_read_from_the_tables_it_wrote(full_desk):
    """What `full_desk` is: gavs 70 with sd 14.14 of two seeds, F 0.889; avsbench 50."""
    full_desk.report()
    study = read_study(full_desk.results)
    gavs = study.scores["table1", "gavs", "v1s miou"]
    assert gavs.mean == pytest.approx(0.7) and gavs.std == pytest.approx(0.2 / 2**0.5)
    assert gavs.low < 0.7 < gavs.high and gavs.runs == 2
    assert study.scores["table1", "gavs", "v1s fscore"].mean == pytest.approx(0.8887, abs=1e-4)
    assert study.verdicts["multi"] == "not measured"
    assert read_study(full_desk.results / "nowhere") == Study()
    (full_desk.results / "tables/table1.csv").write_text("method\ngavs\n")
    with pytest.raises(RecordError, match="table1.csv"):
        read_study(full_desk.results)


def test_it_stands_beside_each_cell(full_desk):
    scores = {("table1", "gavs", "v1s miou"): Interval(0.5, 0.4, 0.6, 0.1, 5)}
    text = full_desk.report(study=Study(scores))
    assert line_of(text, "gavs", V1S)[4] == "50.00 [40.00, 60.00] (n = 5)"
    assert line_of(text, "avsbench", V1S)[4] == "–"
    assert "the study" not in full_desk.report()


def test_new_runs_lie_within_the_seeds_spread():
    """Three seeds with sd 0.1, t of 2 degrees 4.303; of one run ± 0.4303 sqrt(1 + 1/3)."""
    low, high = predicted(Interval(0.5, 0.3, 0.7, 0.1, 3), 1)
    assert (low, high) == (pytest.approx(0.5 - 0.4968, abs=1e-4), pytest.approx(0.9968, abs=1e-4))
    low, high = predicted(Interval(0.5, 0.3, 0.7, 0.1, 3), 3)
    assert (high - low) / 2 == pytest.approx(0.4303 * (2 / 3) ** 0.5, abs=1e-4)


def test_95_of_100_new_runs_lie_inside():
    """Over studies of five seeds from a normal: by simulation, to within three standard errors."""
    rng = np.random.default_rng(0)
    seeds, new = rng.normal(0, 0.03, (20_000, 5)), rng.normal(0, 0.03, 20_000)
    inside = [
        low <= run <= high
        for s, run in zip(seeds, new, strict=True)
        for low, high in [predicted(Interval(s.mean(), 0, 0, s.std(ddof=1), 5), 1)]
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.0047)


def test_cells_outside_and_verdicts_that_differ_are_named(full_desk):
    """Two runs each: gavs has 70, of two seeds 50 ± 1 are within 50 ± 12.7; avsbench 50, 40 ± 1
    are within 40 ± 12.7."""
    scores = {
        ("table1", "gavs", "v1s miou"): Interval(0.5, 0.4, 0.6, 0.01, 2),
        ("table1", "avsbench", "v1s miou"): Interval(0.4, 0.3, 0.6, 0.01, 2),
        ("table1", "oracle_click", "v1s miou"): Interval(1, 1, 1, np.nan, 1),
    }
    text = full_desk.report(study=Study(scores, {"single": "holds", "sub": "holds"}))
    page = (full_desk.results / "agreement.md").read_text()
    summary = "1 of 2 cells lie inside the study's interval for new runs, 0 of 1 verdicts agree."
    assert summary in page and f"[Beside the study](agreement.md): {summary}" in text
    assert "| table1 | 2 | 1 |" in page
    line = "- table1, `gavs`, v1s miou: 70.00; the study has 50.00, new runs in [37.29, 62.71]"
    assert line in page and "avsbench" not in page
    assert page.count("; the study: holds") == 1  # `sub` isn't measured here
    assert agreement(Study(), [], []) is None
    full_desk.report()
    assert "agreement.md" not in (full_desk.results / "tables.md").read_text()


def test_cells_of_other_code_stand_beside_nothing(full_desk):
    """The recipe of gavs on V1S is another, that of its floor and of avsbench the same."""
    scores = {
        ("table1", row, f"v1s {measure}"): Interval(0.7, 0.6, 0.8, 0.1, 2)
        for row in ("gavs", "avsbench")
        for measure in ("miou", "floor", "floor_gain")
    }
    recipes = {"table1 gavs v1s": "a", "table1 gavs v1s floor": "b", "table1 avsbench v1s": "c"}
    study = Study(scores, recipes=recipes)
    assert study.beside(recipes).older == frozenset()
    older = study.beside(recipes | {"table1 gavs v1s": "x", "table2 gavs v3 0-shot": "y"})
    assert older.older == {"gavs v1s train"}
    text = full_desk.report(study=older)
    assert line_of(text, "gavs", V1S)[4] == "–"
    assert line_of(text, "avsbench", V1S)[4] == "70.00 [60.00, 80.00] (n = 2)"
    assert "Left out: 1 settings of which the study is of other code." in text
    assert "- gavs v1s train" in (full_desk.results / "agreement.md").read_text()


def test_n_stands_where_a_row_has_further_seeds(full_desk):
    """A third seed of gavs alone: its mean is (80 + 60 + 100) / 3, and nothing is missing."""
    full_desk.put("gavs", [5, 5], 2)
    plan = plan_with()
    text = full_desk.report(plan, more_seeds={"gavs": [2]}, all_judged=True)
    assert line_of(text, "gavs", V1S)[2] == "80.00 ± 20.00 (n = 3)"
    assert line_of(text, "avsbench", V1S)[2] == "50.00 ± 14.14 ᵃ"
    assert "seeds 0, 1, of 1 rows 2 too." in text and "seed2" not in text
    (full_desk.records / "table1/gavs/gavs-v1s-train-drawNone-seed2.json").unlink()
    text = full_desk.report(plan, more_seeds={"gavs": [2]}, all_judged=True)
    assert line_of(text, "gavs", V1S)[2] == "70.00 ± 14.14 (2 of 3 runs)"
