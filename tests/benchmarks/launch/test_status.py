"""What is done, runs, waits, failed and remains."""

import json
import os
import platform

import pytest

from benchmarks.launch import slurm, status
from benchmarks.launch.ledger import LaunchError, Ledger
from benchmarks.launch.plan import Job
from benchmarks.launch.slurm import Queued


class Progress:
    """By name: which jobs are finished, and frames of each."""

    def __init__(self, finished: set[str], frames: dict[str, float]) -> None:
        self.names, self.frames = finished, frames

    def finished(self, job: Job) -> bool:
        return job.name in self.names

    def work(self, job: Job) -> float:
        return self.frames.get(job.name, 0)


def _states(jobs, progress, ledger) -> dict[str, str]:
    return {e.job.name: e.state for e in status.entries(jobs, progress, ledger)}


def test_slurms_queue_and_the_outcomes(ledger, add, monkeypatch):
    names = ["done", "runs", "waits", "bad", "lost", "cancelled", "new"]
    jobs = add(dict.fromkeys(names, "true"), array="x", on="slurm")
    queue = {
        ("x", 1): Queued("7", "RUNNING", "None"),
        ("x", 2): Queued("7", "PENDING", "PartitionTimeLimit"),
        ("another", 0): Queued("8", "RUNNING", "None"),
    }
    monkeypatch.setattr(slurm, "queue", lambda: queue)
    for index, state in ((3, "failed"), (4, "running"), (5, "stopped")):
        content = {"state": state, "reason": "exit status 1", "array": "x", "index": index}
        ledger.set_outcome(names[index], content | {"seconds": 1.0})
    ledger.log("x", 3).write_text("epoch 1\nerror: loss is nan at step 7\n\n")
    ledger.log("x", 4).write_text("slurmstepd: error: Detected 1 oom-kill event\n")
    progress = Progress({"done"}, {})
    assert _states(jobs, progress, ledger) == {
        "done": "done",
        "runs": "running",
        "waits": "queued",
        "bad": "failed",
        "lost": "failed",
        "cancelled": "to launch",
        "new": "to launch",
    }
    text = status.page(jobs, progress, ledger, 4)
    assert "queued: 1 × PartitionTimeLimit" in text
    assert "failed: bad: exit status 1: error: loss is nan at step 7 (" in text
    assert "oom-kill" in text
    assert status.active(ledger)["waits"].id == "7_2"


def test_a_local_launch_is_at_work_while_it_holds_the_lock(ledger, add):
    jobs = add(dict.fromkeys(["runs", "waits", "ended"], "true"))
    ledger.set_outcome("runs", {"state": "running"})
    ledger.set_outcome("ended", {"state": "done"})
    progress = Progress({"ended"}, {})
    with ledger.claim() as token:
        array = ledger.array("a") | {"token": token}
        (ledger.folder / "arrays/a.json").write_text(json.dumps(array))
        states = _states(jobs, progress, ledger)
        assert states == {"runs": "running", "waits": "queued", "ended": "done"}
    states = _states(jobs, progress, ledger)  # it was killed
    assert states == {"runs": "failed", "waits": "to launch", "ended": "done"}


def test_the_estimate_worked_out_by_hand(ledger, add):
    """100 frames took 3600 s; 300 frames remain, one job after the other or both at once."""
    jobs = add(dict.fromkeys(["a", "b", "c"], "true"))
    frames = {"a": 100, "b": 150, "c": 150}
    nothing_yet = status.page(jobs, Progress(set(), frames), ledger, 1)
    assert "3 jobs remain; no estimate before the first has ended" in nothing_yet
    ledger.set_outcome("a", {"state": "done", "seconds": 3600.0})
    progress = Progress({"a"}, frames)
    assert "about 3.0 h of jobs, 3.0 h with 1 side by side" in status.page(
        jobs, progress, ledger, 1
    )
    assert "3.0 h of jobs, 90 min with 2" in status.page(jobs, progress, ledger, 2)
    everything = status.page(jobs, Progress({"a", "b", "c"}, frames), ledger, 2)
    assert "all is done: `dvc repro`" in everything


def test_two_launches_at_once_and_a_folder_that_cant_be_written(ledger, tmp_path):
    with ledger.claim():
        holder = f"process {os.getpid()} on {platform.node()}"
        with pytest.raises(LaunchError, match=f"another launch is at work .{holder}"):
            with Ledger(ledger.folder).claim():
                pass
    with ledger.claim():
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "logs").write_text("a file where a folder should be")
    with pytest.raises(LaunchError, match=r"other/logs: can't be written \(File exists\)"):
        Ledger(tmp_path / "other").prepare()
