"""One job where a scheduler has put it: how it ends, and when it asks for another go."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.launch.job import AGAIN

ROOT = Path(__file__).parents[3]


@pytest.fixture
def start(ledger, add):
    """start(line, needs=()): a job's process."""

    def run(line: str, needs=(), **environment: str) -> subprocess.Popen:
        if not ledger.arrays():
            add({"job": line}, {"job": needs})
        command = [sys.executable, "-m", "benchmarks.launch.job", str(ledger.folder), "a", "0"]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)

    return run


def _in_time(condition) -> bool:
    """Whether it comes to be within a while."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def _written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


def _gone(pid: int) -> bool:
    try:  # an orphan that nobody has reaped yet is a zombie, not alive
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    ("line", "status", "state", "reason"),
    [
        ("true", 0, "done", ""),
        ("exit 3", 1, "failed", "exit status 3"),
        ("kill -9 $$", AGAIN, "again", "one of its processes was killed"),
        (f"exit {AGAIN}", AGAIN, "again", "one of its processes was killed"),
    ],
)
def test_how_a_job_ends(start, ledger, line, status, state, reason):
    assert start(line).wait() == status
    outcome = ledger.outcome("job")
    assert outcome["state"] == state
    assert outcome["reason"].startswith(reason) and bool(outcome["reason"]) == bool(reason)
    assert (outcome["array"], outcome["index"]) == ("a", 0)


def test_a_job_that_is_killed_every_time_fails_in_the_end(start, ledger):
    assert [start("kill -9 $$").wait() for _ in range(3)] == [AGAIN, AGAIN, 1]
    outcome = ledger.outcome("job")
    assert outcome["state"] == "failed"
    assert "3. time" in outcome["reason"] and "memory_gb" in outcome["reason"]


def test_a_job_whose_need_failed_doesnt_start(start, ledger, tmp_path):
    ledger.set_outcome("model", {"state": "failed"})
    assert start(f"touch {tmp_path / 'ran'}", needs=["model"]).wait() == 1
    assert ledger.outcome("job")["reason"] == "it needs model, which failed"
    assert not (tmp_path / "ran").exists()


def test_a_cancelled_job_takes_its_child_along_and_hasnt_failed(start, ledger, tmp_path):
    process = start(f"echo $$ > {tmp_path / 'pid'}; exec sleep 60")
    assert _in_time(lambda: _written(tmp_path / "pid"))
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert ledger.outcome("job")["state"] == "stopped"
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_job_whose_launch_was_killed_leaves(start, ledger, add, tmp_path):
    add({"job": f"echo $$ > {tmp_path / 'pid'}; exec sleep 60"})
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, sys.executable, str(ledger.folder)], cwd=ROOT
    )
    assert _in_time(lambda: _written(tmp_path / "pid"))
    parent.kill()
    parent.wait()
    assert _in_time(lambda: _gone(int((tmp_path / "pid").read_text())))
    assert _in_time(lambda: ledger.outcome("job")["state"] == "stopped")


_PARENT = """
import subprocess, sys
subprocess.call([sys.argv[1], "-m", "benchmarks.launch.job", sys.argv[2], "a", "0"])
"""


def test_before_its_time_is_over_a_job_asks_slurm_for_another_go(start, ledger, tmp_path):
    fake = tmp_path / "bin" / "scontrol"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho $@ >> {tmp_path / 'asked'}\n")
    fake.chmod(0o755)
    path = f"{fake.parent}{os.pathsep}{os.environ['PATH']}"
    for go in range(1, 4):
        process = start("sleep 60", SLURM_JOB_ID="17", PATH=path)
        assert _in_time(lambda: ledger.outcome("job").get("state") == "running")
        process.send_signal(signal.SIGUSR2)
        assert process.wait() == (AGAIN if go < 3 else 1)
    assert (tmp_path / "asked").read_text().splitlines() == ["requeue 17"] * 2
    outcome = ledger.outcome("job")
    assert outcome["state"] == "failed"
    assert "out of its hours, for the 3. time" in outcome["reason"]
