"""The numbers behind expected_tables.md, worked by hand from `full_desk` (conftest.py).

mIoU of gavs: seed 0 (5/5 + 3/5) / 2 = 80, seed 1 (4/5 + 2/5) / 2 = 60; mean 70, sd 20 / sqrt(2).
Its interval: one of the two seeds is drawn, and two of the two videos, so that 40 (video 2 of seed
1 twice) and 100 (video 1 of seed 0 twice) come up one time in eight each. avsbench is 20 points
lower on every video and seed: no spread at all. gavs_released is 20 lower in seed 0 and equal in
seed 1: sd 10, detectable 28 but for the 2000 draws. F of gavs: seed 0 (1 + 0.8667) / 2, seed 1
(0.9455 + 0.7429) / 2.
"""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.report.formats import Grid, latex, markdown, signed
from benchmarks.report.summary import read_paper
from benchmarks.report.write import PAPER

EXPECTED = Path(__file__).with_name("expected_tables.md")


def line_of(text, row, heading="## Table 1"):
    section = text[text.index(heading) :]
    return next(line for line in section.splitlines() if f"| `{row}`" in line)


def changed(desk, **lists):
    return desk.tables | {"table1": desk.tables["table1"] | lists}


def test_the_page(full_desk):
    assert full_desk.report() == EXPECTED.read_text(encoding="utf-8")


def test_equal_records_give_equal_files(full_desk, tmp_path):
    full_desk.report()
    first = {p.name: p.read_bytes() for p in full_desk.results.rglob("*.*")}
    shutil.move(full_desk.results, tmp_path / "old")
    full_desk.report()
    assert {p.name: p.read_bytes() for p in full_desk.results.rglob("*.*")} == first
    assert len(first) == 9


def test_what_is_missing_is_a_dash_and_is_listed(full_desk):
    shutil.rmtree(full_desk.records / "table1/avsbench")
    (full_desk.records / "table1/gavs/v1s-train-seed1.json").unlink()
    text = full_desk.report()
    assert line_of(text, "avsbench") == "| `avsbench` | – | – | 78.70 / 0.879 |"
    assert line_of(text, "avsbench", "### V1S") == "| `avsbench`" + " | –" * 9 + " |"
    assert "| `gavs` | 80.00 (1 of 2 seeds) | 0.933 | 80.06 / 0.902 |" in text
    assert "Missing records (4): `avsbench/*`, `gavs/v1s-train-seed1`." in text
    # The released row is compared on the seed that both have, where it is 20 points lower.
    assert "| −20.00 [−20.00, −20.00] |" in line_of(text, "gavs_released", "### V1S")


def test_nothing_measured_yet(desk):
    text = desk.report()
    assert "| `gavs` | – | – | 80.06 / 0.902 |" in text
    assert "0 records, seeds 0, 1." in text
    assert "Outside the noise: 0 of 0 variants." in text


def test_only_rows_and_seeds_of_the_lists_are_read(full_desk):
    tables = changed(full_desk, baselines=[])
    full_desk.put("gavs", [1, 1], seed=7)
    (full_desk.records / "table1/avsbench/v1s-train-seed0.json").write_text("not even JSON")
    text = full_desk.report(tables)
    assert "avsbench" not in text
    assert "| `gavs` | 70.00 ± 14.14 | 0.889 ± 0.063 | 80.06 / 0.902 |" in text
    assert "| `gavs` | 80.00 | 0.933 | 80.06 / 0.902 |" in full_desk.report(tables, seeds=[0])


def test_differences_stay_when_the_base_leaves_table_1(full_desk):
    text = full_desk.report(changed(full_desk, gavs=["gavs_released"]))
    assert "\n| `gavs`" not in text[: text.index("## Ablations")]
    assert "−20.00 [−20.00, −20.00] | 0.00 |" in line_of(text, "avsbench", "### V1S")


def test_marks_of_a_row_that_does_not_hear(full_desk):
    text = full_desk.report()
    assert "| 60.00 | 60.00 † |" in line_of(text, "gavs_released", "### V1S")
    assert "| 20.00 | 30.00 |" in line_of(text, "gavs", "### V1S")
    full_desk.put("gavs_released", [4, 2], 0, shuffled=[3, 1])
    full_desk.put("gavs_released", [3, 1], setting="floor")
    text = full_desk.report()
    assert "†" not in text[text.index("## Table 1") :]
    assert "Shuffling the sound lowers the score of every row." in text
    assert "Every row scores above its floor." in text


