"""Rows that were imported and cards: beside the suite's own, marked, with intervals."""

import csv
import io
from dataclasses import replace

import pytest

from benchmarks.predictions.card import Figure, card_of, write_card
from benchmarks.report import exports, imported
from benchmarks.report.ledger import Ledger
from benchmarks.report.write import read
from tests.benchmarks.report.conftest import plan_with

ORIGIN = {"layout": "suite", "resized": {}, "files": "f", "data": "d"}


@pytest.fixture
def ledger(desk, tmp_path, monkeypatch):
    """GAVS, IoU 1 and .6, and two imported rows on the same clips, .8 and .4."""
    monkeypatch.chdir(tmp_path)
    desk.put("gavs", [5, 3], 0)
    for name, kind in (("theirs", "probabilities"), ("binary", "masks")):
        desk.put(name, [4, 2], 0, folder="elsewhere", imported=ORIGIN | {"kind": kind})
    (desk.records / "elsewhere").rename(tmp_path / "imported")
    return Ledger(read(desk.records, plan_with()))


def test_an_imported_row_has_an_interval_a_difference_and_a_place_in_the_summary(ledger):
    (section,) = imported.sections(plan_with(), ledger)
    score = section.table.scores["theirs", "v1s miou"]
    assert score.mean == pytest.approx(0.6) and score.difference.mean == pytest.approx(-0.2)
    assert score.over_runs.low <= 0.6 <= score.over_runs.high
    assert ("binary", "v1s miou") in section.table.scores
    assert ("theirs", "v1s fscore") in section.table.scores
    assert ("binary", "v1s fscore") not in section.table.scores  # it isn't the tables' F
    assert '"theirs": {\n   "v1s_miou": 60.0' in exports.summary(plan_with(), [section.table])
    assert "| `binary` | masks | **60.00**" in "\n".join(section.parts)


def test_what_was_imported_is_told_of_every_run(desk, tmp_path, monkeypatch):
    """Seed 0 as probabilities, seed 1 as masks: F is of seed 0 alone."""
    monkeypatch.chdir(tmp_path)
    desk.put("gavs", [5, 3], 0)
    for seed, kind in enumerate(("probabilities", "masks")):
        desk.put("theirs", [4, 2], seed, folder="elsewhere", imported=ORIGIN | {"kind": kind})
    (desk.records / "elsewhere").rename(tmp_path / "imported")
    (section,) = imported.sections(plan_with(), Ledger(read(desk.records, plan_with())))
    assert "| `theirs` | masks, probabilities |" in "\n".join(section.parts)
    scores = section.table.samples
    assert scores["theirs", "v1s miou"].runs == ((0, None), (1, None))
    assert scores["theirs", "v1s fscore"].runs == ((0, None),)


def test_an_imported_row_says_its_own_number_of_seeds(desk, tmp_path, monkeypatch):
    """Three seeds, of which the plan has two: 60, 50 and 40, its mean over all."""
    monkeypatch.chdir(tmp_path)
    desk.put("gavs", [5, 3], 0)
    origin = ORIGIN | {"kind": "masks"}
    for seed, lit in ((0, [4, 2]), (1, [3, 2]), (7, [2, 2])):
        desk.put("theirs", lit, seed, folder="elsewhere", imported=origin)
    (desk.records / "elsewhere").rename(tmp_path / "imported")
    plan = plan_with()
    records = read(desk.records, plan)
    (section,) = imported.sections(plan, Ledger(records, planned=plan.planned))
    text = "\n".join(section.parts)
    assert "| kind | V1S miou |" in text
    assert "| `theirs` | masks | 50.00 ± 10.00 (n = 3) |" in text


def test_an_import_of_other_data_is_named_and_not_compared(ledger):
    key = next(key for key in ledger.records if key.row == "theirs")
    stored = ledger.records[key]
    checksums = stored.record.checksums.model_copy(update={"index": "f" * 64})
    record = stored.record.model_copy(update={"checksums": checksums})
    records = {**ledger.records, key: replace(stored, record=record)}
    (section,) = imported.sections(plan_with(), Ledger(records))
    assert "left out: `theirs`. Import again.**" in "\n".join(section.parts)
    assert section.table.rows == ["binary"]


def test_without_imports_and_cards_the_report_is_as_before(desk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    desk.put("gavs", [5, 3], 0)
    assert imported.sections(plan_with(), Ledger(read(desk.records, plan_with()))) == []


def test_cards_show_what_is_reported_against_what_is_counted(ledger, tmp_path):
    (stored,) = (s for key, s in ledger.records.items() if key.row == "theirs")
    told = [
        Figure(benchmark="v1s", metric="miou", value=0.7, rule="tables"),
        Figure(benchmark="v1s", metric="miou", value=0.71, rule="avsbench_squash"),
        Figure(benchmark="v1m", metric="miou", value=0.5, rule="tables"),
        Figure(benchmark="v1s", metric="miou", value=0.72, rule="tables", source='v2, "b"\nnext'),
    ]
    said = {"who": "they", "trained_on": "v1s train", "reported": told}
    write_card(tmp_path / "cards/theirs.json", card_of("theirs", [stored]).model_copy(update=said))
    _, section = imported.sections(plan_with(), ledger)
    lines = list(csv.reader(io.StringIO(section.csv)))
    assert lines[1:5] == [
        ["theirs", "v1s", "miniature", "probabilities", "70.00", "tables", "60.00"],
        ["theirs", "v1s", "miniature", "probabilities", "72.00", "tables", "60.00"],
        ["theirs", "v1s", "miniature", "probabilities", "71.00", "avsbench_squash", "–"],
        ["theirs", "v1m", "–", "reported", "50.00", "tables", "–"],
    ]
    assert ["AVSBench", "v1s train", "paper", "reported", "78.70", "avsbench_squash", "–"] in lines
