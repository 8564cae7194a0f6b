"""Table 1's numbers, worked by hand from `full_desk` (conftest.py).

mIoU of gavs: seed 0 (5/5 + 3/5) / 2 = 80, seed 1 (4/5 + 2/5) / 2 = 60; mean 70, sd 20 / sqrt(2).
Its variance: both runs' videos are 20 points off their means, 20^2 / 2 = 200; of two seeds 14.14^2
/ 2 = 100 with one degree of freedom. So its error is sqrt(300) with 300^2 / 100^2 = 9 degrees. The
variance over videos is of 2000 draws, and so within 10 %. avsbench is 20 points lower on every
video and seed: videos say nothing, seeds 100 + 100 with two degrees, t = 20 / sqrt(200), p = 0.29:
it can't be told from gavs, and neither can gavs_released (10, an error of 10, one degree). F of
gavs: seed 0 (1 + 0.8667) / 2, seed 1 (0.9455 + 0.7429) / 2.
"""

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.report.plan import RECREATED
from tests.benchmarks.report.conftest import (
    frames,
    line_of,
    plan_with,
    rows_of,
    section,
    verdicts_of,
)

TRACK_P = "### Track P"
V1S = "### V1S, profile"


def test_scores_marks_and_the_papers_figures(full_desk):
    text = full_desk.report(all_judged=True)
    assert line_of(text, "avsbench", TRACK_P) == [
        "`avsbench`",
        "50.00 ± 14.14 ᵃ",
        "0.780 ± 0.091",
        "78.70 / 0.879",
    ]
    assert line_of(text, "gavs", TRACK_P)[1:] == ["70.00 ± 14.14", "0.889 ± 0.063", "80.06 / 0.902"]
    assert line_of(text, "gavs_released", TRACK_P)[1] == "60.00 ± 0.00 † ᵃ"
    assert line_of(text, "oracle_click", TRACK_P)[:2] == ["`oracle_click` (ceiling)", "100.00"]


def test_the_originals_figures_are_no_re_creations(full_desk):
    plan = replace(plan_with(), notes={"avsbench": RECREATED})
    text = full_desk.report(plan)
    assert line_of(text, "avsbench", TRACK_P)[3] == "(78.70 / 0.879)"
    assert line_of(text, "gavs", TRACK_P)[3] == "80.06 / 0.902"


def test_the_front_page_has_the_leaders_the_claims_and_the_way_to_the_tables(full_desk):
    full_desk.report(all_judged=True)
    front = (full_desk.results / "tables.md").read_text()
    assert len(front.splitlines()) <= 150
    board = section(front, "## Leaderboard")
    rows = [[c.strip() for c in x.split("|")[1:4]] for x in board.splitlines() if "| `" in x]
    assert rows == [  # V1S alone has records; the best first, the ceiling last
        ["`gavs`", "P, C", "**70.0**"],
        ["`gavs_released`", "P", "60.0 ᵃ"],
        ["`avsbench`", "P", "50.0 ᵃ"],
        ["`oracle_click` (ceiling)", "–", "100.0"],
    ]
    assert "[verdicts.md](verdicts.md)" in front and (full_desk.results / "verdicts.md").is_file()
    links = re.findall(r"\]\((tables/[^)]*)\)", front)
    assert len({*links}) == 8 and all((full_desk.results / link).is_file() for link in links)
    tex = (full_desk.results / "tables/table1.tex").read_text()
    assert r"60.00 $\pm$ 0.00 $\dagger$ \textsuperscript{a}" in tex


