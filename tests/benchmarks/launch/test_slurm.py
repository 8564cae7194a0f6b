"""What is handed to Slurm and how its answers are read; Slurm itself is in tests/slurm."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks.launch import slurm
from benchmarks.launch.job import Command, LaunchError
from benchmarks.launch.slurm import Queued


def _submit(params, folder, size=12, after=()):
    commands = [Command(["true"], 2, {}) for _ in range(size)]
    return slurm.submit(params, "train", "paper-train", commands, 3, set(after), folder / "jobs")


def _options(script: Path) -> dict[str, str | None]:
    """Option -> value; None of a bare flag."""
    lines = re.findall(r"^#SBATCH --([^=\n]+)(?:=(.*))?$", script.read_text(), re.MULTILINE)
    return {name: value or None for name, value in lines}


def test_the_batch_script(cluster, programs):
    params = cluster({"account": "lab"}, gpus=2, cpus=3, memory_gb=1.5, hours=0.51, partition="a")
    folder = programs()
    jobs = _submit(
        params.model_copy(update={"setup": ["module load x"]}), folder, after={"44", "41"}
    )
    assert [job["id"] for job in jobs] == [f"77_{i}" for i in range(12)]
    assert jobs[3]["log"] == f"{folder}/jobs/77_3_0_log.out"
    assert jobs[3]["result"] == f"{folder}/jobs/77_3_0_result.pkl"
    script = (folder / "jobs/77_submission.sh").read_text()
    assert script == (folder / "script").read_text()
    assert _options(folder / "script") == {
        "account": "lab",
        "array": "0-11%3",
        "chdir": str(Path.cwd()),
        "cpus-per-task": "3",
        "dependency": "afterany:41:44",
        "gpus-per-node": "2",
        "job-name": "paper-train",
        "mem": "1536M",
        "nodes": "1",
        "open-mode": "append",
        "output": f"{folder}/jobs/%A_%a_0_log.out",
        "partition": "a",
        "requeue": None,
        "signal": "USR2@120",
        "time": "31",
    }
    setup, command = script.index("module load x"), script.index("\nsrun ")
    assert setup < command
    assert "--cpus-per-task=3" in script[command:]
    assert script.rstrip().endswith(f"{sys.executable} -u -m submitit.core._submit {folder}/jobs")


def test_one_job_is_no_array(cluster, programs):
    (job,) = _submit(cluster(), programs(), size=1)
    assert job["id"] == "77"
    assert "array" not in _options(programs() / "script")


@pytest.mark.parametrize(
    ("common", "own", "there", "absent"),
    [
        ({}, {}, {"requeue": None}, {"wckey", "no-requeue"}),
        ({"wckey": "lab"}, {}, {"wckey": "lab"}, set()),
        ({"wckey": "lab"}, {"wckey": None}, {}, {"wckey"}),
        ({"wckey": False}, {}, {}, {"wckey"}),
        ({"requeue": False}, {}, {"no-requeue": None}, {"requeue"}),
        ({"requeue": None}, {}, {}, {"requeue", "no-requeue"}),
        ({"exclusive": True}, {}, {"exclusive": None}, set()),
        ({"exclusive": True}, {"exclusive": False}, {}, {"exclusive"}),
        ({"mem": None, "mem-per-cpu": "4G"}, {}, {"mem-per-cpu": "4G"}, {"mem"}),
        ({"nice": 5}, {"nice": 0}, {"nice": "0"}, set()),
    ],
)
@pytest.mark.parametrize("size", [1, 2])
def test_options_that_are_null_or_false_are_absent(
    cluster, programs, common, own, there, absent, size
):
    """In the script, and in what Slurm is asked before; submitit's own workload key never is."""
    folder, params = programs(), cluster(common, options=own)
    slurm.check(params, ["train"])
    asked = (folder / "asked").read_text().split()
    _submit(params, folder, size)
    options = _options(folder / "script")
    assert there.items() <= options.items()
    assert not absent & set(options)
    for name, value in there.items():
        assert (f"--{name}" if value is None else f"--{name}={value}") in asked
    assert not {f"--{name}" for name in absent} & {flag.split("=")[0] for flag in asked}


def test_what_slurm_refuses_is_said_before_anything_is_submitted(cluster, programs):
    folder = programs(
        sbatch="""[ "$1" = --test-only ] || touch submitted
echo 'sbatch: error: invalid partition specified: nowhere' >&2
echo 'allocation failure: Invalid partition name specified' >&2
exit 1"""
    )
    wrong = (
        r"cluster\.stages\.train \(0 GPUs, 1 CPUs, 0\.1 GB, 1 h\): sbatch: "
        r"invalid partition specified: nowhere; allocation failure: "
        r"Invalid partition name specified \[partitions here: big, main\]"
    )
    with pytest.raises(LaunchError, match=wrong):
        slurm.check(cluster(partition="nowhere"), ["train"])
    assert not (folder / "submitted").exists()


def test_a_refused_submission(cluster, programs):
    folder = programs(sbatch="echo 'sbatch: error: Invalid account' >&2; exit 1")
    with pytest.raises(LaunchError, match=r"cluster\.stages\.train: sbatch: Invalid account"):
        _submit(cluster(), folder)


def test_the_queue(programs):
    programs(squeue="printf '7_3|RUNNING|None\\n7_4|PENDING|Priority\\n9|RUNNING|x|y\\n'")
    assert slurm.queue() == {
        "7_3": Queued("RUNNING", "None"),
        "7_4": Queued("PENDING", "Priority"),
        "9": Queued("RUNNING", "x|y"),
    }
    programs(squeue="echo 'slurm_load_jobs error: Unable to contact controller' >&2; exit 1")
    with pytest.raises(LaunchError, match="squeue: Unable to contact controller"):
        slurm.queue()


def test_no_slurm_here(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (slurm.queue, lambda: slurm.check(cluster(), ["train"])):
        with pytest.raises(LaunchError, match="no Slurm here: .* not found; .*login node"):
            call()
