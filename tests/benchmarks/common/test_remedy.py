"""Commands in messages: for params.yaml as they are written, for another file with its name."""

import logging
import re
from pathlib import Path

import pytest

from benchmarks.cli import command, main
from benchmarks.common.remedy import in_use, spelled
from benchmarks.grid.command import outcome
from benchmarks.preflight.check import Finding

ROOT = Path(__file__).parents[3]
TEXT = "set workers in params.yaml, then `python -m benchmarks data`, or `dvc repro`"


def test_a_command_names_the_file_in_use():
    assert spelled(TEXT) == TEXT
    for default in (Path("params.yaml"), Path("./params.yaml"), Path("params.yaml").absolute()):
        with in_use(default):
            assert spelled(TEXT) == TEXT
    with in_use(Path("my runs/a.yaml")):
        run = "python -m benchmarks --params 'my runs/a.yaml'"
        assert spelled(TEXT) == (
            f"set workers in 'my runs/a.yaml', then `{run} data`, "
            f"or `{run} launch --on local`, then `report`"
        )
        with in_use(Path("params.yaml")):  # a command that a command runs
            assert spelled(TEXT) == TEXT
        for other in ("python -m benchmarks --params b.yaml data", "params.yaml: no YAML"):
            assert spelled(other) == other
        finding = Finding("error", ["shard 0 is damaged"], "`python -m benchmarks features`")
        assert str(finding).endswith(f"-> `{run} features`")
    assert spelled(TEXT) == TEXT


@pytest.mark.parametrize("options", [[], ["--copy-of", "params.yaml"], ["--copy-of", "b.yaml"]])
def test_an_error_says_how_to_repair_the_profile_that_it_is_of(
    options, tmp_path, monkeypatch, capsys
):
    """A launch runs jobs with a copy of its parameters, and the copy is nobody's to edit."""
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    (tmp_path / "splits").symlink_to(ROOT / "splits")
    (tmp_path / "a.yaml").write_text((ROOT / "profiles/quick.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    assert main(["--params", "a.yaml", *options, "features"]) == 1
    error = capsys.readouterr().err
    file = options[1] if options else "a.yaml"
    argument = "" if file == "params.yaml" else f"--params {file} "
    assert re.search(r"python -m benchmarks ([^`]*)`", error)[1] == f"{argument}data"


def test_logs_and_failures_of_cells_say_it_too(tmp_path, monkeypatch, capsys):
    text = "work/a/features: an older store; rebuild it with `python -m benchmarks features`"

    def fail(args):
        logging.getLogger("benchmarks.data").warning("%s", text)
        return outcome([text])

    monkeypatch.setattr(command, "check", fail)
    assert main(["--params", "a.yaml", "check"]) == 1
    said = text.replace("benchmarks features", "benchmarks --params a.yaml features")
    assert capsys.readouterr().err == f"{said}\nfailed: {said}\n"
