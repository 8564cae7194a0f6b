"""The paper's claims on records small enough to judge by hand (conftest.py).

A difference that is the same on every video and with every seed is certain, so it is decided.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.report.claims import NOT_MEASURED, Claim, claims
from benchmarks.report.ledger import LEARNED, RIVALS, Ledger, Part, Source
from benchmarks.report.standing import standings
from benchmarks.report.strata import strata_of
from benchmarks.report.table1 import numbers
from benchmarks.report.verdicts import claims_csv, current, read_studies, verdicts_page
from benchmarks.report.write import read
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Difference
from tests.benchmarks.report.conftest import RULES, Desk, boxes, frames, plan_with


def judged(desk: Desk, strata=None, **changes) -> dict[str, Claim]:
    plan = plan_with(**changes)
    ledger = Ledger(read(desk.records, plan), strata)
    ledger.below = standings(plan, ledger)
    return {claim.name: claim for claim in claims(plan, ledger)}


def put(desk: Desk, row: str, lit: Sequence[int], **options) -> None:
    for seed in (0, 1):
        desk.put(row, lit, seed, **options)


def test_prompt_against_fusion_is_judged_on_pairs_that_differ_in_that_alone(desk):
    put(desk, "gavs", [4, 2])
    put(desk, "sam_fusion", [3, 1])
    put(desk, "avsbench", [5, 5])  # another decoder, loss and backbone: context
    claim = judged(desk)["pairs_seen"]
    assert claim.verdict == "holds" and claim.runs == (2, 2)
    assert [(c.where, c.better, c.worse) for c in claim.contrasts] == [
        ("V1S", "gavs", "sam_fusion")
    ]
    assert claim.contrasts[0].difference.mean == pytest.approx(0.2)
    assert [(c.worse, c.difference.mean) for c in claim.context] == [
        ("avsbench", pytest.approx(-0.4))
    ]
    assert claim.evidence == "holds 1 of 1; V1S: `gavs` − `sam_fusion` +20.00 [+20.00, +20.00]"
    put(desk, "sam_fusion_add", [5, 3])  # another operator is better
    assert judged(desk)["pairs_seen"].verdict == "mixed"
    put(desk, "avsbench", [0, 0])  # below all dark: no context either
    assert not judged(desk)["pairs_seen"].context
    put(desk, "sam_fusion", [5, 3])
    assert judged(desk)["pairs_seen"].verdict == "reversed"


def test_the_evidence_is_of_what_is_decided(desk):
    """sam_fusion is below on one video and above on the other: the lower difference, undecided."""
    put(desk, "gavs", [4, 2])
    put(desk, "sam_fusion", [3, 4])
    put(desk, "sam_fusion_add", [3, 1])
    claim = judged(desk)["pairs_seen"]
    shown = "V1S: `gavs` − `sam_fusion_add` +20.00 [+20.00, +20.00]"
    assert claim.evidence == f"holds 1, undecided 1 of 2; {shown}"


def test_best_of_all_takes_every_rival_and_falls_with_one(desk):
    """On V1M the paper's rivals with records are avsbench and sam_fusion."""
    plan = {"table1": {"benchmarks": ["v1m"]}}
    for row, lit in (("gavs", [4, 2]), ("avsbench", [3, 1]), ("sam_fusion", [2, 1])):
        put(desk, row, lit, benchmark="v1m")
    claim = judged(desk, **plan)["multi"]
    assert claim.verdict == "holds" and len(claim.contrasts) == 2
    put(desk, "sam_fusion", [3, 3], benchmark="v1m")  # below on one video, above on the other
    assert judged(desk, **plan)["multi"].verdict == "undecided"
    put(desk, "sam_fusion", [5, 3], benchmark="v1m")
    assert judged(desk, **plan)["multi"].verdict == "reversed"
    assert judged(desk, **plan)["cue"].verdict == NOT_MEASURED


def test_comparable_is_within_the_papers_own_distance(desk):
    """The paper's GAVS is 9.34 points below its best on V1S; 20 here are too many."""
    put(desk, "gavs", [4, 4])
    put(desk, "avsbench", [4, 4])
    claim = judged(desk)["single"]
    assert claim.verdict == "holds"
    assert claim.sensitivity["frames with a target"].verdict == "holds"
    assert claim.sensitivity["best threshold per clip (F)"].verdict == NOT_MEASURED  # 9.34 of mIoU
    put(desk, "avsbench", [5, 5])
    claim = judged(desk)["single"]
    assert claim.verdict == "reversed"
    assert claim.contrasts[0].difference.mean == pytest.approx(-0.2 + 0.0934)


