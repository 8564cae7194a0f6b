"""The whole smoke graph over Slurm, with a killed process, a job whose time is nearly over and a
preempted one in the middle, and one cell over two processes of srun."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.test_graph import Clone

pytestmark = pytest.mark.slow
LAUNCH = (sys.executable, "-m", "benchmarks", "launch")


@pytest.fixture(scope="module")
def clone(cluster, tmp_path_factory) -> Clone:
    return Clone(tmp_path_factory.mktemp("launched"))


def _squeue(field: str, *options: str) -> list[str]:
    command = ["squeue", "--noheader", "--array", f"--format={field}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _restarts() -> int:
    """Count the restarts of all jobs together."""
    shown = subprocess.run(["scontrol", "show", "job"], capture_output=True, text=True).stdout
    return sum(map(int, re.findall(r"Restarts=(\d+)", shown)))


def _worker(folder: Path) -> int | None:
    """A worker process of a job that runs in this folder.

    A job is a process of submitit, its child the command, whose children are the workers.
    """
    parents, commands = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if (path / "cwd").readlink() == folder:
                commands[path.name] = (path / "cmdline").read_text()
            parents[path.name] = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
    for process, parent in parents.items():
        job = commands.get(parents.get(parent), "")
        if "submitit.core._submit" in job and "run" in commands.get(parent, "").split("\0"):
            return int(process)
    return None


def _await(condition, seconds: int):
    for _ in range(2 * seconds):
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s; queue: {_squeue('%j_%K:%T:%r')}")


def test_all_that_slurm_would_refuse_or_never_start_is_said_before_anything_is_submitted(clone):
    path = clone.folder / "params.yaml"
    before = path.read_text()
    for key, value in (
        ("data.partition", "nowhere"),
        ("features.memory_gb", 9000),
        ("score.cpus", 512),
    ):
        clone.edit(f"cluster.stages.{key}", value)
    done = subprocess.run(
        [*LAUNCH, "--on", "slurm"], cwd=clone.folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(clone.folder)},
    )  # fmt: skip
    path.write_text(before)
    assert done.returncode == 1
    for message in (
        r"stages\.data \(.*?\): sbatch: invalid partition specified: nowhere",
        r"stages\.features \(.*? 9000 GB, 1 h\): [^\[]*allocation failure",
        r"stages\.score \(.*?\): [^\[]*Requested node configuration is not available",
    ):
        assert re.search(message, done.stderr), done.stderr
    assert "partitions here: main, urgent" in done.stderr
    assert _squeue("%i") == []


def test_the_smoke_graph(clone, tmp_path_factory):
    said = clone.run(*LAUNCH, "--on", "slurm")
    jobs = int(re.search(r"(\d+) of \1 jobs to launch", said)[1])
    assert len(_squeue("%i")) == jobs > 20
    assert f"0 of {jobs} jobs to launch, {jobs} waiting or running" in clone.run(
        *LAUNCH, "--on", "slurm"
    )
    assert len(_squeue("%i")) == jobs

    _await(lambda: clone.trainings() > 3, 900)  # of the nine of each job that runs
    os.kill(_await(lambda: _worker(clone.folder), 60), signal.SIGKILL)
    logs = clone.folder / "work/smoke/launch/jobs"
    lost = "one of its processes was killed"
    _await(lambda: any(lost in log.read_text() for log in logs.glob("*_log.out")), 120)
    assert _restarts() == 0  # it goes on where it is

    def warned() -> bool:
        """Warn the job as Slurm does before its time is over; it then puts itself back."""
        worker = _await(lambda: _worker(clone.folder), 60)
        environment = Path(f"/proc/{worker}/environ").read_text()
        job = re.search(r"SLURM_JOB_ID=(\d+)", environment)[1]
        subprocess.run(["scancel", "--signal=USR2", job])
        time.sleep(5)
        return _restarts() > 0

    _await(warned, 120)
    assert any("Calling checkpoint method" in log.read_text() for log in logs.glob("*_log.out"))
    assert not any("wckey" in script.read_text() for script in logs.glob("*_submission.sh"))

    _await(lambda: clone.trainings() > 20, 900)
    before, everything = _restarts(), f"--cpus-per-task={os.cpu_count()}"

    def preempted() -> bool:
        urgent = ["sbatch", "--wait", "--partition=urgent", everything, "--mem=10M"]
        subprocess.run([*urgent, "--output=/dev/null", "--wrap=true"], check=True)
        return _restarts() > before

    _await(preempted, 300)

    _await(lambda: not _squeue("%i"), 1800)
    status = clone.run(*LAUNCH, "--status")
    assert "all is done: `dvc repro`" in status and "failed:" not in status

    plain = Clone(tmp_path_factory.mktemp("plain"))
    with ThreadPoolExecutor() as pool:
        (stages, trainings), (_, all_trainings) = pool.map(Clone.repro, (clone, plain))
    assert (trainings, clone.trainings()) == (0, all_trainings) and stages[-1] == "report"
    assert clone.tables() == plain.tables()


def test_one_cell_over_two_tasks_of_srun(clone):
    shutil.rmtree(clone.folder / "work/smoke/models")
    shutil.rmtree(clone.folder / "work/smoke/runs")
    srun = ["srun", "--ntasks=2", "--overcommit", "--mem=2G", "--kill-on-bad-exit"]
    cell = ["benchmarks", "run", "table1", "gavs", "v1m", "--seed", "1"]
    clone.run(*srun, sys.executable, "-m", *cell)
    (record,) = clone.folder.glob("work/smoke/runs/*/record.json")
    assert json.loads(record.read_text())["run"]["processes"] == 2
