"""`python -m benchmarks launch` on a real small world."""

import json
import pickle
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.launch import local
from benchmarks.launch.state import Holder, State
from benchmarks.params.profile import profile_file

ROOT = Path(__file__).parents[3]
ZERO_AND_FEW_SHOT = ("table4-zero_shot", "table4-few_shot")
LAUNCH = ["launch", "table1", "robustness", "--on", "local", "--jobs", "2"]


@pytest.fixture
def small(project, edit):
    """One row on one benchmark, and what scores it: three jobs when the features are there."""
    for stage in ("train", "score"):
        edit(f"cluster.stages.{stage}.split", ["row", "benchmark", "seed"])
    edit("tables.table1.published", [])
    edit("tables.table1.controlled", [])
    edit("tables.table1.gavs", ["gavs"])
    edit("tables.table1.operators", [])
    edit("tables.table1.benchmarks", ["v2"])
    edit("tables.robustness.rows", ["gavs"])
    return project


def _trainings(project) -> int:
    return len(list((project / "work/smoke/models").glob("*/model.json")))


@pytest.mark.slow
def test_interrupted_repeated_and_then_only_recorded(small, capsys):
    assert cli.main([*LAUNCH, "--dry-run"]) == 0
    listed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in listed if line.startswith("wave")][0].startswith("wave 2, train: 3")
    assert listed[-2] == "python -m benchmarks run robustness negatives v2 --row gavs --seed 0"
    assert listed[-1] == "in all: 4 jobs, 5 cells, 4 trainings"

    process = subprocess.Popen([sys.executable, "-m", "benchmarks", *LAUNCH], cwd=small)
    while not list((small / "work/smoke/models").glob("*")):
        assert process.poll() is None
        time.sleep(0.2)
    assert cli.main(LAUNCH) == 1
    assert f"a launch (process {process.pid} on" in capsys.readouterr().err
    assert cli.main(["launch", "--cancel"]) == 0
    assert process.wait() == 130
    assert _trainings(small) < 3

    assert cli.main(LAUNCH) == 0
    assert _trainings(small) == 4  # two seeds, a floor, the ceiling
    assert cli.main(["launch", "table1", "robustness", "--status"]) == 0
    said = capsys.readouterr().out
    assert "all is done: `dvc repro`" in said
    assert re.search(r"train +3 ", said) and re.search(r"score +1 ", said)
    assert cli.main(LAUNCH) == 0
    assert _trainings(small) == 4
    capsys.readouterr()
    assert cli.main(["run", "table1"]) == 0
    assert capsys.readouterr().err.count("(already run)") == 4


def test_what_is_asked_wrongly(project, edit, capsys):
    assert cli.main(["launch"]) == 1
    assert "say where: --on local or --on slurm" in capsys.readouterr().err
    for jobs in ("0", "-1"):
        assert cli.main(["launch", "--on", "local", "--jobs", jobs]) == 1
        assert f"--jobs {jobs}: expected a whole number of at least 1" in capsys.readouterr().err
    for what in (["--on", "local"], ["--cancel"], ["--status"]):
        assert cli.main(["launch", "table9", *what]) == 1
        assert "no table 'table9'" in capsys.readouterr().err
    assert cli.main(["launch", "--cancel", "--row", "gavs", "--dry-run"]) == 1
    assert "--cancel ends the jobs of whole tables; it doesn't take --row, --dry-run" in (
        capsys.readouterr().err
    )
    edit("cluster.stages.train.cores", 1)
    assert cli.main(["launch", "--on", "local"]) == 1
    assert "unknown key cluster.stages.train.cores" in capsys.readouterr().err