def test_a_row_in_no_verdict_is_neither_best_nor_tied(full_desk):
    """gavs, 50 above its floor with one seed: variance 200 + 200 * 1.5, 2.8 degrees, p = 0.12. So
    it is in no verdict: neither that of one source (to avsbench) nor that of the cue. avsbench, 20
    above its floor, isn't either; gavs_released isn't above its own."""
    text = full_desk.report()
    front = (full_desk.results / "tables.md").read_text()
    assert "\nholds 0, reversed 0, mixed 0, undecided 0, not judged 2, not measured 16. " in front
    assert "| the visual cue helps | 2.2 | **not judged** | – | – |  |" in front
    assert "| `gavs` | P, C | 70.0 ⁿ |" in front
    assert line_of(text, "gavs", TRACK_P, bold=True)[1:3] == ["70.00 ± 14.14 ⁿ", "0.889 ± 0.063"]
    assert line_of(text, "gavs_released", V1S)[4].endswith("] ⁿ")
    for seed in (0, 1):
        full_desk.put("tpavi_sam", [3, 3], seed)  # above all dark, and without a floor
    text = full_desk.report()
    front = (full_desk.results / "tables.md").read_text()
    assert "| `tpavi_sam` | C | **60.0** |" in front and "| `gavs` | P, C | 70.0 ⁿ |" in front
    assert "ᵃ" not in section(front, "## Leaderboard").split("\n\n", 2)[2]
    assert r"\textsuperscript{n}" in (full_desk.results / "tables/table1.tex").read_text()


def test_tracks_stand_apart_with_the_reference_rows_in_both(full_desk):
    full_desk.put("tpavi_sam", [3, 1], 0)
    text = full_desk.report()
    assert "`tpavi_sam`" not in section(text, TRACK_P)
    controlled = section(text, "### Track C")
    assert "same frozen SAM embeddings" in controlled
    rows = rows_of(text, "### Track C")
    assert rows == ["gavs", "tpavi_sam", "sam_fusion"]  # 70, 40, and one without a record
    tracks = {row: line_of(text, row, V1S)[1] for row in ("avsbench", "tpavi_sam", "gavs")}
    assert tracks == {"avsbench": "P", "tpavi_sam": "C", "gavs": "P, C"}


def test_details(full_desk):
    text = full_desk.report(all_judged=True)
    margin, error = stats.t.ppf(0.975, 2) * 200**0.5, 200**0.5
    assert "\nTested: 2 clips of 2 videos, 2 frames.\n" in section(text, V1S)
    assert line_of(text, "avsbench", V1S)[2] == "50.00 ± 14.14 ᵃ"
    assert line_of(text, "avsbench", V1S)[4:] == [
        f"−20.00 [−{20 + margin:.2f}, +{margin - 20:.2f}] ᵘ",
        f"{margin + stats.t.ppf(0.8, 2) * error:.2f}",
        "20.00 ‡",  # 60 and 20 below seed 0: 40 ± 20, p = .046, and .09 after Holm over three rows
        "30.00",
        "1,234",
        "60",
        "20 / 30",
    ]
    bounds = line_of(text, "gavs", V1S)[3].replace("−", "-").strip("[]").split(", ")
    low, high = map(float, bounds)
    # Two videos 40 apart have 400, seeds 20 apart 100 with one degree: 500 with 25 degrees, which
    # is narrower than the seeds alone.
    assert stats.t.ppf(0.975, 25) * 500**0.5 < high - 70
    assert high - 70 == pytest.approx(stats.t.ppf(0.975, 1) * 10, abs=0.01)
    assert high - 70 == pytest.approx(70 - low, abs=0.02)
    assert line_of(text, "oracle_click", V1S)[-4:] == ["–", "1,234", "–", "– / –"]


def test_the_range_over_operators(full_desk):
    """Default 50 and 60, add 20 and 40: F isn't asked, the mIoU's range is 30 to 55."""
    for seed, lit, other in ((0, [3, 2], [1, 1]), (1, [4, 2], [3, 1])):
        full_desk.put("sam_fusion", lit, seed)
        full_desk.put("sam_fusion_add", other, seed)
    text = full_desk.report(all_judged=True)
    assert line_of(text, "sam_fusion", TRACK_P)[1].endswith("(30.00 to 55.00) ᵃ")
    assert "| `sam_fusion_add`" not in text


def test_rows_by_score_and_the_best_of_a_track_in_bold(full_desk):
    """P: avsbench 50, gavs 70, gavs_released 60; C: tpavi_sam 90, of which gavs is a row too."""
    for seed, lit in enumerate(([5, 5], [5, 3])):
        full_desk.put("tpavi_sam", lit, seed)
    text = full_desk.report(all_judged=True)
    order = ["gavs", "gavs_released", "avsbench", "sam_fusion", "oracle_click"]
    assert rows_of(text, TRACK_P) == order
    assert rows_of(text, "### Track C") == ["tpavi_sam", "gavs", "sam_fusion"]
    assert rows_of(text, V1S) == [*order[:-1], "tpavi_sam", "oracle_click"]

    def bold(heading):
        rows = rows_of(text, heading)
        return [r for r in rows if "**" in " ".join(line_of(text, r, heading, bold=True))]

    assert bold(TRACK_P) == ["gavs"] and bold("### Track C") == ["tpavi_sam"]
    assert bold(V1S) == ["gavs", "tpavi_sam"]
    assert line_of(text, "gavs", TRACK_P, bold=True)[1:3] == [
        "**70.00 ± 14.14**",
        "**0.889 ± 0.063**",
    ]
    tex = (full_desk.results / "tables/table1.tex").read_text()
    assert r"\textbf{70.00 $\pm$ 14.14}" in tex and r"\textbf{50.00" not in tex


def test_equal_scores_are_equally_bold_and_marks_are_not(full_desk):
    full_desk.put("gavs_released", [5, 3], 0, shuffled=[5, 3])
    full_desk.put("gavs_released", [4, 2], 1)
    text = full_desk.report(all_judged=True)
    assert line_of(text, "gavs", TRACK_P, bold=True)[1] == "**70.00 ± 14.14**"
    assert line_of(text, "gavs_released", TRACK_P, bold=True)[1] == "**70.00 ± 14.14** †"


def test_what_is_missing_is_a_dash_and_is_listed(full_desk):
    shutil.rmtree(full_desk.records / "table1/avsbench")
    next((full_desk.records / "table1/gavs").glob("*train*seed1.json")).unlink()
    text = full_desk.report()
    assert line_of(text, "avsbench", TRACK_P)[1:] == ["–", "–", "78.70 / 0.879"]
    assert line_of(text, "avsbench", V1S) == ["`avsbench`", "P"] + ["–"] * 9
    assert line_of(text, "gavs", TRACK_P)[1:3] == ["80.00 (1 of 2 runs)", "0.933 (1 of 2 runs)"]
    listed = section(text, "## Table 1")
    assert "`avsbench*` (3)" in listed and "`gavs/v1s-train-seed1`" in listed
    # The released row has 60 with either seed, gavs 80 with the one that is left.
    assert line_of(text, "gavs_released", V1S)[4].startswith("−20.00 [−20.00, −20.00]")


def test_a_row_that_nothing_was_measured_of_keeps_the_papers_figures(desk):
    desk.put("oracle_click", [5, 5], trains=False)
    text = desk.report()
    assert line_of(text, "gavs", TRACK_P)[1:] == ["–", "–", "80.06 / 0.902"]
    assert "1 records, seeds 0, 1." in text and "### Verdicts" not in text


def test_only_rows_and_seeds_of_the_lists_are_read(full_desk):
    full_desk.put("gavs", [1, 1], seed=7)
    next((full_desk.records / "table1/avsbench").glob("*seed0.json")).write_text("not even JSON")
    plan = plan_with(table1={"published": []})
    text = full_desk.report(plan, all_judged=True)
    assert "avsbench" not in section(text, "## Table 1")
    assert line_of(text, "gavs", TRACK_P)[1] == "70.00 ± 14.14"
    alone = full_desk.report(plan, seeds=[0], all_judged=True)
    assert line_of(alone, "gavs", TRACK_P)[1] == "80.00"


def test_differences_stay_when_the_base_leaves_table_1(full_desk):
    text = full_desk.report(plan_with(table1={"gavs": ["gavs_released"]}))
    assert "| `gavs` |" not in section(text, "## Table 1")
    assert line_of(text, "avsbench", V1S)[4].startswith("−20.00 [")


