"""One command as a job runs it: how it ends, when it is repeated, and submitit's requeue."""

import os
import signal
import time
from pathlib import Path

import pytest
import submitit

from benchmarks.common.workers import AGAIN
from benchmarks.launch.job import Command


def _shell(line: str, **needs: Path) -> Command:
    return Command(["sh", "-c", line], 2, needs)


def _goes(folder: Path) -> int:
    return len((folder / "goes").read_text().split())


@pytest.mark.parametrize("end", ["kill -9 $$", f"exit {AGAIN}"])
def test_a_command_that_loses_a_process_is_repeated(tmp_path, end):
    line = f"cd {tmp_path}; echo go >> goes; [ -e lost ] || {{ touch lost; {end}; }}"
    _shell(line)()
    assert _goes(tmp_path) == 2


@pytest.mark.parametrize(
    ("end", "status", "goes"),
    [("exit 3", 3, 1), ("kill -15 $$", 143, 1), ("kill -9 $$", 137, 3), ("exit 75", 75, 3)],
)
def test_a_command_that_fails(tmp_path, capfd, end, status, goes):
    with pytest.raises(SystemExit) as ended:
        _shell(f"cd {tmp_path}; echo go >> goes; {end}")()
    assert ended.value.code == status
    assert _goes(tmp_path) == goes
    said = capfd.readouterr().err
    assert ("for the 3. time; see cluster.stages.*.memory_gb" in said) == (goes == 3)


def test_a_command_whose_need_failed_doesnt_start(tmp_path):
    done = tmp_path / "result"
    done.touch()
    line = f"touch {tmp_path / 'ran'}"
    with pytest.raises(SystemExit, match="it needs model, which failed"):
        _shell(line, features=done, model=tmp_path / "missing")()
    assert not (tmp_path / "ran").exists()
    _shell(line, features=done)()
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("retries", [0, 2])
def test_before_its_time_is_over_a_job_is_put_back_and_continues(tmp_path, retries):
    """By submitit's signal, as Slurm sends it; on this machine in place of a cluster."""
    line = f"cd {tmp_path}; echo $$ >> goes; [ -e again ] || {{ touch again; exec sleep 60; }}"
    executor = submitit.LocalExecutor(tmp_path / "jobs", max_num_timeout=retries)
    executor.update_parameters(timeout_min=2, stderr_to_stdout=True)
    job = executor.submit(_shell(line))
    while not (tmp_path / "again").exists():
        time.sleep(0.05)
    child = int((tmp_path / "goes").read_text())
    stat = Path(f"/proc/{child}/stat").read_text()
    os.kill(int(stat.rsplit(")", 1)[1].split()[1]), signal.SIGUSR2)
    job.wait()
    said = job.stdout()
    assert "this job is timed-out" in said
    assert _goes(tmp_path) == (2 if retries else 1)
    assert job.paths.result_pickle.exists() == bool(retries)
    assert ("timed-out too many times. See cluster.stages.*.hours" in said) != bool(retries)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_failed_job_leaves_no_result_and_its_own_last_words(tmp_path):
    executor = submitit.LocalExecutor(tmp_path)
    executor.update_parameters(timeout_min=2, stderr_to_stdout=True)
    job = executor.submit(_shell("echo error: loss is nan; exit 1"))
    job.wait()
    assert not job.paths.result_pickle.exists()
    assert job.stdout().rstrip().splitlines()[-1] == "error: loss is nan"
