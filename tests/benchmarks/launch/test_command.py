"""`python -m benchmarks launch` on a real small world."""

import re
import subprocess
import sys
import time

import pytest

from benchmarks import cli

LAUNCH = ["launch", "table1", "robustness", "--on", "local", "--jobs", "2"]


@pytest.fixture
def small(project, edit):
    """One row on one benchmark, and what scores it: three jobs when the features are there."""
    for split in ("[row]", "[]"):
        edit(f"split: {split}", "split: [row, benchmark, seed]")
    edit("published: [avsbench, sam_fusion]", "published: []")
    edit("controlled: [tpavi_sam]", "controlled: []")
    edit("gavs: [gavs, gavs_adapters]", "gavs: [gavs]")
    edit("operators: [sam_fusion_add]", "operators: []")
    edit("benchmarks: [v1s, v1m, v2]", "benchmarks: [v2]")
    found = "sound that isn't there\n    benchmark: v2\n    rows: [sam_fusion, gavs]"
    edit(found, found.replace("sam_fusion, ", ""))
    return project


def _trainings(project) -> int:
    return len(list((project / "work/smoke/models").glob("*/model.json")))


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
    assert cli.main(["launch", "table9", "--on", "local"]) == 1
    assert "no table 'table9'" in capsys.readouterr().err
    edit("train: {gpus: 0, cpus: 1,", "train: {gpus: 0, cores: 1,")
    assert cli.main(["launch", "--on", "local"]) == 1
    assert "unknown key cluster.stages.train.cores" in capsys.readouterr().err
