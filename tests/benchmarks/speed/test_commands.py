"""The lines that start processes: with tiny sizes, and what they refuse."""

import pytest

from benchmarks.speed import commands, repro, workers


def test_cpu_seconds_are_those_of_the_commands(monkeypatch):
    """Equal work has about equal cost; only a command's own seconds count, not this process's."""
    monkeypatch.setattr(commands, "COMMANDS", {"--help": 2.0})
    spins = "sum(range(3_000_000))"
    monkeypatch.setattr(commands, "IMPORT", ("-c", spins))
    (line,) = commands.lines()
    assert line.wanted == 0.5 and all(seconds > 0 for seconds in line.seconds)


def test_a_command_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match="-c raise ValueError"):
        commands.python(("-c", "raise ValueError('x')"))
    assert commands.python(("-c", "raise SystemExit(1)")) == 0.0  # `stale` says so


@pytest.mark.slow
def test_dvc_takes_the_copy_for_done_and_a_change_is_noticed(tmp_path):
    repro.copy_tree(tmp_path)
    repro.pretend(tmp_path)
    repro.run(tmp_path, "dvc", "repro")
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(RuntimeError, match="Running stage .values"):
        repro.run(tmp_path, "dvc", "repro", "values")


@pytest.mark.slow
def test_one_and_two_workers_have_the_same_scores(monkeypatch):
    monkeypatch.setattr(workers, "ROWS", ("gavs", "audio_sam", "sam_fusion"))
    monkeypatch.setattr(workers, "CLIPS", {"train": 8, "val": 2, "test": 3})
    monkeypatch.setattr(workers, "STEPS", 2)
    monkeypatch.setattr("benchmarks.speed.workers.os.sched_getaffinity", lambda _: {0, 1})
    (line,) = workers.lines()
    assert line.difference == 0.0 and line.seconds is not None
    monkeypatch.setattr("benchmarks.speed.workers.os.sched_getaffinity", lambda _: {0})
    (line,) = workers.lines()
    assert line.reached is None and line.remark == "needs two cores"
