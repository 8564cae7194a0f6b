"""Comparison of two sides: paired by video, on common clips and runs, and of states of tables."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from benchmarks.common.files import sha256, write_sealed
from benchmarks.predictions import command, sides, states
from benchmarks.predictions.compare import compare, text_of
from benchmarks.predictions.sides import Operand, Place, side_of
from benchmarks.predictions.states import CompareError, changed, changes_text, tables_of
from benchmarks.scoring.counts import score_frames
from benchmarks.scoring.metrics import iou_terms
from benchmarks.scoring.npz import save_scores
from benchmarks.scoring.records import SCHEMA, RecordError
from benchmarks.scoring.statistics import difference, sample
from tests.copies import ROOT

VIDEOS = ["a", "a", "b", "c", "d"]


def scores(lit, videos=VIDEOS, classes=None, target=5, frame=0):
    """Frames of ten pixels, `target` of which sound, of which `lit` are lit: IoU lit / target."""
    pixels = torch.arange(10)
    return score_frames(
        torch.stack([(pixels < k)[None].float() for k in lit]),
        (pixels < target)[None].expand(len(lit), 1, 10),
        uid=[f"{video}{i}" for i, video in enumerate(videos)],
        video=videos,
        frame=[frame] * len(lit),
        classes=classes or ["dog", "dog", "dog_cat", "dog_cat", "dog"],
    )


def side(*runs, name="row", evaluation="test", setting="train", masks=False):
    cells = {
        Place(name, "v2", setting, seed, None): lambda run=run: {evaluation: run}
        for seed, run in enumerate(runs)
    }
    return Operand(name, cells, masks)


def test_means_difference_and_p_are_those_of_the_statistics():
    first, second = scores([5, 4, 3, 5, 2]), scores([1, 2, 2, 4, 2])
    lines, classes = compare(side(first), side(second))
    miou = next(line for line in lines if line.metric == "miou")
    assert miou.first == pytest.approx(19 / 25) and miou.second == pytest.approx(11 / 25)
    assert (miou.runs, miou.clips, miou.left_out) == (1, 5, 0)
    expected = difference(*(sample([iou_terms(s)]) for s in (first, second)))
    assert (miou.difference.low, miou.difference.high) == (expected.low, expected.high)
    assert miou.difference.p >= expected.p  # by Holm over mIoU and F
    assert {(line.classes, line.clips) for line in classes} == {("dog", 5), ("cat", 2)}
    cat = next(line for line in classes if line.classes == "cat")
    assert cat.difference.mean == pytest.approx((3 + 5 - 2 - 4) / 10)
    json.dumps([line.content() for line in [*lines, *classes]])
    shown = [row.split() for row in text_of(lines, classes, ("a", "b")).splitlines()]
    assert "v2 train test miou 76.00 44.00 +32.00".split() in [row[:7] for row in shown]


def test_a_side_against_itself_differs_in_nothing():
    lines, _ = compare(side(scores([5, 4, 3, 5, 2])), side(scores([5, 4, 3, 5, 2])))
    assert {(d.mean, d.low, d.high, d.p) for d in (line.difference for line in lines)} == {
        (0, 0, 0, 1)
    }


def test_only_common_runs_and_clips_are_compared():
    both, more = scores([5, 4, 3, 5, 2]), scores([1, 1, 1, 1, 1])
    fewer = scores([5, 4, 3, 5], VIDEOS[:4], ["dog"] * 4)
    lines, _ = compare(side(both, more), side(fewer))
    assert {(line.runs, line.clips, line.left_out) for line in lines} == {(1, 4, 1)}
    assert {line.difference.mean for line in lines} == {0}


@pytest.mark.parametrize("odd", [{"target": 6}, {"frame": 1}])
def test_scores_of_other_frames_or_another_truth_are_not_paired(odd):
    """Two worlds, or two editions of one, have the same names of clips."""
    with pytest.raises(CompareError, match="^row and row, v2 train test: clip a0 has other frames"):
        compare(side(scores([5] * 5)), side(scores([5] * 5, **odd)))


def test_of_binary_masks_there_is_no_f():
    """It has one threshold, the tables' the best of 255."""
    lines, _ = compare(side(scores([5] * 5)), side(scores([1, 2, 2, 4, 2]), masks=True))
    assert [line.metric for line in lines] == ["miou"]