def test_rows_without_standing_take_no_part(desk):
    put(desk, "gavs", [4, 2])
    put(desk, "sam_fusion", [0, 0])
    claim = judged(desk)["pairs_seen"]
    assert claim.verdict == "not judged" and not claim.contrasts
    assert claim.evidence == "without `sam_fusion` (V1S: not above all dark)"
    put(desk, "sam_fusion", [3, 2])
    put(desk, "sam_fusion", [3, 2], setting="floor")
    assert "`sam_fusion` (V1S: not above its silent floor)" in judged(desk)["pairs_seen"].evidence


def test_a_floor_on_unseen_classes_judges_models_without_shots_alone(desk):
    """The shots teach these classes: what a model without them hears says nothing of one with."""
    for row, lit in (("gavs", [4, 3]), ("sam_fusion", [3, 2])):
        for seed in (0, 1):
            scores = {"unseen": frames(lit)}
            desk.write("table2/zero_shot", row, "v3", "0-shot", scores, seed)
            desk.write("table2/few_shot", row, "v3", "1-shot", scores, seed, draw=seed)
            desk.write("table2/zero_shot", row, "v3", "floor", {"unseen": frames([3, 2])}, seed)
    rows = ["gavs", "sam_fusion"]
    claim = judged(desk, table2={"rows": rows, "floor": rows})["pairs_unseen"]
    assert [c.where for c in claim.contrasts] == ["AVS-V3 1-shot"]
    assert claim.evidence.endswith("without `sam_fusion` (V3: not above its silent floor)")


def test_a_floor_is_compared_where_silent_rivals_are_in_view(desk):
    """Three clips: the hearing model gains on the two with rivals, and loses on the first."""
    put(desk, "gavs", [1, 5, 4])
    put(desk, "gavs", [5, 3, 2], setting="floor")
    put(desk, "sam_fusion", [1, 3, 2])
    assert judged(desk)["pairs_seen"].verdict == "not judged"
    assert judged(desk, {RIVALS: {"clip1", "clip2"}})["pairs_seen"].verdict == "holds"


@pytest.mark.parametrize("rivals", [{"clip1"}, {"elsewhere"}])
def test_a_floor_is_compared_on_all_clips_where_too_few_have_rivals(desk, rivals):
    """A single video, or none, has no spread: a test there would decide against every row."""
    put(desk, "gavs", [5, 5, 4])
    put(desk, "gavs", [2, 2, 1], setting="floor")
    put(desk, "sam_fusion", [3, 3, 2])
    assert judged(desk, {RIVALS: rivals})["pairs_seen"].verdict == "holds"


def test_other_readings_of_the_same_predictions(desk):
    """gavs lights the right pixels at 0.45: dark at 0.5, right at the cut that validation chooses;
    sam_fusion is dim in the same way but lights too few."""
    for row, lit in (("gavs", [5, 4]), ("sam_fusion", [3, 2])):
        for seed in (0, 1):
            tests = {"test": frames(lit, p=0.45), "val": frames([5, 5], p=0.45)}
            desk.write(f"table1/{row}", row, "v1s", "train", tests, seed)
    for row in ("gavs", "sam_fusion"):  # left by more seeds; at 0.45 it would choose another cut
        tests = {"test": frames([5, 5], p=0.2), "val": frames([5, 5], p=0.2)}
        desk.write(f"table1/{row}", row, "v1s", "train", tests, 9)
    ledger = Ledger(read(desk.records, plan_with()), planned=plan_with().planned)
    claim = {c.name: c for c in claims(plan_with(), ledger)}["pairs_seen"]
    assert claim.verdict == "undecided"  # both dark
    source = Source("v1s", "train", "test")
    assert [key.seed for key in ledger._validated("gavs", source)] == [0, 1]
    assert claim.sensitivity["validation's threshold"] == ("holds", "undecided", 1)
    assert claim.sensitivity["threshold 0.4"] == ("holds", "undecided", 1)
    assert "validation's threshold" in claim.depends
    assert claim.sensitivity["silent rivals in view"].verdict == NOT_MEASURED
    assert claim.sensitivity["twice the budget"].verdict == NOT_MEASURED


