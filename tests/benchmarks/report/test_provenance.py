"""`stale`: committed tables against today's parameters and code."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cli
from benchmarks.common import closure
from benchmarks.grid.fingerprint import recipe_checksum
from benchmarks.params import load
from benchmarks.report.provenance import first_cells, key
from tests.copies import set_key, small_project

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """A project whose tables were made of its code and parameters as they stand."""
    folder = tmp_path_factory.mktemp("project")
    small_project(folder, "miniature")
    params = load(folder / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rows = {key(c): recipe_checksum(params, c) for c in first_cells(params)}
    (folder / "results").mkdir()
    content = json.dumps({"profile": params.profile, "recipes": rows})
    (folder / "results/provenance.json").write_text(content)
    return folder


@pytest.fixture
def stale(committed, monkeypatch, capsys):
    """stale(): exit code and lines of the command."""
    monkeypatch.chdir(committed)

    def run() -> tuple[int, list[str]]:
        code = cli.main(["stale"])
        return code, capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def edit(committed, monkeypatch):
    """edit(file, key, value): set a key of a JSON or YAML file for the time of a test."""
    texts = {}

    def change(name: str, key: str, value: Any) -> None:
        path = committed / name
        texts.setdefault(name, path.read_text())
        if path.suffix == ".json":
            path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
        else:
            set_key(path, key, value)

    yield change
    for name, text in texts.items():
        (committed / name).write_text(text)


def test_tables_of_todays_code_are_not_stale(stale):
    assert stale() == (0, ["0 committed rows are out of date"])


@pytest.mark.parametrize(
    ("key", "value", "row", "other"),
    [
        ("methods.gavs.prompt.noise_dim", 8, "table1 gavs v1s", "table1 avsbench v1s"),
        ("protocol.shots", [1, 3], "table4 gavs vggss_sub 1-shot", "table1 gavs v1s"),
        ("audio.spectrogram_hop", 475, "table1 avsbench v1s", None),
        ("tables.table3.in_set", ["ez_vsl"], "table3 hardway vggss in-set", "table1 gavs v1s"),
    ],
)
def test_rows_that_a_parameter_moves_are(stale, edit, key, value, row, other):
    edit("params.yaml", key, value)
    code, lines = stale()
    assert code == 1
    rows = [line.split(": ")[1] for line in lines[:-1]]
    assert row in rows and other not in rows
    assert lines[-1] == f"{len(rows)} committed rows are out of date; run `dvc repro`"


def test_rows_that_an_edit_of_the_code_moves_are(stale, monkeypatch):
    sources = closure.Sources(ROOT)
    sources._texts["baselines.avsbench"] += "\nflipped = 1\n"
    monkeypatch.setattr(closure, "project", lambda: sources)
    code, lines = stale()
    assert code == 1
    assert {line.split(": ")[1].split()[1] for line in lines[:-1]} == {"avsbench"}


CONFLICT = '<<<<<<< HEAD\n{"profile": "miniature"}\n=======\n{}\n>>>>>>> other\n'


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"profile": "miniature"}', CONFLICT])
def test_a_manifest_that_cannot_be_read_is_named(stale, committed, capsys, content):
    path = committed / "results/provenance.json"
    text = path.read_text()
    path.write_text(content)
    try:
        assert cli.main(["stale"]) == 1
    finally:
        path.write_text(text)
    said = capsys.readouterr().err
    assert said.startswith("error: results/provenance.json: can't be read as a report's manifest: ")
    assert said.endswith("; resolve its conflict, restore it from git, or delete it\n")


def test_without_tables_or_with_another_profiles(stale, edit):
    edit("results/provenance.json", "profile", "paper")
    code, lines = stale()
    assert code == 1 and "all: made with profile paper, not miniature" in lines[0]
    edit("params.yaml", "results", "work/miniature/results")
    code, lines = stale()
    assert code == 1 and lines[0].startswith(
        "work/miniature/results/provenance.json: no tables yet"
    )
