"""The published figure beside a result that was worked out by hand."""

from pathlib import Path

import pytest
import torch

from benchmarks.grid.cells import record_stem
from benchmarks.grid.protocol import Cell
from benchmarks.params import build
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from benchmarks.report.expected import published_lines
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


def test_nothing_is_published_of_a_world_of_ones_own(params, tmp_path):
    cell = Cell("table1", "avsbench", "avsbench", "v1m", "train", 0)
    record(params, cell)
    small = build(read_yaml(ROOT / "params.yaml"))
    assert published_lines(small.model_copy(update={"profile": "paper"}), [cell]) == []
