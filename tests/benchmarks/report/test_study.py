"""The study's numbers beside the default's: read from its tables, compared cell by cell."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.common.tables import PERCENT
from benchmarks.report.agreement import Measured, agreement, predicted
from benchmarks.report.ledger import Ledger
from benchmarks.report.page import UNKNOWN, page
from benchmarks.report.study import Study, read_study
from benchmarks.report.table1 import numbers
from benchmarks.report.write import read
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from tests.benchmarks.report.conftest import line_of, plan_with, section

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


TABLE = "method,where,measure,unit,value,sd,low,high,runs\n"
RUNS = "table,method,where,measure,unit,seed,draw,value\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "table1",
            TABLE + "gavs,v1s,miou,%,abc,,1,2,3\n",
            "line 2: value 'abc', expected a number",
        ),
        (
            "table1",
            TABLE + "gavs,v1s,miou,%,1,,1,2,3\ngavs,v1s,miou,%,2,,1,2,3\n",
            "line 3: method gavs, where v1s, measure miou again, as in line 2",
        ),
        ("runs", RUNS + "table1,gavs,v1s,miou,%,x,,1\n", "line 2: seed 'x', expected a whole"),
        ("claims", "claim,verdict\n=======\n", "line 2: 1 values, expected 2"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, name, text, message):
    (tmp_path / "tables").mkdir()
    (tmp_path / f"tables/{name}.csv").write_text(text)
    with pytest.raises(RecordError, match=f"tables/{name}.csv: .*{message}.*restore it from git"):
        read_study(tmp_path)


def test_it_stands_beside_each_cell(full_desk):
    scores = {("table1", "gavs", "v1s miou"): Interval(0.5, 0.4, 0.6, 0.1, 5)}
    text = full_desk.report(study=Study(scores))
    assert line_of(text, "gavs", V1S)[4] == "50.00 [40.00, 60.00] (n = 5)"
    assert line_of(text, "avsbench", V1S)[4] == "–"
    assert "the study" not in full_desk.report()


def test_a_new_run_lies_within_the_other_seeds_spread():
    """Three seeds with sd 0.1, t of 2 degrees 4.303; of one run ± 0.4303 sqrt(1 + 1/3)."""
    low, high = predicted([0.4, 0.5, 0.6], 1)
    assert (low, high) == (pytest.approx(0.5 - 0.4968, abs=1e-4), pytest.approx(0.9968, abs=1e-4))
    low, high = predicted([0.4, 0.5, 0.6], 3)
    assert (high - low) / 2 == pytest.approx(0.4303 * (2 / 3) ** 0.5, abs=1e-4)


@pytest.mark.parametrize("seeds", [3, 5])
def test_95_of_100_cells_lie_inside_though_their_seed_is_the_studys(seeds):
    """Trainings from a normal, the first of which the default has too: by simulation, to within
    three standard errors."""
    rng = np.random.default_rng(seeds)
    inside = []
    for scores in rng.normal(0, 0.03, (5000, seeds)):
        study = {(seed, ""): score for seed, score in enumerate(scores.tolist())}
        cell = Measured("table1", "gavs", "v1s miou", PERCENT, {(0, ""): scores[0]}, study)
        assert cell.same
        inside.append(cell.inside)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.0093)


def test_the_judged_scores_of_a_report_are_on_file_run_by_run(full_desk):
    """gavs has 80 and 60, avsbench 20 less, the ceiling one run; F and controls aren't judged."""
    full_desk.report()
    lines = pd.read_csv(full_desk.results / "tables/runs.csv")
    table1 = lines[lines.table == "table1"]
    assert {*zip(table1["where"], table1.measure, strict=True)} == {("v1s", "miou")}
    values = {(line.method, line.seed): line.value for line in table1.itertuples()}
    assert values["gavs", 0] == 80 and values["gavs", 1] == 60 and values["avsbench", 1] == 40
    assert [key for key in values if key[0] == "oracle_click"] == [("oracle_click", 0)]
    assert read_study(full_desk.results).runs["table1", "gavs", "v1s miou"] == {
        (0, ""): pytest.approx(0.8),
        (1, ""): pytest.approx(0.6),
    }