def test_what_a_launch_made_is_done_at_its_end(project, monkeypatch, capsys):
    index = project / "work/smoke/index.csv"
    content = index.read_bytes()
    index.unlink()
    monkeypatch.setattr(local, "run", lambda *_: [index.write_bytes(content)][:0])
    assert cli.main(["launch", "table1", "--on", "local"]) == 0
    data, features, train, *_ = (line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert (data, features) == (["data", "1", *"––––"], ["features", "1", *"––––"])
    assert train == ["train", *"––––", "7"]


def test_submitted_once_in_order_and_cancelled(params, programs, capsys):
    """With stand-ins for Slurm, whose arrays have the numbers 41, 42, ..."""
    sbatch = """[ "$1" = --test-only ] && exit; n=$(cat n || echo 40); n=$((n + 1)); echo $n > n
cp "$1" script-$n; echo Submitted batch job $n"""
    folder = programs(sbatch=sbatch, squeue="cat queue", scancel='echo "$@" > cancelled')
    (folder / "queue").touch()
    command = ["launch", "table1", "table4", "--on", "slurm", "--jobs", "2"]
    assert cli.main(command) == 0
    jobs = json.loads(Path("work/smoke/launch/jobs.json").read_text())
    arrays = {name: job["id"].split("_")[0] for name, job in jobs.items()}
    train, score, few = (arrays[name] for name in ("table1-gavs", *ZERO_AND_FEW_SHOT))
    assert (arrays["data"], arrays["features"]) == ("41", "42")
    for array, needs in (("42", "41"), (train, "42"), (score, f"42:{train}"), (few, f"42:{train}")):
        script = (folder / f"script-{array}").read_text()
        assert f"#SBATCH --dependency=afterany:{needs}\n" in script
    assert "--array=0-6%2" in (folder / f"script-{train}").read_text()
    pickled = Path(jobs["table4-few_shot"]["result"].replace("_0_result", "_submitted"))
    submitted = pickle.loads(pickled.read_bytes()).function
    needs, (params_option, copy, *original) = submitted.needs, submitted.arguments[4:8]
    assert (params_option, Path(copy).parent.name) == ("--params", "params")
    assert original == ["--copy-of", "params.yaml"]  # which an error's remedy names
    assert needs.keys() == {"features", "table1-gavs", "table1-sam_fusion"}
    assert needs["features"] == Path(jobs["features"]["result"])

    (folder / "queue").write_text("".join(f"{j['id']}|PENDING|Priority\n" for j in jobs.values()))
    capsys.readouterr()
    assert cli.main(command) == 0
    said = capsys.readouterr()
    assert f"0 of {len(jobs)} jobs to launch, {len(jobs)} waiting or running" in said.err
    assert f"queued: {len(jobs)} × Priority" in said.out
    assert cli.main(["launch", "--cancel", "table4"]) == 0
    assert (folder / "cancelled").read_text().split() == [
        jobs[name]["id"] for name in sorted(jobs) if name.startswith("table4")
    ]
    left = json.loads(Path("work/smoke/launch/jobs.json").read_text())
    assert left.keys() == {name for name in jobs if not name.startswith("table4")}


def test_an_array_whose_launch_ends_while_it_submits_is_known(params, programs):
    """SIGTERM comes when Slurm has the array and the launch hasn't noted it."""
    sbatch = '[ "$1" = --test-only ] && exit; kill -TERM $PPID; echo Submitted batch job 41'
    programs(sbatch=sbatch)
    command = [sys.executable, "-m", "benchmarks", "launch", "table1", "--on", "slurm"]
    assert subprocess.run(command).returncode == -signal.SIGTERM
    jobs = json.loads(Path("work/smoke/launch/jobs.json").read_text())
    assert {name: job["id"] for name, job in jobs.items()} == {"data": "41"}


def test_a_launch_on_this_machine_is_not_ended_for_some_of_its_tables(params, monkeypatch, capsys):
    """It runs table 1, say, and the jobs of table 4 are to end."""
    signals: list[tuple[int, int]] = []
    running = Holder(platform.node(), 123)
    monkeypatch.setattr(State, "holder", lambda self: None if signals else running)
    monkeypatch.setattr("os.kill", lambda *sent: signals.append(sent))
    assert cli.main(["launch", "table4", "--cancel"]) == 1
    assert signals == []
    said = f"a launch (process 123 on {platform.node()}) is running: it ends only whole, --cancel"
    assert f"{said} without TABLE" in capsys.readouterr().err
    assert cli.main(["launch", "--cancel"]) == 0
    assert signals == [(123, signal.SIGTERM)]


def test_one_cell_with_what_it_needs(params, capsys):
    command = ["launch", "--on", "local", "--dry-run"]
    assert cli.main([*command, "table1", "--row", "gavs", "--benchmark", "v2", "--seed", "0"]) == 0
    said = capsys.readouterr().out
    jobs = [line.strip() for line in said.splitlines() if line.startswith("  python")]
    assert [job.removeprefix("python -m benchmarks ") for job in jobs] == [
        "data", "features", "run table1 gavs v2 --row gavs --seed 0",
    ]  # fmt: skip
    assert "GPU hours" not in said  # of a world of its own nothing is published
    shutil.copy("params.yaml", "other.yaml")
    assert cli.main(["--params", "other.yaml", *command, "table1", "--row", "gavs"]) == 0
    jobs = [x.strip() for x in capsys.readouterr().out.splitlines() if x.startswith("  python")]
    assert jobs and all(x.startswith("python -m benchmarks --params other.yaml ") for x in jobs)
    # A few-shot job waits for its 0-shot model, which table 1 trains; here nothing else is asked.
    assert cli.main([*command, "table4", "--row", "gavs"]) == 0
    jobs = [line.split() for line in capsys.readouterr().out.splitlines() if "run table" in line]
    assert jobs and {job[job.index("--row") + 1] for job in jobs} == {"gavs"}
    assert {"zero_shot", "few_shot"} <= {word for job in jobs for word in job}
    assert cli.main([*command, "table1", "--row", "nobody"]) == 1
    assert "no job of --row nobody; there are" in capsys.readouterr().err


def test_a_dry_run_of_the_paper_profile_ends_with_hours_and_disk(params, edit_paper, capsys):
    assert cli.main(["launch", "table1", "--on", "local", "--dry-run"]) == 0
    *_, jobs, totals = capsys.readouterr().out.splitlines()
    assert jobs == "in all: 4 jobs, 3 cells, 2 trainings"
    hours, disk = re.fullmatch(
        r"≈ ([\d.]+) GPU hours on one NVIDIA H200, ([\d.]+) GiB of disk \(docs/.*\)", totals
    ).groups()
    assert 0.1 < float(hours) < 2 and 1 < float(disk) < 60


@pytest.fixture
def edit_paper(params):
    """params.yaml is the paper profile's first tier."""
    text = profile_file("paper", ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(f"tier: first\n{text}")