def test_controls_are_left_out_unless_they_are_asked_for_or_alone():
    a, b = scores([5, 4, 3, 5, 2]), scores([1, 2, 2, 4, 2])
    floor = {"setting": "floor"}
    assert len(compare(side(a, **floor), side(b, **floor))[0]) == 2
    both = [Operand(s.name, {**s.cells, **side(x, **floor).cells}) for s, x in
            ((side(a), a), (side(b), b))]  # fmt: skip
    assert {line.setting for line in compare(*both)[0]} == {"train"}
    assert {line.setting for line in compare(*both, controls=True)[0]} == {"train", "floor"}


def test_sides_with_nothing_in_common_are_named():
    other = side(scores([5] * 5), setting="0-shot")
    with pytest.raises(CompareError, match="nothing in common: row has row v2 train seed 0; row"):
        compare(side(scores([5] * 5)), other)


def test_a_side_is_a_row_a_folder_or_a_run(tmp_path):
    work = tmp_path / "work"
    path = work / "records/table1/gavs/v2-train-seed0.json"
    save_scores(path.with_suffix(".npz"), {"test": scores([5] * 5)})
    record = {
        **{"schema": 3, "profile": "small", "variant": "gavs", "benchmark": "v2"},
        **{"setting": "train", "seed": 0, "draw": None, "history": [], "evaluations": ["test"]},
        "checksums": {"index": "", "code": ""},
        "counts": {"trainable_parameters": 1},
        "files": {"scores.npz": sha256(path.with_suffix(".npz"))},
    }
    write_sealed(path, record)
    run = tmp_path / "run"
    save_scores(run / "scores.npz", {"test": scores([5] * 5)})
    (run / "record.json").write_text(json.dumps(record | {"method": "gavs"}))
    params = SimpleNamespace(work=work, profile="small")
    names = ["gavs", str(path.parent), str(run)]
    for name in names:
        side = side_of(name, params)
        assert list(side.cells) == [Place("gavs", "v2", "train", 0, None)]
        (load,) = side.cells.values()
        assert len(load()["test"]) == 5
    assert side_of("nobody", params) is None and side_of(str(tmp_path / "empty"), params) is None
    path.write_text(path.read_text()[:-9])  # else the row would have a seed less without a word
    for name in names[:2]:
        with pytest.raises(RecordError, match="v2-train-seed0.json"):
            side_of(name, params)


def test_a_row_is_meant_although_a_branch_has_its_name(monkeypatch, capsys):
    monkeypatch.setattr(sides, "side_of", lambda *_: side(scores([5, 4, 3, 5, 2])))
    monkeypatch.setattr(states, "tables_of", lambda *_: {"table1": pd.DataFrame()})
    names = {"first": "gavs", "second": "sam_fusion", "params": ROOT / "params.yaml"}
    flags = {"benchmark": None, "controls": False, "by_class": False, "json": False}
    command.compare(SimpleNamespace(**names, **flags))
    assert "v2 train test miou" in capsys.readouterr().out


def test_an_empty_name_is_no_folder_of_records():
    names = {"first": "gavs", "second": "", "params": ROOT / "params.yaml"}
    with pytest.raises(CompareError, match="an empty name"):
        command.compare(SimpleNamespace(**names, benchmark=None, json=False))


