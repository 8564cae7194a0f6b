"""What is handed to Slurm and how its answers are read; Slurm itself is in tests/slurm."""

import math
import os
from pathlib import Path

import pytest

from benchmarks.launch import slurm
from benchmarks.launch.ledger import LaunchError
from benchmarks.launch.slurm import Array, Queued

ARRAY = Array("paper-train-1a2b", "train", 12, 3, ("41", "44"))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name=shell line): stand-ins; sbatch keeps what it is given in `script`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(**lines: str) -> Path:
        for name, line in lines.items():
            (folder / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name).chmod(0o755)
        return tmp_path

    make(srun="true", sbatch="true", sinfo="echo 'main*|1-00:00:00'", squeue="true")
    return make


def test_the_batch_script(ledger, cluster, programs):
    folder = programs(sbatch='cp "$1" $(dirname $0)/../script; echo Submitted batch job 77')
    params = cluster(gpus=2, cpus=3, memory_gb=1.5, hours=0.51, partition="a100")
    params = params.model_copy(update={"options": {"account": "lab"}, "setup": ["module load x"]})
    assert slurm.submit(params, ARRAY, ledger) == "77"
    script = (folder / "script").read_text()
    for option in (
        "--array=0-11%3",
        "--dependency=afterany:41:44",
        "--gpus-per-node=2",
        "--cpus-per-task=3",
        "--mem=1536M",
        "--time=31",
        "--partition=a100",
        "--account=lab",
        "--requeue",
        "--open-mode=append",
        "--signal=B:USR2@120",
        "--job-name=paper-train-1a2b",
        f"--output={ledger.folder}/logs/paper-train-1a2b-%a.log",
    ):
        assert f"#SBATCH {option}\n" in script
    setup, command = script.index("module load x"), script.index("exec ")
    assert setup < command
    assert (
        script[command:]
        .strip()
        .endswith(f'-m benchmarks.launch.job {ledger.folder} {ARRAY.name} "$SLURM_ARRAY_TASK_ID"')
    )
    assert not list(ledger.folder.rglob("*.pkl"))


def test_what_slurm_refuses_is_said_before_anything_is_submitted(ledger, cluster, programs):
    folder = programs(
        sbatch="""[ "$1" = --test-only ] || touch $(dirname $0)/../submitted
echo 'sbatch: error: invalid partition specified: nowhere' >&2
echo 'allocation failure: Invalid partition name specified' >&2
exit 1""",
        sinfo="printf 'main\\nbig\\n'",
    )
    wrong = (
        r"cluster\.stages\.train \(0 GPUs, 1 CPUs, 0\.1 GB, 1 h\): "
        r"invalid partition specified: nowhere; allocation failure: "
        r"Invalid partition name specified \[partitions here: big, main\]"
    )
    with pytest.raises(LaunchError, match=wrong):
        slurm.check(cluster(partition="nowhere"), ["train"], ledger)
    assert not (folder / "submitted").exists()


def test_hours_over_the_partitions_limit(ledger, cluster, programs):
    slurm.check(cluster(hours=24), ["features", "train"], ledger)
    with pytest.raises(LaunchError, match=r"train\.hours: 25, but partition main stops at 24"):
        slurm.check(cluster(hours=25), ["features", "train"], ledger)


def test_of_several_partitions_one_must_do(ledger, cluster, programs):
    programs(sinfo="printf 'short|1:00:00\\nlong|2-00:00:00\\n'")
    slurm.check(cluster(hours=25, partition="short,long"), ["train"], ledger)
    with pytest.raises(LaunchError, match="49, but partition short stops at 1, long stops at 48"):
        slurm.check(cluster(hours=49, partition="short,long"), ["train"], ledger)


def test_a_refused_submission(ledger, cluster, programs):
    programs(sbatch="echo 'sbatch: error: Invalid account' >&2; exit 1")
    with pytest.raises(LaunchError, match=r"cluster\.stages\.train: sbatch says: Invalid account"):
        slurm.submit(cluster(), ARRAY, ledger)


@pytest.mark.parametrize(
    ("limit", "hours"),
    [("30:00", 0.5), ("1:00:00", 1), ("2-12:00:00", 60), ("infinite", math.inf)],
)
def test_time_limits(limit, hours):
    assert slurm._hours(limit) == hours


def test_the_queue(programs):
    programs(
        squeue="printf 'a|3|7|RUNNING|None\\na|4|7|PENDING|Priority\\nmy|job|N/A|9|RUNNING|x\\n'"
    )
    assert slurm.queue() == {
        ("a", 3): Queued("7", "RUNNING", "None"),
        ("a", 4): Queued("7", "PENDING", "Priority"),
    }
    programs(squeue="echo 'slurm_load_jobs error: Unable to contact controller' >&2; exit 1")
    with pytest.raises(LaunchError, match="squeue: Unable to contact controller"):
        slurm.queue()


def test_no_slurm_here(ledger, cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="no Slurm here.*login node"):
        slurm.check(cluster(), ["train"], ledger)
    with pytest.raises(LaunchError, match="no Slurm here: squeue not found"):
        slurm.queue()
