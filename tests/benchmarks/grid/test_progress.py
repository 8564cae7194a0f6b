"""The time left by hand, the work that is left on a small world, and what the log says."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tqdm import tqdm

from benchmarks import cli
from benchmarks.cli.stages import check_records, stage_line
from benchmarks.common.checks import merge
from benchmarks.common.paths import PathError
from benchmarks.grid.progress import CellLog, TimeLeft, Work, duration, remaining, training_cost
from benchmarks.grid.protocol import Cell, cells_of, model_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import build, load
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from tests.copies import ROOT


def test_time_left_by_hand():
    """Two workers; `slow` takes ten times as long per cost as `quick`."""
    work = {
        "a": Work("slow", 10),
        "b": Work("quick", 20),
        "c": Work("slow", 5),
        "d": Work("quick", 10),
        "e": Work("other", 6),
        "done": Work("slow", 0),
    }
    left = TimeLeft(work, workers=2)
    assert left.seconds(0) is None
    left.end("done", 0.5)  # it was there before: says nothing about how long others take
    assert left.seconds(0.5) is None
    left.end("b", 20)
    # slow and other as quick, the only one known: a 10 s, c 5 s, d 10 s, e 6 s; of them 40 s of
    # two workers less 20.5 are spent.
    assert left.seconds(20) == pytest.approx((31 - 19.5) / 2)
    left.end("a", 100)
    # c 5 x 10 s, d 10 x 1 s, e 6 x 120/30 s; 200 - 120.5 s are spent on those that run.
    assert left.seconds(100) == pytest.approx((84 - 79.5) / 2)
    left.end("c", None)  # it failed
    left.end("d", 10)
    assert left.seconds(110) == 0  # e has run for longer than it should
    left.end("e", 30)
    assert left.seconds(140) == 0


@pytest.mark.parametrize("budget, clips", [("epochs", 10), ("steps", 100)])
def test_the_cost_of_a_fraction_by_its_budget(budget, clips):
    """60 epochs of its own ten clips of ten frames, there and back, or of the whole set's."""
    values = read_yaml(profile_file("paper", ROOT / "params.yaml"))
    params = build(merge(values, {"protocol": {"fraction_budget": budget}}))
    cells = cells_of(params, "figure3", "fractions")
    model = model_of(next(cell for cell in cells if cell.row == "gavs"))
    sets = {model.full: SimpleNamespace(frames=np.full(100, 10))}
    sets |= {model.train: SimpleNamespace(frames=np.full(10, 10))}
    bench = SimpleNamespace(params=params, clip_sets=sets)
    assert training_cost(bench, model) == 60 * clips * 10 * 2


def test_what_is_left_of_cells_and_a_line_for_each_with_the_time(project, capfd):
    params, words = load(), ["run", "table1", "gavs_adapters", "v1m"]
    cells = [c for c in cells_of(params, "table1", "gavs_adapters") if c.benchmark == "v1m"]
    again = replace(cells[0], stage="again")
    left = remaining(Workbench(params), [*cells, again])
    assert {work.method for work in left.values()} == {"gavs"}  # whose variant it is
    assert 0 < left[again].cost < left[cells[0]].cost / 2  # the first trains the model for both
    assert cli.main([*words, "--seed", "0", "--verbose"]) == 0
    assert "update 5/10" in capfd.readouterr().err
    after = remaining(Workbench(params), cells)
    assert [after[c].cost for c in cells] == [0 if c.seed == 0 else left[c].cost for c in cells]
    assert cli.main([*words, "--workers", "1"]) == 0
    printed = capfd.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("[")]
    total = len(cells)
    assert [line.split("]")[0] for line in lines] == [f"[{n + 1}/{total}" for n in range(total)]
    assert "already run" in lines[-1] and " left" not in lines[-1]  # the longest came first
    assert "update 5/10" not in printed.err
    assert printed.out.count("the numbers mean nothing") == 1


def test_a_failed_cell_counts_for_nothing_and_is_an_error(caplog):
    cells = [Cell("table1", "gavs", "gavs", "v1m", "train", seed) for seed in range(2)]
    bar = tqdm(total=2, disable=True)
    with caplog.at_level(logging.INFO, "benchmarks"):
        log = CellLog(dict.fromkeys(cells, Work("gavs", 1)), 1, bar)
        log.end(cells[0], "FAILED: out of memory", None)
        log.end(cells[1], "test mIoU 30.0 (2.0 s)", 2.0)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert caplog.messages == [
        "[1/2] table1 gavs v1m train seed 0: FAILED: out of memory",
        "[2/2] table1 gavs v1m train seed 1: test mIoU 30.0 (2.0 s)",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.6, "5 s"), (89, "1 min"), (3570, "1 h 0 min"), (12_000, "3 h 20 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_a_command_that_dvc_runs_says_which_stage_it_is(tmp_path, monkeypatch):
    graph = tmp_path / "dvc.yaml"
    graph.write_text(
        "stages:\n  data: {cmd: a}\n  run:\n    foreach: {one: {after: b}, two: {after: c}}\n"
        "    do: {cmd: d}\n  report: {cmd: e}\n"
    )
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert stage_line(graph) == ""
    monkeypatch.setenv("DVC_STAGE", "run@two")
    assert stage_line(graph) == "stage 3 of 4: run@two"
    monkeypatch.setenv("DVC_STAGE", "elsewhere")
    assert stage_line(graph) == ""


def test_a_graph_with_records_outside_the_project_is_refused_first(tmp_path, monkeypatch):
    """DVC fails on cached outs outside the repository only when a stage has run."""
    project, disk = tmp_path / "project", tmp_path / "disk"
    project.mkdir()
    disk.mkdir()
    monkeypatch.chdir(project)
    Path("work").symlink_to(disk)
    check_records(Path("work/records"))  # by hand all is well
    monkeypatch.setenv("DVC_STAGE", "values")
    with pytest.raises(PathError, match="work/records: leads to .*disk.*link the folders"):
        check_records(Path("work/records"))
    Path("work").unlink()
    Path("work").mkdir()
    Path("work/features").symlink_to(disk)
    check_records(Path("work/records"))