def test_an_order_of_the_paper_reversed_and_one_undecided(full_desk):
    full_desk.put("gavs", [3, 3], 0)
    full_desk.put("gavs", [3, 2], 1)
    full_desk.put("avsbench", [4, 5], 0)  # better on every video with either seed
    full_desk.put("avsbench", [5, 4], 1)
    assert "| V1S | – | `gavs` > `avsbench` | – |" in full_desk.report()
    full_desk.put("avsbench", [2, 3], 1)  # better on one video, worse on the other
    text = full_desk.report()
    assert "| V1S | – | – | `gavs` > `avsbench` |" in text
    assert "0 hold on this profile, 0 are reversed, 1 undecided." in text


def test_a_mixture_of_data_or_code_is_said_aloud(full_desk):
    full_desk.put("gavs", [4, 2], 1, checksums={"index": "d" * 64, "code": "e" * 64})
    assert "**More than one state of the code in `gavs`: run `dvc repro`.**" in full_desk.report()
    full_desk.put("gavs", [4, 2], 1, checksums={"index": "a" * 64, "code": "c" * 64})
    assert "**They come from 2 states of the data: run `dvc repro`.**" in full_desk.report()
    one = {"checksums": {"index": "d" * 64, "code": "e" * 64}}
    full_desk.put("gavs", [4, 2], 1)
    full_desk.put("oracle_click", [5, 5], trains=False, **one)
    assert "of the code: 2 checksums, one a method." in full_desk.report()


def test_csv_has_one_row_a_metric_in_the_units_of_the_page(full_desk):
    full_desk.report()
    table = pd.read_csv(full_desk.results / "tables/table1.csv")
    assert set(table.profile) == {"miniature"}
    assert not table.duplicated(["method", "benchmark", "metric"]).any()
    rows = table.set_index(["method", "metric"])
    gavs = rows.loc[("gavs", "miou")]
    assert gavs[["value", "low", "high", "paper"]].tolist() == [70, 40, 100, 80.06]
    assert gavs.sd == pytest.approx(20 / 2**0.5, abs=1e-6)
    seeds = ((1 + 0.78 / 0.9) / 2, (1.04 / 1.1 + 0.52 / 0.7) / 2)
    assert rows.loc[("gavs", "fscore")].value == pytest.approx(sum(seeds) / 2, abs=1e-6)
    assert rows.loc[("avsbench", "difference")][["value", "low", "high"]].tolist() == [-20] * 3
    # Two differences are judged; the smallest p that 2000 draws can give, doubled by Holm.
    assert rows.loc[("avsbench", "difference")].p == pytest.approx(2 * 2 / 2001, abs=1e-6)
    assert rows.loc[("gavs", "floor_gain")].value == 60
    assert rows.loc[("gavs", "trainable_parameters")].value == 1234


def test_the_papers_table():
    paper = read_paper(PAPER)
    assert paper["gavs", "v1m", "miou"] == 63.70
    assert paper["sam_fusion", "v2", "fscore"] == 0.724
    assert [b for m, b, k in paper if m == "av_sam" and k == "miou"] == ["v1s"]
    assert len(paper) == 2 * (5 * 3 + 3 * 2 + 1)  # AUSS, AVSC, AuTR have no V2, AV-SAM only V1S


def test_text_of_numbers():
    assert [signed(x) for x in (0.012, -0.0035, -0.00001, 0)] == ["+1.20", "−0.35", "0.00", "0.00"]
    grid = Grid(["`a_b`", "%"], [["x|y", "−1 ± 2"]], "lr")
    assert markdown(grid) == "| `a_b` | % |\n| :-- | --: |\n| x\\|y | −1 ± 2 |"
    assert latex(grid) == (
        "\\begin{tabular}{lr}\n\\toprule\n\\texttt{a\\_b} & \\% \\\\\n\\midrule\n"
        "x|y & $-$1 $\\pm$ 2 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )
