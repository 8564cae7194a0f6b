import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli

ROOT = Path(__file__).parents[2]


def test_list_names_every_method_first_with_its_reference(capsys):
    assert cli.main(["list"]) == 0
    methods, benchmarks = capsys.readouterr().out.strip().split("\n\n")
    names = [line.split()[0] for line in methods.splitlines()]
    files = {p.stem for p in (ROOT / "baselines").glob("[!_]*.py")}
    assert set(names) == files | {"gavs"}
    names = [line.split()[0] for line in benchmarks.splitlines()]
    assert names == ["v1s", "v1m", "v2", "v3", "vggss", "vggss_sub", "vggsound"]
    for line in methods.splitlines():
        assert re.search(r"20\d\d|Table 1|ceiling", line), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--params", "none.yaml", "data"], "none.yaml: no such file"),
        (["profile", "tiny"], "no profile 'tiny'; known: miniature, paper, smoke"),
        (["pretrain", "sma"], "no encoder ['sma']; known: sam, vggish"),
        (["weights", "adopt"], "no weights; first run: python -m benchmarks pretrain"),
        (["run", "table9", "gavs"], "no table 'table9'"),
        (["run", "table1", "gavz"], "tables.table1 has no 'gavz'; it has avsbench"),
        (["run", "table1", "gavs", "v1m", "--seed", "7"], "no cell of table1 has this row"),
    ],
)
def test_a_wrong_call_is_one_line_and_an_exit_code(
    arguments, message, tmp_path, monkeypatch, capsys
):
    shutil.copy(ROOT / "params.yaml", tmp_path)  # not in a tree that may hold work
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_process_prints_the_line_too_and_exits_with_the_code(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--params", "none.yaml", "data"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: none.yaml: no such file; run from the project's root\n"


def test_score_reads_masks_from_anywhere(tmp_path, capsys):
    """Two frames worked out by hand: IoU 1/2 and 1."""
    truth = np.zeros((2, 4, 4), np.uint8)
    truth[:, :2] = 255
    predicted = truth.copy()
    predicted[0] = 255
    for name, frames in (("masks", truth), ("predictions", predicted)):
        (tmp_path / name / "clip").mkdir(parents=True)
        for k, frame in enumerate(frames):
            Image.fromarray(frame).save(tmp_path / name / "clip" / f"{k}.png")
    folders = ["--predictions", str(tmp_path / "predictions"), "--masks", str(tmp_path / "masks")]
    assert cli.main(["score", *folders, "--all-rules"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"miou\S* +0\.7500", out)
    assert "avsbench" in out
    (tmp_path / "masks" / "clip" / "1.png").unlink()
    assert cli.main(["score", *folders]) == 1
    assert "clip/1" in capsys.readouterr().err


def test_threads_are_set_before_torch_is_imported():
    code = "import sys, benchmarks.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
