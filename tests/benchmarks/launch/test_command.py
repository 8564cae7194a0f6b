"""`python -m benchmarks launch` on a real small world."""

import re
import signal
import subprocess
import sys
import time

import pytest

from benchmarks import cli
from benchmarks.launch.ledger import Ledger
from benchmarks.params import load

LAUNCH = ["launch", "table1", "robustness", "--on", "local", "--jobs", "2"]


@pytest.fixture
def small(project, edit):
    """One row on one benchmark, and what scores it: three jobs when the features are there."""
    for split in ("[row]", "[]"):
        edit(f"split: {split}", "split: [row, benchmark, seed]")
    edit("tables.table1.published", [])
    edit("tables.table1.controlled", [])
    edit("tables.table1.gavs", ["gavs"])
    edit("tables.table1.operators", [])
    edit("tables.table1.benchmarks", ["v2"])
    found = "sound that isn't there\n    benchmark: v2\n    rows: [sam_fusion, gavs]"
    edit(found, found.replace("sam_fusion, ", ""))
    return project


def _trainings(project) -> int:
    return len(list((project / "work/smoke/models").glob("*/model.json")))


def test_interrupted_repeated_and_then_only_recorded(small, capsys):
    assert cli.main([*LAUNCH, "--dry-run"]) == 0
    listed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in listed if line.startswith("wave")][0].startswith("wave 2, train: 3")
    assert listed[-1] == "python -m benchmarks run robustness negatives v2 --row gavs --seed 0"

    process = subprocess.Popen([sys.executable, "-m", "benchmarks", *LAUNCH], cwd=small)
    ledger = Ledger(load().work / "launch")
    while "running" not in [ledger.outcome(f"table1-gavs-v2-seed{s}").get("state") for s in (0, 1)]:
        assert process.poll() is None
        time.sleep(0.2)
    assert cli.main(LAUNCH) == 1
    assert "another launch is at work" in capsys.readouterr().err
    process.send_signal(signal.SIGINT)
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
    assert cli.main(["launch", "table9", "--on", "local"]) == 1
    assert "no table 'table9'" in capsys.readouterr().err
    edit("cluster.stages.train.cores", 1)
    assert cli.main(["launch", "--on", "local"]) == 1
    assert "unknown key cluster.stages.train.cores" in capsys.readouterr().err


def test_a_folder_that_cant_be_written_and_a_machine_that_is_too_small(project, edit, capsys):
    launched = project / "work/smoke/launch"
    launched.mkdir()
    (launched / "logs").write_text("a file where a folder should be")
    assert cli.main(["launch", "--on", "local"]) == 1
    assert "launch/logs: can't be written (File exists)" in capsys.readouterr().err
    (launched / "logs").unlink()
    edit("cluster.stages.train.memory_gb", 9000)
    assert cli.main(["launch", "--on", "local"]) == 1
    assert "cluster.stages.train.memory_gb: 9000, and" in capsys.readouterr().err