def test_of_a_run_s_records_only_those_of_the_benchmark_count(tmp_path):
    content = {"schema": SCHEMA, "method": "gavs", "benchmark": "v2", "setting": "train"}
    (tmp_path / "record.json").write_text(json.dumps({**content, "seed": 0, "draw": None}))
    params = SimpleNamespace(work=tmp_path / "work")
    found = side_of(str(tmp_path), params, "v2")
    assert found and [place.benchmark for place in found.cells] == ["v2"]
    with pytest.raises(CompareError, match="no record of --benchmark v1m; it has v2"):
        side_of(str(tmp_path), params, "v1m")


def test_the_working_tree_is_no_folder_of_predictions(monkeypatch):
    monkeypatch.setattr(states, "tables_of", lambda *_: None)
    monkeypatch.setattr(command, "_folder", lambda *_: pytest.fail("scored as predictions"))
    names = {"first": ".", "second": "nowhere", "params": ROOT / "params.yaml"}
    with pytest.raises(CompareError, match=r"^\.: no row"):
        command.compare(SimpleNamespace(**names, benchmark="v1s", json=False))


def test_the_tables_figures_stand_once_and_no_seeds(tmp_path):
    """runs.csv has a line per seed, so that each would meet every other."""
    (tmp_path / "tables").mkdir()
    table(miou=(1, 0, 2)).to_csv(tmp_path / "tables/table1.csv", index=False)
    runs = pd.DataFrame({"table": "table1", "seed": [0, 1], "value": [0.5, 1.5]})
    runs = runs.assign(method="gavs", where="v2", measure="miou")
    runs.to_csv(tmp_path / "tables/runs.csv", index=False)
    assert [*tables_of(".", tmp_path)] == ["table1"]


def table(**values):
    return pd.DataFrame(
        [["gavs", "v2", name, *numbers] for name, numbers in values.items()],
        columns=["method", "where", "measure", "value", "low", "high"],
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: "", "no column method, where"),
        (lambda text: text.replace("1,0", "1,,0"), "line 2: 7 values, expected 6"),
        (lambda text: text.replace("1,0", "one,0"), "line 2: value 'one', expected a number"),
        (lambda text: f"<<<<<<< HEAD\n{text}", "no column .*, '<<<<<<< HEAD'"),
        (lambda text: text + "gavs,v2,miou,3,2,4\n", "line 3: method gavs, .* again, as in line 2"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_in_the_tree_and_in_git(
    tmp_path, monkeypatch, edit, message
):
    monkeypatch.chdir(tmp_path)
    path = Path("results/tables/table1.csv")
    path.parent.mkdir(parents=True)
    table(miou=(1, 0, 2)).to_csv(path, index=False)
    path.write_text(edit(path.read_text()))
    with pytest.raises(CompareError, match=f"^{path}: .*{message}.*; resolve its conflict"):
        tables_of(".", Path("results"))
    for words in ("init", "add .", "-c user.name=a -c user.email=a commit -m a"):
        subprocess.run(["git", *words.split()], check=True, capture_output=True)
    with pytest.raises(CompareError, match=f"^HEAD:{path}: .*{message}"):
        tables_of("HEAD", Path("results"))


def test_an_edit_is_told_by_the_figures_that_it_moves():
    first = {"t": table(same=(1, 0, 2), far=(9, 8, 10), near=(1.5, 0, 3), new=(1, 0, 2))}
    second = {"t": table(same=(1, 0, 2), far=(1, 0, 2), near=(1, 0, 3), old=(1, 0, 2))}
    changes = changed(first, second)
    told = changes.set_index("measure")[["change", "outside", "only"]].T.to_dict("list")
    assert told["far"] == [8, True, ""] and told["near"] == [0.5, False, ""]
    assert told["new"][2] == "first" and told["old"][2] == "second" and "same" not in told
    assert changes.measure.iloc[0] == "far"
    text = changes_text(changes, (".", "HEAD"))
    assert "2 figures differ, 1 outside both intervals" in text and "only in HEAD: t gavs" in text
    assert changes_text(changed(first, first), (".", "HEAD")).startswith("no figure differs")