def test_few_shots_take_the_threshold_of_their_0_shot_model(desk):
    for row, lit in (("gavs", [5, 4]), ("sam_fusion", [3, 2])):
        for seed in (0, 1):
            few = {"unseen": frames(lit, p=0.45)}
            desk.write("table2/few_shot", row, "v3", "1-shot", few, seed, draw=seed)
    plan = plan_with(table2={"rows": ["gavs", "sam_fusion"]})
    chosen = Part(Source("v3", "1-shot", "unseen", drawn=True), "miou_chosen")
    runs = [(0, 0), (1, 1)]
    assert not Ledger(read(desk.records, plan)).runs("gavs", [chosen], runs)
    for seed in (0, 1):
        zero = {"unseen": frames([5, 5], p=0.2), "val": frames([5, 5], p=0.45)}
        desk.write("table2/zero_shot", "gavs", "v3", "0-shot", zero, seed)
    ledger = Ledger(read(desk.records, plan))
    assert ledger.runs("gavs", [chosen], runs) == tuple(runs)
    assert not ledger.runs("sam_fusion", [chosen], runs)
    assert ledger.sample("gavs", chosen, tuple(runs)).values == pytest.approx([0.9, 0.9])


def test_boxes_and_fewer_clips(desk):
    """VGG-SS: in-set avin is above gavs and no better than avsbench, so it isn't above all; 50 % of
    the clips against all of them."""
    for seed in (0, 1):
        own = {"vggss": boxes([6, 4], rules=RULES)}
        desk.write("table3/in_set", "avin", "vggss", "in-set", own, seed)
        for row, tenths in (("gavs", [5, 3]), ("avsbench", [6, 4])):
            tests = {"vggss": boxes(tenths, rules=RULES)}
            desk.write("table3/zero_shot", row, "vggss", "0-shot", tests, seed)
        desk.write("table1/gavs", "gavs", "v2", "train", {"test": frames([5, 4])}, seed)
        desk.write("table1/avsbench", "avsbench", "v2", "train", {"test": frames([3, 2])}, seed)
        half = {"test": frames([4, 3])}
        desk.write("figure3/fractions", "gavs", "v2", "fraction-0.5", half, seed, draw=seed)
    plan = plan_with(table1={"benchmarks": ["v2"]}, table3={"in_set": ["avin"]})
    ledger = Ledger(read(desk.records, plan))
    made = {c.name: c for c in claims(replace(plan, fractions=[0.5]), ledger)}
    assert made["cross"].verdict == "reversed"
    assert made["cross"].contrasts[0].difference.mean == pytest.approx(-0.1)
    assert made["in_set"].evidence.startswith("holds 1, undecided 1 of 2;")
    assert made["in_set"].verdict == "undecided"
    assert made["less_data"].verdict == "holds"
    assert (made["less_data"].contrasts[0].better, made["less_data"].contrasts[0].worse) == (
        "gavs, 50 %",
        "avsbench",
    )


def test_studies_are_looked_up_either_way_round(desk, tmp_path):
    """gavs has 60 and sam_fusion 40, and 50 with the second seed. A study with another sam_fusion
    isn't of these, whatever another study had; one of the first seed is."""
    put(desk, "gavs", [4, 2])
    desk.put("sam_fusion", [3, 1], 0)
    desk.put("sam_fusion", [4, 1], 1)
    plan = plan_with()
    ledger = Ledger(read(desk.records, plan))
    # By itself, as the claim has it, the pair is decided; beside all others of the study it wasn't.
    lines = [("v1s", "balanced", "sam_fusion", "gavs", 0.1, 0.01, 0.19, 0.03, 0.9, "undecided")]
    columns = ["benchmark", "alternative", "better", "worse", "difference", "low", "high"]
    columns += ["p_alone", "p", "verdict"]
    path = tmp_path / "dispersion_pairs.csv"
    pd.DataFrame(lines, columns=columns).to_csv(path, index=False)

    def judge(*means, seeds=2, study="dispersion"):
        rows = [
            ("v1s", "default", *line, seeds)
            for line in zip(("gavs", "sam_fusion"), means, strict=True)
        ]
        frame = pd.DataFrame(rows, columns=["benchmark", "alternative", "row", "miou", "seeds"])
        frame.to_csv(tmp_path / f"{study}.csv", index=False)
        pairs = current(read_studies(tmp_path), numbers(plan, ledger))
        return {claim.name: claim for claim in claims(plan, ledger, pairs)}["pairs_seen"]

    claim = judge(0.6, 0.45)
    assert claim.sensitivity["regime"] == ("reversed", "undecided", 1) and "regime" in claim.depends
    assert claim.sensitivity["SAM's weights"].verdict == NOT_MEASURED
    assert judge(0.6, 0.4, seeds=1).sensitivity["regime"].verdict == "reversed"
    assert judge(0.6, 0.4).sensitivity["regime"].verdict == NOT_MEASURED
    assert judge(0.6, 0.45, study="budget").sensitivity["regime"].verdict == NOT_MEASURED
    lines = path.read_text()
    for other, expected in (("perhaps", "a number"), ("1.5", "numbers, the last a p of 0 to 1")):
        path.write_text(lines.replace(",0.03,", f",{other},"))
        with pytest.raises(RecordError, match=f"{other}.*expected {expected}"):
            read_studies(tmp_path)


