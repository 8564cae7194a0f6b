"""The paper's figures as they are read, and the text of numbers and names."""

import numpy as np
import pytest

from benchmarks.common.tables import Grid, bold, latex, markdown, number, signed
from benchmarks.params import method_names
from benchmarks.report.measure import read_paper
from benchmarks.report.rosetta import described
from benchmarks.scoring.rosetta import RULES


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
    assert [number(x, 100, 1) for x in (-0.0123, -0.0001, np.nan)] == ["−1.2", "0.0", "–"]
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


def test_a_rule_says_what_it_takes_means_over_and_what_empty_frames_count():
    texts = {rule.name: described(rule) for rule in RULES}
    assert texts["avsegformer"] == (
        "vvvb-github/AVSegFormer: 2 clips per batch; mIoU at threshold 0.5, per batch of 2 clips, "
        "empty frames by their share of dark pixels; F the best threshold per batch of 2 clips"
    )
    assert texts["avsbench_squash"].endswith("; F not kept")