def test_what_needs_no_ears_stands_in_the_table(full_desk):
    """A frame in which nothing sounds: all dark is right there, 1 of 3. Floors: 20 and 60."""
    plan = plan_with()
    scores = frames([1, 1, 0])
    target, dark = scores.target.copy(), np.array([False, False, True])
    target[dark] = 0
    changed = replace(scores, target=target)
    for row in ("gavs", "avsbench"):
        full_desk.write(f"table1/{row}", row, "v1s", "train", {"test": changed})
    text = full_desk.report(replace(plan, mute={"v1s": {"largest object": 0.83}}))
    lines = [x for x in section(text, V1S).splitlines() if x.startswith("| ")]
    tail = {x.split(" | ")[0]: x.split(" | ")[2] for x in lines}
    assert tail["| all dark"] == "33.33"
    assert tail["| highest floor: `gavs_released`"] == "60.00"
    assert tail["| largest object (outlines known)"] == "83"


def test_where_silent_rivals_are_in_view(full_desk):
    """The second of gavs's clips has rivals: 60 and 40 there, 20 in silence; another class's sound
    leaves 20 of the first seed's 60."""
    for seed, lit in ((0, [5, 3, 3]), (1, [4, 2, 2])):
        full_desk.put("gavs", lit, seed, shuffled=[2, 1, 1] if seed == 0 else None)
    full_desk.put("gavs", [1, 1, 1], setting="floor")
    text = full_desk.report(strata={"rivals": {"clip1", "clip2"}})
    assert "Where silent rivals are in view (2 of 3 test clips), hearing decides:" in text
    line = line_of(text, "gavs", "Where silent rivals")
    assert line[1] == "50.00 ± 14.14"
    assert [cell.split(" [")[0] for cell in line[2:4]] == ["+40.00", "+40.00"]
    assert "Where silent rivals" not in full_desk.report()


def test_a_verdict_by_the_threshold_that_validation_chooses(full_desk):
    """gavs and avsbench are dim: dark at 0.5. At validation's cut gavs has 80 and avsbench 40."""
    for row, lit in (("gavs", [5, 3]), ("avsbench", [3, 1])):
        for seed in (0, 1):
            tests = {"test": frames(lit, p=0.45), "val": frames([5, 5], p=0.45)}
            full_desk.write(f"table1/{row}", row, "v1s", "train", tests, seed)
    text = full_desk.report(all_judged=True)
    verdict = verdicts_of(text, "## Table 1")["the paper's order", "gavs > avsbench", "V1S"]
    assert verdict[1] == "0.00 / 0.00"
    assert verdict[-2:] == ["undecided (depends)", "+40.00 holds"]
    assert "1 of these verdicts depend on the threshold." in text
    chosen = line_of(text, "gavs", "The same predictions")
    assert chosen[2] == "80.00 ± 0.00" and chosen[3] == "0.00"  # every cut up to .45 is as good


def test_marks_of_a_row_that_does_not_hear(full_desk):
    text = full_desk.report()
    assert line_of(text, "gavs_released", V1S)[6:8] == ["60.00 ‡", "60.00 †"]
    assert line_of(text, "gavs", V1S)[6:8] == ["20.00", "30.00"]
    full_desk.put("gavs_released", [4, 2], 0, shuffled=[3, 1])
    full_desk.put("gavs_released", [3, 1], setting="floor")
    text = full_desk.report()
    assert "†" not in section(text, "## Table 1") and "‡" not in section(text, "## Table 1")


def test_equal_records_give_equal_files(full_desk, tmp_path):
    full_desk.report(draw=True)

    def files():
        paths = full_desk.results.rglob("*.*")
        return {str(p.relative_to(full_desk.results)): p.read_bytes() for p in paths}

    first = files()
    shutil.move(full_desk.results, tmp_path / "old")
    full_desk.report(draw=True)
    assert files() == first
    kinds = Counter(
        (Path(name).parts[0] if "/" in name else Path(name).stem) + Path(name).suffix
        for name in first
    )
    assert kinds == {
        "tables.md": 1 + 8 + 1,  # the front page, the tables' pages, the leaderboard
        "verdicts.md": 1, "summary.json": 1, "headline.json": 1, "tables.csv": 8 + 2,
        "tables.tex": 7, "figures.png": 9, "plots.csv": 4,
    }  # fmt: skip