def test_a_reading_is_beside_the_headline_on_the_same_comparisons(desk):
    """gavs is above gavs_no_cue on V1S and below it on V1M: mixed. A study of V1S alone that
    says the same of V1S is no other verdict; one that says the opposite is."""
    for benchmark, lit, other in (("v1s", [4, 2], [3, 1]), ("v1m", [3, 1], [4, 2])):
        put(desk, "gavs", lit, benchmark=benchmark)
        put(desk, "gavs_no_cue", other, benchmark=benchmark, folder="table1/gavs_no_cue")
    plan = plan_with(table1={"benchmarks": ["v1s", "v1m"], "pairs": ["gavs_no_cue"]})
    ledger = Ledger(read(desk.records, plan))

    def judge(points):
        d = Difference(points, points, points, p=0.04, detectable=0.1, runs=1)
        studies = {("half", "v1s", "gavs", "gavs_no_cue"): d}
        return {claim.name: claim for claim in claims(plan, ledger, studies)}["cue"]

    claim = judge(0.1)
    assert claim.verdict == "mixed" and len(claim.contrasts) == 2
    assert claim.sensitivity["half the budget"] == ("holds", "holds", 1) and not claim.depends
    page = verdicts_page(plan, [claim], {}, [])
    assert "| holds (1 of 2) |" in page and "**holds" not in page.split("What a verdict")[1]
    claim = judge(-0.1)
    assert claim.depends == ["half the budget"]
    assert "| **reversed** (1 of 2) |" in verdicts_page(plan, [claim], {}, [])


def test_strata_are_clips_where_hearing_decides_and_clips_that_two_benchmarks_test():
    index = pd.DataFrame(
        {
            "uid": ["a", "b", "c", "d", "e"],
            "distractor": ["none", "other_class", "same_class", "other_class", ""],
            "off_screen": ["False", "False", "False", "True", ""],
            "benchmark": "v1s",
        }
    )
    sets = {"v3/unseen": index[1:4], "v2/test": index[3:]}
    assert strata_of(index, sets) == {RIVALS: {"b", "c"}}
    assert strata_of(index[["uid", "benchmark"]], sets) == strata_of(index[:1], sets) == {}
    assert strata_of(index[["uid"]].assign(benchmark="v2"), sets) == {LEARNED: {"d"}}


def test_the_page_and_the_csv_have_every_claim(desk):
    put(desk, "gavs", [4, 2])
    put(desk, "sam_fusion", [3, 1])
    made = list(judged(desk).values())
    below = {"miou": {("tpavi_sam", "v1s"): "all dark"}}
    page = verdicts_page(plan_with(), made, below, [])
    assert (
        f"holds 2, reversed 0, mixed 0, undecided 0, not judged 0, not measured {len(made) - 2}"
        in page
    )
    assert "| prompt above fusion on seen classes | 3.1 | **holds** | 2 |" in page
    assert "| V1S | all dark | `tpavi_sam` | – |" in page
    assert "With one training per side" not in page
    lines = claims_csv(made).splitlines()
    assert len(lines) == 1 + len(made) and lines[0].startswith("claim,text,source,verdict,runs,")


def test_the_page_says_what_no_claim_was_tried_by_and_what_is_missing(desk):
    """Only mIoU on V1S is on record: no boxes, no studies."""
    put(desk, "gavs", [4, 2])
    put(desk, "sam_fusion", [3, 1])
    made, plan = list(judged(desk).values()), plan_with()
    tables = [numbers(plan, Ledger(read(desk.records, plan)))]
    page = verdicts_page(plan, made, {}, tables)
    said = (
        "Not measured here: validation's threshold, oracle size, success rate, silent rivals in "
        "view, SAM's weights, regime, precision, half the budget, twice the budget"
    )
    assert f"{said}.\n" in page and "| threshold 0.4 |" in page
    assert "| oracle size |" not in page and "| SAM's weights |" not in page
    assert f"**Records that are missing: {len(tables[0].missing)}." in page
    assert "Records that are missing" not in verdicts_page(plan, made, {}, [])
