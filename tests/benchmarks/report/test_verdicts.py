"""Table 1's verdicts: matched pairs, the paper's orders, and who takes part in none."""

from tests.benchmarks.report.conftest import frames, plan_with, section, verdicts_of

PAIR = "prompt > fusion, matched pair"
PAPER = "the paper's order"


def test_prompt_and_fusion_are_judged_by_matched_pairs(full_desk):
    """sam_fusion is 20 below gavs with either seed, sam_fusion_add 20 above; avsbench and tpavi_sam
    differ from gavs in more than the paradigm."""
    for seed in (0, 1):
        full_desk.put("gavs", [4, 2], seed)
        full_desk.put("sam_fusion", [3, 1], seed)
        full_desk.put("sam_fusion_add", [5, 3], seed)
        full_desk.put("tpavi_sam", [5, 5], seed)
    verdicts = verdicts_of(full_desk.report(), "## Table 1")
    pairs = {ordering: cells for (claim, ordering, _), cells in verdicts.items() if claim == PAIR}
    assert pairs == {
        "gavs > sam_fusion": [
            "80.06 / 71.92",
            "60.00 / 40.00",
            "+20.00 [+20.00, +20.00]",
            "<0.001",
            "2",
            "holds",
            "–",
        ],
        "gavs > sam_fusion_add": [
            "–",
            "60.00 / 80.00",
            "−20.00 [−20.00, −20.00]",
            "<0.001",
            "2",
            "reversed",
            "–",
        ],
    }


def test_a_matched_pair_that_the_paper_orders_too_is_counted_once(full_desk):
    for seed in (0, 1):
        full_desk.put("gavs", [4, 2], seed)
        full_desk.put("sam_fusion", [3, 1], seed)
    text = full_desk.report(plan_with(table1={"published": ["sam_fusion"]}), all_judged=True)
    assert "### Verdicts: holds 1, reversed 0, undecided 0" in section(text, "## Table 1")
    assert [claim for claim, *_ in verdicts_of(text, "## Table 1")] == [PAIR]


def test_an_order_of_the_paper_holds_is_reversed_or_undecided(full_desk):
    def verdict():
        text = full_desk.report()
        return verdicts_of(text, "## Table 1")[PAPER, "gavs > avsbench", "V1S"][-2], text

    def put(row, *lit):
        for seed, seen in enumerate(lit):
            full_desk.put(row, seen, seed)

    for row in ("gavs", "avsbench"):
        full_desk.put(row, [0, 0], setting="floor")
    put("gavs", [4, 3], [4, 3])
    put("avsbench", [3, 2], [3, 2])
    assert verdict()[0] == "holds"
    put("avsbench", [5, 4], [5, 4])  # better on every video with either seed
    word, text = verdict()
    assert word == "reversed" and "### Verdicts: holds 0, reversed 1, undecided 0" in text
    put("avsbench", [3, 5], [3, 5])  # worse on one video, better on the other
    assert verdict()[0] == "undecided"


def test_a_row_stands_at_each_threshold_by_itself(full_desk):
    """The silent training is as good, but dim: at 0.5 it lights nothing."""
    for seed in (0, 1):
        for setting, p in (("train", 0.9), ("floor", 0.45)):
            tests = {"test": frames([4, 3, 4], p=p), "val": frames([4, 3, 4], p=p)}
            place = ("table1/avsbench", "avsbench", "v1s", setting)
            full_desk.write(*place, tests, seed)
    full_desk.report()
    (line,) = [
        line
        for line in (full_desk.results / "verdicts.md").read_text().splitlines()
        if line.startswith("| V1S | its silent floor")
    ]
    assert line.endswith("| `gavs_released` | `avsbench` |")  # the former has no floor's val


def test_rows_below_all_dark_or_their_floor_are_in_no_verdict(full_desk):
    """avsbench lights nothing that sounds; gavs is no better than in silence; then both are."""
    for seed in (0, 1):
        full_desk.put("gavs", [4, 2], seed)
        full_desk.put("avsbench", [0, 0], seed)
    full_desk.put("gavs", [4, 2], setting="floor")
    text = section(full_desk.report(), "## Table 1")
    assert "### Verdicts" not in text
    for seed in (0, 1):
        full_desk.put("avsbench", [3, 3], seed)
    full_desk.put("gavs", [1, 1], setting="floor")
    full_desk.put("sam_fusion", [0, 0])
    text = section(full_desk.report(), "## Table 1")
    assert "| `gavs` > `avsbench` |" in text and "> `sam_fusion` |" not in text
    assert "In no verdict, since not shown to be above " in text
    assert "all dark (V1S): `sam_fusion`" in text
