"""The published figure beside a result that was worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.grid.cells import record_stem
from benchmarks.grid.protocol import Cell
from benchmarks.params import build
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from benchmarks.report.expected import published_lines
from benchmarks.scoring.boxes import BoxScores
from benchmarks.scoring.counts import score_frames
from benchmarks.scoring.npz import save_scores

ROOT = Path(__file__).parents[3]


@pytest.fixture
def params(tmp_path, monkeypatch):
    values = read_yaml(profile_file("paper", ROOT / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    return build(values)


def record(params, cell) -> None:
    """Two frames of 2 x 2: one right, of the other a pixel of probability .45 is missed at .5."""
    truth = torch.tensor([[[1, 1], [0, 0]], [[1, 1], [0, 0]]]).bool()
    probability = torch.where(truth, 0.9, 0.1)
    probability[1, 0, 1] = 0.45
    scores = score_frames(
        probability, truth, uid=["a", "a"], video=["a", "a"], frame=[0, 1],
        classes=["dog", "dog"], thresholds=(0.5, 0.4), squash=2,
    )  # fmt: skip
    stem = record_stem(params, cell)
    stem.parent.mkdir(parents=True)
    save_scores(stem.with_name(f"{stem.name}.npz"), {"test": scores})


def test_each_figure_is_by_the_rule_of_the_code_that_printed_it(params):
    cell = Cell("table1", "avsbench", "avsbench", "v1m", "train", 0)
    assert published_lines(params, [cell]) == []  # nothing is measured yet
    record(params, cell)
    miou, f = published_lines(params, [cell])
    where = "table1 avsbench v1m train seed 0"
    rule = "the rule of OpenNLPLab/AVSBench, frames squashed to a square (Table 1)"
    assert miou == f"{where} miou: published: 54.00 by {rule}; yours: 75.00"  # (1 + 1/2) / 2
    assert f.startswith(f"{where} fscore: published: 0.645 by the rule of OpenNLPLab/AVSBench")
    assert f.endswith("yours: 1.000")
    released = Cell("table1", "gavs", "gavs", "v1m", "train", 0)
    record(params, released)
    line = published_lines(params, [released])[0]
    assert "published: 63.70 by the rule of released GAVS code" in line
    assert line.endswith("yours: 100.00")  # at its threshold of .4 nothing is missed


def test_in_set_figures_of_vggss_are_beside_the_rule_that_they_look_like(params):
    """A box of 4 pixels. Rule fixed lights one of them, IoU 1/4; median all and 4 more, IoU 1/2."""
    lit = np.array([[[1, 1], [8, 8], [4, 4]]])
    scores = BoxScores(
        **dict.fromkeys(("uid", "video", "classes"), np.array(["a"])),
        rules=np.array(["fixed", "median", "oracle"]), target=np.array([4]),
        intersection=lit.clip(max=4), lit=lit, confidence=np.array([0.9]),
    )  # fmt: skip
    figures = []
    for row, stage, setting in (("hardway", "in_set", "in-set"), ("gavs", "zero_shot", "0-shot")):
        stem = record_stem(params, cell := Cell("table3", stage, row, "vggss", setting, 0))
        stem.parent.mkdir(parents=True)
        save_scores(stem.with_name(f"{stem.name}.npz"), {"vggss": scores})
        ciou, auc = published_lines(params, [cell])
        figures.append(ciou.split("published: ")[1])
        assert f"AUC, rule {'median' if row == 'hardway' else 'fixed'}, as it looks" in auc
    assert figures == [
        "34.4 by the share of IoUs of 0.5 or more, rule median, as it looks (Table 3); "
        "yours: 100.00",
        "41.07 by mean IoU, rule fixed, as it looks (Table 3); yours: 25.00",
    ]


def test_nothing_is_published_of_a_world_of_ones_own(params, tmp_path):
    cell = Cell("table1", "avsbench", "avsbench", "v1m", "train", 0)
    record(params, cell)
    small = build(read_yaml(ROOT / "params.yaml"))
    assert published_lines(small.model_copy(update={"profile": "paper"}), [cell]) == []
