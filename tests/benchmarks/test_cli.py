import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.params.profile import profile_file

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
        (["profile", "../params"], "no profile '../params': no name for a file"),
        (["pretrain", "sma"], "no encoder ['sma']; known: sam, vggish"),
        (["weights", "adopt"], "no weights; first run: python -m benchmarks pretrain"),
        (["run", "table9", "gavs"], "no table 'table9'"),
        (["run", "table1", "gavz"], "table1 has no 'gavz'; did you mean 'gavs'?"),
        (
            ["run", "ablations", "../../../.."],
            "ablations has no '../../../..'; known: prompt, noise",
        ),
        (["run", "table1", "gavs", "v9"], "table1 gavs has no benchmark v9; it has v1m, v1s, v2"),
        (["run", "table1", "gavs", "v1m", "--seed", "99"], "has no seed 99; it has 0"),
        (["run", "table2", "--row", "zzz"], "table2 has no row zzz; it has audio_sam, avsbench"),
        (["run", "table1", "oracle_click", "--seed", "1"], "has no seed 1; it has 0"),
    ],
)
def test_a_wrong_call_is_one_line_and_an_exit_code(
    arguments, message, tmp_path, monkeypatch, capsys
):
    (tmp_path / "profiles").mkdir()  # not in a tree that may hold work
    for name in ("smoke", "paper"):
        shutil.copy(profile_file(name, ROOT / "params.yaml"), tmp_path / f"profiles/{name}.yaml")
    shutil.copy(profile_file("miniature", ROOT / "params.yaml"), tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(arguments) == 1
    assert sorted(tmp_path.rglob("*")) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


@pytest.mark.parametrize("number", ["-1", "0", "1.5", "two", "99999"])
@pytest.mark.parametrize("command", ["data", "features", "run table1", "rehearse"])
def test_a_number_of_workers_is_one(command, number, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), "--workers", number])
    assert end.value.code == 2
    assert f"{number}: expected a number from 1 to" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "score", "extract-video", "run", "params"])
def test_help_is_for_the_person_at_the_prompt_on_any_terminal(command):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command.split(), "--help"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search(r"Raises|Returns|Args:|DataError|\\u", done.stdout)


def test_a_name_that_the_terminal_cant_print_is_escaped(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--params", "é–.yaml", "data"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr.startswith("error: \\xe9\\u2013.yaml: no such file")


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
    assert re.search(r"^frames +2\n.*^lit_area_on_empty +–\n", out, re.DOTALL | re.MULTILINE)
    assert "avsbench" in out
    (tmp_path / "masks" / "clip" / "1.png").unlink()
    assert cli.main(["score", *folders]) == 1
    assert "clip/1" in capsys.readouterr().err


WITHOUT = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "mmengine", "matplotlib", "sklearn"):
            raise ModuleNotFoundError(f"{name} is slow to import")

sys.meta_path.insert(0, Refused())
import splits.__main__
from benchmarks import cli
print(*(cli.main(line.split()) for line in sys.argv[1:]))
"""
QUICK = {  # what waits for no torch, and its exit status
    "list": 0,
    "params methods": 0,
    "profile smoke": 0,
    "profile miniature": 0,
    "values": 0,
    "stale": 0,  # the committed tables are of this code
    "run table1 gavz": 1,
    "run table1 gavs v9": 1,
    "--params profiles/paper.yaml data": 1,  # there is no such folder
    "--params none.yaml features": 1,
    "--params none.yaml report": 1,
    "--params none.yaml tune": 1,
    "--params none.yaml export gavs v1s --out file": 1,
    "export gavs --all": 1,  # not all rows in a row's place
}


def test_commands_that_compute_nothing_wait_for_no_torch(tmp_path):
    """Also: threads are set before torch is imported."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in ("weights", "splits", "results"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *QUICK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == [" ".join(map(str, QUICK.values()))], done.stderr


def test_no_variable_gives_a_training_more_threads():
    """`export` trains in the process of the command, and its model is the one that `run` finds."""
    threads = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    code = f"import benchmarks.cli, os; print(*[os.environ[name] for name in {[*threads]}])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | threads, capture_output=True
    )
    assert done.stdout.split() == [b"1", b"1"]


def test_a_name_with_escapes_is_printed_escaped(capsys):
    for word in ("a\x1b[2Jb", "a\rb", "a\x9bb"):
        assert cli.main(["--params", f"{word}.yaml", "report"]) == 1
        assert f"error: {word.encode('unicode_escape').decode()}.yaml" in capsys.readouterr().err


def test_a_table_of_which_nothing_is_asked_has_an_empty_folder(tmp_path, monkeypatch):
    """It is an output that DVC looks for, with a list of no rows or of no groups."""
    for name in ("weights", "splits"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for table in ("ablations", "table2"):
        assert cli.main(["--params", str(ROOT / "profiles/quick.yaml"), "run", table]) == 0
        assert (tmp_path / "work/quick/records" / table).is_dir()


def test_a_reader_that_has_read_enough_is_no_error():
    """The reader closes the pipe, as `head -1` does."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    listing.stdout.close()
    assert listing.stderr.read() == "" and listing.wait() == 128 + signal.SIGPIPE
