"""The study's numbers beside the default's: read from its tables, compared cell by cell."""

import pytest

from benchmarks.report.study import Study, read_study
from benchmarks.report.verdicts import beside_the_study
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from tests.benchmarks.report.conftest import line_of

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


def test_cells_outside_its_interval_and_verdicts_that_differ_are_named(full_desk):
    """gavs has 70, where the study has at most 60; avsbench 50, inside 30 to 60."""
    scores = {
        ("table1", "gavs", "v1s miou"): Interval(0.5, 0.4, 0.6, 0.1, 5),
        ("table1", "avsbench", "v1s miou"): Interval(0.4, 0.3, 0.6, 0.1, 5),
    }
    full_desk.report(study=Study(scores, {"single": "holds", "sub": "holds"}))
    page = (full_desk.results / "verdicts.md").read_text()
    assert "| table1 | 2 | 1 |" in page
    assert "- table1, `gavs`, v1s miou: 70.00; the study has 50.00 [40.00, 60.00]" in page
    assert "0 of 1 verdicts agree." in page  # `sub` isn't measured here
    assert beside_the_study(Study(), [], []) == []
