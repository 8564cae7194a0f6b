"""Table 1's numbers, worked by hand from `full_desk` (conftest.py).

mIoU of gavs: seed 0 (5/5 + 3/5) / 2 = 80, seed 1 (4/5 + 2/5) / 2 = 60; mean 70, sd 20 / sqrt(2).
Its interval: one of the two seeds is drawn, and two of the two videos, so that 40 (video 2 of seed
1 twice) and 100 (video 1 of seed 0 twice) come up one time in eight each. avsbench is 20 points
lower on every video and seed: no spread at all. gavs_released is 20 lower in seed 0 and equal in
seed 1: sd 10, detectable 28 but for the 2000 draws. F of gavs: seed 0 (1 + 0.8667) / 2, seed 1
(0.9455 + 0.7429) / 2.
"""

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.common.tables import Grid, bold, latex, markdown, signed
from benchmarks.params import method_names
from benchmarks.report.measure import read_paper
from benchmarks.report.plan import RECREATED
from tests.benchmarks.report.conftest import line_of, plan_with, rows_of, section, verdicts_of

TRACK_P = "### Track P"
V1S = "### V1S, profile"


def test_scores_marks_and_the_papers_figures(full_desk):
    text = full_desk.report()
    assert line_of(text, "avsbench", TRACK_P) == [
        "`avsbench`",
        "50.00 ± 14.14",
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
    full_desk.report()
    front = (full_desk.results / "tables.md").read_text()
    assert len(front.splitlines()) <= 150
    board = section(front, "## Leaderboard")
    rows = [[c.strip() for c in x.split("|")[1:4]] for x in board.splitlines() if "| `" in x]
    assert rows == [  # V1S alone has records; the best first, the ceiling last
        ["`gavs`", "P, C", "**70.0**"],
        ["`gavs_released`", "P", "60.0 ᵃ"],
        ["`avsbench`", "P", "50.0"],
        ["`oracle_click` (ceiling)", "–", "100.0"],
    ]
    assert "| [table1](tables/table1.md) | 2 | 0 | 0 |" in front
    assert "prompt > fusion, track P, V1S: **holds**; `gavs` − `avsbench` +20.00" in front
    links = re.findall(r"\]\((tables/[^)]*)\)", front)
    assert len({*links}) == 8 and all((full_desk.results / link).is_file() for link in links)
    tex = (full_desk.results / "tables/table1.tex").read_text()
    assert r"60.00 $\pm$ 0.00 $\dagger$ \textsuperscript{a}" in tex


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
    text = full_desk.report()
    assert line_of(text, "avsbench", V1S)[2:] == [
        "50.00 ± 14.14",
        "[20.00, 80.00]",
        "−20.00 [−20.00, −20.00]",
        "0.00",
        "20.00",
        "30.00",
        "1,234",
        "60",
        "20 / 30",
    ]
    released = line_of(text, "gavs_released", V1S)
    assert released[4] == "−10.00 [−20.00, 0.00] ᵘ"
    assert float(released[5]) == pytest.approx(28, abs=0.3)
    assert line_of(text, "oracle_click", V1S)[-4:] == ["–", "1,234", "–", "– / –"]


def test_the_range_over_operators(full_desk):
    """Default 50 and 60, add 20 and 40: F isn't asked, the mIoU's range is 30 to 55."""
    for seed, lit, other in ((0, [3, 2], [1, 1]), (1, [4, 2], [3, 1])):
        full_desk.put("sam_fusion", lit, seed)
        full_desk.put("sam_fusion_add", other, seed)
    text = full_desk.report()
    assert line_of(text, "sam_fusion", TRACK_P)[1].endswith("(30.00 to 55.00) ᵃ")
    assert "| `sam_fusion_add`" not in text


def test_rows_by_score_and_the_best_of_a_track_in_bold(full_desk):
    """P: avsbench 50, gavs 70, gavs_released 60; C: tpavi_sam 90, of which gavs is a row too."""
    for seed, lit in enumerate(([5, 5], [5, 3])):
        full_desk.put("tpavi_sam", lit, seed)
    text = full_desk.report()
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
    text = full_desk.report()
    assert line_of(text, "gavs", TRACK_P, bold=True)[1] == "**70.00 ± 14.14**"
    assert line_of(text, "gavs_released", TRACK_P, bold=True)[1] == "**70.00 ± 14.14** †"


PARADIGMS = "prompt > fusion, track"
PAPER = "the paper's order"


def test_paradigms_by_track(full_desk):
    """P: gavs is 20 above avsbench on every video. C: tpavi_sam is 20 above gavs in seed 0."""
    verdicts = verdicts_of(full_desk.report(), "## Table 1")
    assert verdicts[f"{PARADIGMS} P", "gavs > avsbench", "V1S"] == [
        "80.06 / 78.70",
        "70.00 / 50.00",
        "+20.00 [+20.00, +20.00]",
        "0.002",
        "holds",
    ]
    assert f"{PARADIGMS} C" not in {claim for claim, *_ in verdicts}
    full_desk.put("tpavi_sam", [5, 5], 0)
    full_desk.put("tpavi_sam", [5, 3], 1)
    verdict = verdicts_of(full_desk.report(), "## Table 1")[
        f"{PARADIGMS} C", "gavs > tpavi_sam", "V1S"
    ]
    assert verdict[0] == "–" and verdict[2].startswith("−20.00 [") and verdict[-1] == "undecided"
    for seed in (0, 1):  # the best fusion row of both tracks now
        full_desk.put("sam_fusion", [5, 3], seed)
    verdicts = verdicts_of(full_desk.report(), "## Table 1")
    assert (f"{PARADIGMS} P", "gavs > sam_fusion", "V1S") in verdicts


def test_an_order_of_the_paper_holds_is_reversed_or_undecided(full_desk):
    def verdict():
        text = full_desk.report()
        return verdicts_of(text, "## Table 1")[PAPER, "gavs > avsbench", "V1S"][-1], text

    assert verdict()[0] == "holds"
    full_desk.put("gavs", [3, 3], 0)
    full_desk.put("gavs", [3, 2], 1)
    full_desk.put("avsbench", [4, 5], 0)  # better on every video with either seed
    full_desk.put("avsbench", [5, 4], 1)
    word, text = verdict()
    assert word == "reversed" and "### Verdicts: holds 0, reversed 2, undecided 0" in text
    full_desk.put("avsbench", [2, 3], 1)  # better on one video, worse on the other
    assert verdict()[0] == "undecided"


def test_what_is_missing_is_a_dash_and_is_listed(full_desk):
    shutil.rmtree(full_desk.records / "table1/avsbench")
    next((full_desk.records / "table1/gavs").glob("*train*seed1.json")).unlink()
    text = full_desk.report()
    assert line_of(text, "avsbench", TRACK_P)[1:] == ["–", "–", "78.70 / 0.879"]
    assert line_of(text, "avsbench", V1S) == ["`avsbench`", "P"] + ["–"] * 9
    assert line_of(text, "gavs", TRACK_P)[1:3] == ["80.00 (1 of 2 runs)", "0.933"]
    listed = section(text, "## Table 1")
    assert "`avsbench*` (3)" in listed and "`gavs/v1s-train-seed1`" in listed
    # The released row is compared on the seed that both have, where it is 20 points lower.
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
    text = full_desk.report(plan)
    assert "avsbench" not in section(text, "## Table 1")
    assert line_of(text, "gavs", TRACK_P)[1] == "70.00 ± 14.14"
    assert line_of(full_desk.report(plan, seeds=[0]), "gavs", TRACK_P)[1] == "80.00"


def test_differences_stay_when_the_base_leaves_table_1(full_desk):
    text = full_desk.report(plan_with(table1={"gavs": ["gavs_released"]}))
    assert "| `gavs` |" not in section(text, "## Table 1")
    assert line_of(text, "avsbench", V1S)[4] == "−20.00 [−20.00, −20.00]"


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
        "summary.json": 1, "headline.json": 1, "tables.csv": 8, "tables.tex": 7,
        "figures.png": 9, "plots.csv": 4,
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
    full_desk.report()
    table = pd.read_csv(full_desk.results / "tables/table1.csv")
    assert set(table.profile) == {"miniature"}
    assert not table.duplicated(["method", "where", "measure"]).any()
    rows = table.set_index(["method", "measure"])
    gavs = rows.loc[("gavs", "miou")]
    assert gavs[["value", "low", "high", "paper"]].tolist() == [70, 40, 100, 80.06]
    assert gavs.sd == pytest.approx(20 / 2**0.5, abs=1e-6)
    seeds = ((1 + 0.78 / 0.9) / 2, (1.04 / 1.1 + 0.52 / 0.7) / 2)
    assert rows.loc[("gavs", "fscore")].value == pytest.approx(sum(seeds) / 2, abs=1e-6)
    judged = rows.loc[("avsbench", "miou")]
    difference = judged[["difference", "difference_low", "difference_high"]]
    assert difference.tolist() == [-20] * 3
    # Two differences are judged; the smallest p that 2000 draws can give, doubled by Holm.
    assert judged.p == pytest.approx(2 * 2 / 2001, abs=1e-6)
    assert rows.loc[("gavs", "floor_gain")].value == 60


def test_ablations_end_with_table_1s_rows(full_desk):
    text = full_desk.report()
    lines = [x for x in section(text, "## Ablations").splitlines() if x.startswith("| ")][2:]
    assert [x.split("`")[1] for x in lines] == ["gavs", "gavs_no_cue", "gavs_released"]
    assert "| prompt | `gavs_no_cue` | **70.00 ± 14.14** |" in lines[1]
    assert "0.00 [0.00, 0.00] ᵘ | 0.00 | 1,234 | no cue \\| nothing to align |" in lines[1]


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


def test_the_papers_tables():
    paper = read_paper("table1")
    assert paper["gavs", "v1m", "train", "miou"] == 63.70
    assert paper["sam_fusion", "v2", "train", "fscore"] == 0.724
    assert [b for m, b, _, k in paper if m == "av_sam" and k == "miou"] == ["v1s"]
    assert len(paper) == 2 * (5 * 3 + 3 * 2 + 1)  # AUSS, AVSC, AuTR have no V2, AV-SAM only V1S
    sizes = {
        "table2": 4 * 4 * 2,
        "table3": 9 * 2 - 1,  # SLAVC has no AUC
        "table4": 4 * 4 * 2,
        "figure3": 4 * 4 * 2,
    }
    assert {name: len(read_paper(name)) for name in sizes} == sizes
    rows = {row for name in [*sizes, "table1"] for row, *_ in read_paper(name)}
    assert rows <= set(method_names()), "a row of the paper that would stand beside none of ours"


def test_the_papers_avs_rows_of_vggss_are_mean_iou():
    """AUC of a success curve is the mean IoU; its 20 figures agree, its in-set rows don't."""
    rows = read_paper("table3") | read_paper("table4")
    apart = {
        key: abs(rows[key] / 100 - rows[*key[:3], "auc"])
        for key in rows
        if key[3] == "ciou" and (*key[:3], "auc") in rows
    }
    avs = [value for key, value in apart.items() if key[2] != "in-set"]
    assert len(avs) == 20 and max(avs) < 0.004
    assert max(value for key, value in apart.items() if key[2] == "in-set") > 0.03


def test_text_of_numbers():
    assert [signed(x) for x in (0.012, -0.0035, -0.00001, 0)] == ["+1.20", "−0.35", "0.00", "0.00"]
    grid = Grid(["`a_b`", "%"], [["x|y", bold("−1 ± 2") + " †"]], "lr")
    assert markdown(grid) == "| `a_b` | % |\n| :-- | --: |\n| x\\|y | **−1 ± 2** † |"
    assert latex(grid) == (
        "\\begin{tabular}{lr}\n\\toprule\n\\texttt{a\\_b} & \\% \\\\\n\\midrule\n"
        "x|y & \\textbf{$-$1 $\\pm$ 2} $\\dagger$ \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


@pytest.mark.parametrize(
    "name, shown",
    [("a\nb", "a\\nb"), ("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\rb", "a\\rb"), ("a\u2028b", "a\\u2028b")],
)
def test_no_name_breaks_a_line_or_reaches_the_terminal(name, shown):
    grid = Grid(["method"], [[f"`{name}`"]], "l")
    assert markdown(grid).split("\n")[2:] == [f"| `{shown}` |"]
    assert len(latex(grid).splitlines()) == 7 and "\x1b" not in latex(grid)