def test_a_draw_is_the_same_in_a_study_whatever_the_file_makes_of_it(full_desk):
    """Beside lines without a draw pandas reads 0 as 0.0."""
    for seed in (0, 1):
        name = f"fraction-{0.1}"
        full_desk.put("gavs", [3, 3], seed, None, name, "v2", "figure3/fractions", draw=seed)
    full_desk.report()
    text = (full_desk.results / "tables/runs.csv").read_text()
    assert "figure3,gavs,10 %,miou,%,1,1,60.000000\n" in text
    assert "table1,gavs,v1s,miou,%,1,,60.000000\n" in text
    study = read_study(full_desk.results)
    assert {*study.runs["figure3", "gavs", "10 % miou"]} == {(0, "0"), (1, "1")}
    full_desk.report(study=study)
    page = (full_desk.results / "agreement.md").read_text()
    assert "| figure3 | 1 | 1 | 0 | 0 |" in page


def test_cells_outside_and_verdicts_that_differ_are_named(full_desk):
    """Two runs each. gavs has 80 and 60, the study 80 of seed 0 and another of 1; its other two
    are 50 ± 1.41: of two new runs 50 ± 12.71 × 1.41. avsbench has 60 and 40 as in the study, whose
    other two are 50 ± 14.1; the ceiling has no other."""

    def by_seed(*scores):
        return {(seed, ""): score for seed, score in enumerate(scores)}

    runs = {
        ("table1", "gavs", "v1s miou"): by_seed(0.8, 0.5, 0.49, 0.51),
        ("table1", "avsbench", "v1s miou"): by_seed(0.6, 0.4, 0.4, 0.6),
        ("table1", "oracle_click", "v1s miou"): by_seed(1),
    }
    scores = {place: Interval(0.5, 0.4, 0.6, 0.01, len(by_run)) for place, by_run in runs.items()}
    study = Study(scores, runs, {"single": "holds", "sub": "holds"})
    text = full_desk.report(study=study)
    page = (full_desk.results / "agreement.md").read_text()
    summary = (
        "2 of 3 cells are what the study has for the same seeds, 1 of 2 lie inside the interval of "
        "its other seeds for new runs, 0 of 1 verdicts agree."
    )
    assert summary in page and f"[Beside the study](agreement.md): {summary}" in text
    assert "| table1 | 3 | 2 | 2 | 1 |" in page
    assert (
        "- table1, `gavs`, v1s miou: 70.00; the study's other seeds have 49.00, 51.00, new runs in "
        "[32.03, 67.97]"
    ) in page
    assert "`avsbench`" not in page
    assert page.count("; the study: holds") == 1  # `sub` isn't measured here
    assert agreement(Study(), [], []) is None
    table = numbers(plan_with(), Ledger(read(full_desk.records, plan_with())))
    assert len(agreement(study, [table, table], []).cells) == 3  # a score of two tables is one
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


def test_a_row_that_lacks_runs_says_so_wherever_it_has_a_score(full_desk):
    """gavs_no_cue has one of two seeds; of three floors gavs has two, (20 + 60) / 2."""
    (full_desk.records / "ablations/prompt/gavs_no_cue-v1s-train-drawNone-seed1.json").unlink()
    full_desk.put("gavs", [5, 5], 2)
    full_desk.put("gavs", [3, 3], 2, setting="floor")
    plan = plan_with()
    text = full_desk.report(plan, more_seeds={"gavs": [2]}, floor_seeds=None)
    ablations = section(text, "## Ablations").replace("**", "")
    assert "| `gavs_no_cue` | 80.00 (1 of 2 runs)" in ablations
    gavs = line_of(text, "gavs", V1S)
    assert gavs[2].startswith("80.00 ± 20.00 (n = 3)")
    assert gavs[6].startswith("40.00 (2 of 3 runs)")
    assert "**Records that are missing: " in text
    assert "Number of seeds: 2 to 3." in full_desk.report(
        plan, more_seeds={"gavs": [2]}, shuffle_seeds=None
    )


def test_the_studys_page_is_no_profile_of_your_own(full_desk):
    plan = plan_with()
    records = {key: stored.record for key, stored in read(full_desk.records, plan).items()}
    text = page(replace(plan, profile="study", more_seeds={"gavs": [2]}), [], records, [])
    assert "The default's cells with more seeds and draws" in text and UNKNOWN not in text
    assert "seeds 0, 1, of 1 rows 2 too." in text
