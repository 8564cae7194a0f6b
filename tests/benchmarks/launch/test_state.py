"""What is done, runs, waits, failed and remains; two launches at once."""

import json
import multiprocessing
import os
import platform
from pathlib import Path

import pytest

from benchmarks.common.remedy import in_use
from benchmarks.launch.command import status_page
from benchmarks.launch.job import LaunchError
from benchmarks.launch.jobs import Job
from benchmarks.launch.state import State

fork = multiprocessing.get_context("fork")


class Progress:
    """Which jobs are finished, by name."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def finished(self, job: Job) -> bool:
        return job.name in self.names


@pytest.fixture
def state(tmp_path) -> State:
    return State(tmp_path / "launch")


def _add(state: State, names: list[str]) -> list[Job]:
    state.add(
        {
            name: {
                "id": f"7_{i}",
                "log": str(state.folder / f"{name}.log"),
                "result": str(state.folder / f"{name}.pkl"),
                "recipe": "",
            }
            for i, name in enumerate(names)
        }
    )
    return [Job(name, "train", ()) for name in names]


def test_slurms_queue_and_what_jobs_left(state, programs):
    jobs = _add(state, ["done", "runs", "waits", "bad", "oom", "cancelled"])
    jobs.append(Job("new", "score", ()))
    programs(squeue="printf '7_1|RUNNING|None\\n7_2|PENDING|PartitionTimeLimit\\n8_0|RUNNING|x\\n'")
    (state.folder / "bad.log").write_text("epoch 1\nerror: loss is nan at step 7\n\n")
    (state.folder / "oom.log").write_text("slurmstepd: error: Detected 1 oom-kill event\n")
    lines = status_page(jobs, Progress("done"), state).splitlines()
    assert lines[0].split() == ["done", "running", "queued", "failed", "to", "launch"]
    assert [line.split() for line in lines[1:3]] == [
        ["train", "1", "1", "1", "2", "1"],
        ["score", "–", "–", "–", "–", "1"],
    ]
    assert lines[3:] == [
        "queued: 1 × PartitionTimeLimit",
        f"failed: bad: error: loss is nan at step 7 ({state.folder}/bad.log)",
        f"failed: oom: slurmstepd: error: Detected 1 oom-kill event ({state.folder}/oom.log)",
        "6 of 7 jobs remain",
    ]
    assert {name: place["id"] for name, place in state.active().items()} == {
        "runs": "7_1",
        "waits": "7_2",
    }


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("params.yaml", "`dvc repro` records it"),
        ("a.yaml", "`python -m benchmarks --params a.yaml report`"),
    ],
)
def test_what_writes_the_tables_in_the_end(state, file, command):
    with in_use(Path(file)):
        page = status_page([Job("a", "train", ())], Progress("a"), state)
    assert page.splitlines()[-1].startswith(f"all is done: {command}")


def test_what_ended_well_is_told_without_slurm(state, tmp_path, monkeypatch):
    jobs = _add(state, ["a", "b"])
    monkeypatch.setenv("PATH", str(tmp_path))
    found = "squeue not found; go to a login node; .*/jobs.json has 2 jobs of Slurm that may still"
    with pytest.raises(LaunchError, match=f"^no Slurm here: {found} run: .*, or delete it"):
        state.active()
    for name in "ab":
        (state.folder / f"{name}.pkl").touch()
    assert "all is done: `dvc repro`" in status_page(jobs, Progress("a", "b"), state)


def test_cancelled_jobs_are_forgotten(state, programs):
    jobs = _add(state, ["a", "b"])
    (state.folder / "a.log").write_text("CANCELLED\n")
    state.drop(["a"])
    assert list(state.jobs) == ["b"]
    assert status_page(jobs, Progress(), state).splitlines()[1].split()[-1] == "2"


@pytest.mark.parametrize("content", ["", "{", "\x00", "[1]", '{"a": 1}', '{"a": {"id": "7"}}'])
def test_a_damaged_list_of_jobs(state, content):
    _add(state, ["a"])
    (state.folder / "jobs.json").write_text(content)
    with pytest.raises(
        LaunchError, match=r"jobs\.json: not a list of jobs .*squeue.*delete the file"
    ):
        state.active()


def test_a_job_that_slurm_takes_over_has_not_failed_here(state):
    state.note("a", "it failed")
    state.note("b", "it failed too")
    _add(state, ["a"])
    assert state.failures == {"b": "it failed too"} and state.failure("a") == ""


def test_damaged_failures(state):
    state.folder.mkdir()
    (state.folder / "failures.json").write_text("{")
    with pytest.raises(LaunchError, match=r"failures\.json: can't be read .*; delete it"):
        state.note("a", "it failed")


def _claim(state: State, ready, done) -> None:
    with state.claim():
        ready.set()
        done.wait()


def test_two_launches_at_once(state):
    ready, done = fork.Event(), fork.Event()
    process = fork.Process(target=_claim, args=(state, ready, done), daemon=True)
    process.start()
    ready.wait()
    holder = f"a launch \\(process {process.pid} on {platform.node()}\\)"
    with (
        pytest.raises(LaunchError, match=f"{holder} is running; see `launch --status`"),
        state.claim(),
    ):
        pass
    assert state.holder() == (platform.node(), process.pid)
    assert f"process {process.pid}" in status_page([], Progress(), state)
    done.set()
    process.join()
    assert state.holder() is None
    with state.claim():
        assert state.holder() is None  # but for this process
        content = json.loads((state.folder / "lock").read_text())
    assert content == [platform.node(), os.getpid()]


def test_a_folder_that_cant_be_written(tmp_path):
    Path(tmp_path / "launch").write_text("a file where a folder should be")
    with (
        pytest.raises(LaunchError, match=r"launch/lock: can't be written"),
        State(tmp_path / "launch").claim(),
    ):
        pass