def test_a_mixture_of_data_or_code_is_a_warning(full_desk):
    full_desk.put("gavs", [4, 2], 1, checksums={"index": "d" * 64, "code": "e" * 64})
    assert "**More than one state of the code in `gavs`: run `dvc repro`.**" in full_desk.report()
    full_desk.put("gavs", [4, 2], 1, checksums={"index": "a" * 64, "code": "c" * 64})
    assert "**They come from 2 states of the data: run `dvc repro`.**" in full_desk.report()
    one = {"checksums": {"index": "d" * 64, "code": "e" * 64}}
    full_desk.put("gavs", [4, 2], 1)
    full_desk.put("oracle_click", [5, 5], trains=False, **one)
    assert "of the code: 2 checksums, one per method and kind of training." in full_desk.report()


def test_csv_has_one_row_per_measure_in_the_units_of_the_page(full_desk):
    full_desk.report(all_judged=True)
    table = pd.read_csv(full_desk.results / "tables/table1.csv")
    assert set(table.profile) == {"miniature"}
    assert not table.duplicated(["method", "where", "measure"]).any()
    rows = table.set_index(["method", "measure"])
    gavs = rows.loc[("gavs", "miou")]
    assert gavs[["value", "paper"]].tolist() == [70, 80.06]
    assert gavs.high - 70 == pytest.approx(70 - gavs.low, abs=1e-5)
    assert gavs.sd == pytest.approx(20 / 2**0.5, abs=1e-6)
    seeds = ((1 + 0.78 / 0.9) / 2, (1.04 / 1.1 + 0.52 / 0.7) / 2)
    assert rows.loc[("gavs", "fscore")].value == pytest.approx(sum(seeds) / 2, abs=1e-6)
    judged = rows.loc[("avsbench", "miou")]
    margin = stats.t.ppf(0.975, 2) * 200**0.5
    difference = judged[["difference", "difference_low", "difference_high"]]
    assert difference.tolist() == pytest.approx([-20, -20 - margin, margin - 20], abs=1e-5)
    # Two differences are judged; Holm's rule doubles the smaller p.
    assert judged.p == pytest.approx(2 * 2 * stats.t.sf(20 / 200**0.5, 2), abs=1e-5)
    assert rows.loc[("gavs", "floor_gain")].value == 60


def test_ablations_end_with_table_1s_rows(full_desk):
    text = full_desk.report(all_judged=True)
    lines = [x for x in section(text, "## Ablations").splitlines() if x.startswith("| ")][2:]
    assert [x.split("`")[1] for x in lines] == ["gavs", "gavs_no_cue", "gavs_released"]
    assert "| prompt | `gavs_no_cue` | **70.00 ± 14.14** |" in lines[1]
    assert "| 0.00 [−60.85, +60.85] ᵘ | 75.85 | 1,234 | no cue \\| nothing to align |" in lines[1]


def test_the_rosetta_table_is_the_same_predictions(full_desk):
    """gavs, seed 0: IoU 1 and 3/5; the dataset rule divides 8 by 10 sounding pixels."""
    text = full_desk.report()
    line = line_of(text, "gavs", "### V1S under each rule")
    header = section(text, "### V1S under each rule").splitlines()[2]
    names = [name.strip().strip("`") for name in header.split("|")[1:-1]]
    cells = dict(zip(names, line, strict=True))
    assert cells["tables"] == "80.00 / 0.933" and cells["dataset"].startswith("80.00 / ")
    csv = pd.read_csv(full_desk.results / "tables/rosetta.csv")
    own = csv[(csv.rule == "tables") & (csv.method == "gavs")]
    assert own["miou (%)"].tolist() == [80]
    assert set(csv.method) == {"avsbench", "gavs", "gavs_released", "oracle_click"}
