"""What a report leaves in its folder, and what it never touches."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks.cli import main
from benchmarks.common.publish import publish
from benchmarks.params import load
from benchmarks.report import write
from benchmarks.report.write import MANIFEST, write_report
from benchmarks.scoring.records import Key, RecordError
from tests.copies import small_project


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Parameters of the smoke profile, in a folder of its own."""
    small_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return load()


@pytest.fixture
def committed(params):
    """The folder of results with an earlier report's files and others'."""
    manifest = {"profile": "smoke", "recipes": {}, "files": ["figures/overlays_vggss.png"]}
    content = {
        "tables.md": "good",
        "figures/overlays_vggss.png": b"old",
        "figures/speed.png": b"another command's",
        "speed.md": "another command's",
        MANIFEST: json.dumps(manifest),
    }
    publish(params.results, content)
    return params.results


@pytest.fixture
def made(monkeypatch):
    """The real report, but for the parts that need a run."""
    monkeypatch.setattr(write, "read", lambda root, plan: {})
    monkeypatch.setattr(write, "tables", lambda *_, **__: {"tables.md": "new"})
    monkeypatch.setattr(
        write, "load_index", lambda path: pd.DataFrame({"uid": [], "benchmark": []})
    )
    monkeypatch.setattr(write, "frames_checksum", lambda index: "now")
    monkeypatch.setattr(write, "Workbench", lambda params: SimpleNamespace(clip_sets=None))
    monkeypatch.setattr(write, "contact_sheet", lambda root, path, vggss: path.write_bytes(b"png"))
    monkeypatch.setattr(write, "splits_page", lambda params, sets: "sets")


def test_a_report_removes_what_it_no_longer_makes_and_nothing_else(params, committed, made):
    assert write_report(params) == committed / "tables.md"
    after = files(committed)
    manifest = json.loads(after.pop(MANIFEST))
    assert manifest["profile"] == "smoke"
    assert manifest["files"] == ["figures/miniature.png", "splits.md", "tables.md"]
    assert after == {
        "tables.md": b"new",
        "splits.md": b"sets",
        "figures/miniature.png": b"png",
        "figures/speed.png": b"another command's",
        "speed.md": b"another command's",
    }
    assert not list(committed.parent.glob(".*.part"))


@pytest.mark.parametrize("profile", ["smoke", "other", "miniature"])
def test_without_records_nothing_changes(committed, capsys, profile):
    path = Path("params.yaml")
    results = {"smoke": committed, "other": "results/other", "miniature": "results"}[profile]
    text = path.read_text().replace("profile: smoke", f"profile: {profile}", 1)
    path.write_text(text.replace(f"results: {committed}", f"results: {results}", 1))
    before = files(Path())
    assert main(["report"]) == 1
    assert f"no record of profile '{profile}' that the tables ask for" in capsys.readouterr().err
    assert files(Path()) == before


@pytest.mark.parametrize("part", ["load_index", "qualitative", "splits_page", "provenance"])
def test_a_failure_at_any_part_leaves_the_results(params, committed, made, monkeypatch, part):
    def fail(*args):
        raise RecordError(f"{part}: broken")

    before = files(committed)
    monkeypatch.setattr(write, part, fail)
    with pytest.raises(RecordError, match=part):
        write_report(params)
    assert files(committed) == before


def test_records_of_other_clips_than_the_indexs_are_refused(params, committed, made, monkeypatch):
    """Its strata and frames would be those of clips that were never scored."""

    def record(index: str) -> SimpleNamespace:
        return SimpleNamespace(record=SimpleNamespace(checksums=SimpleNamespace(index=index)))

    keys = [Key("gavs", benchmark, "train", 0) for benchmark in ("v2", "v1m")]
    records = dict(zip(keys, map(record, ("now", "then")), strict=True))
    monkeypatch.setattr(write, "read", lambda root, plan: records)
    with pytest.raises(RecordError, match="^.*1 of 2 records, first gavs/v1m-train-seed0, are of"):
        write_report(params)


def test_the_tables_of_another_profile_are_not_written_over(params, committed, made):
    manifest = json.loads((committed / MANIFEST).read_text()) | {"profile": "miniature"}
    (committed / MANIFEST).write_text(json.dumps(manifest))
    before = files(committed)
    with pytest.raises(RecordError, match="tables of profile 'miniature', and profile 'smoke'"):
        write_report(params)
    assert files(committed) == before


@pytest.mark.parametrize("content", ["{", "[]", '{"profile": "smoke", "files": [1]}', "\xe9"])
def test_a_broken_manifest_is_named(params, committed, made, content):
    (committed / MANIFEST).write_bytes(content.encode("latin-1"))
    with pytest.raises(RecordError, match=f"{MANIFEST}: can't be read as a report's manifest"):
        write_report(params)
    assert (committed / "tables.md").read_text() == "good"


@pytest.mark.parametrize("name", ["../kept", "/kept", "link/kept", "figures", "", "a/../../kept"])
def test_nothing_outside_the_folder_is_removed_or_written(tmp_path, name):
    folder, outside = tmp_path / "results", tmp_path / "kept"
    (folder / "figures").mkdir(parents=True)
    outside.write_text("kept")
    os.symlink(tmp_path, folder / "link")
    for call in (
        lambda: publish(folder, {"new": b""}, obsolete=[name]),
        lambda: publish(folder, {"new": b"", name: b"x"}),
    ):
        with pytest.raises(ValueError, match="isn't a path below|leads out of"):
            call()
    assert outside.read_text() == "kept" and not (folder / "new").exists()


def test_a_disk_that_fills_up_leaves_the_old_files(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    publish(folder, {"a": "old", "b": "old"})

    def full(self, content):
        if self.name == "b":
            raise OSError(28, "No space left on device", str(self))
        return len(content)

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        publish(folder, {"a": "new", "b": "new"})
    monkeypatch.undo()
    assert files(folder) == {"a": b"old", "b": b"old"} and not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize(
    ("results", "filled"), [("results", True), ("results/mine", False), ("work/smoke/r", False)]
)
def test_only_the_default_results_reach_the_readme(params, made, monkeypatch, results, filled):
    contents = {"tables.md": "new", "tables/leaderboard.md": "numbers"}
    monkeypatch.setattr(write, "tables", lambda *_, **__: dict(contents))
    marks = "<!-- results:begin -->\n{}<!-- results:end -->\n"
    Path("README.md").write_text(marks.format(""))
    write_report(params.model_copy(update={"results": Path(results)}))
    assert Path("README.md").read_text() == marks.format("numbers\n" * filled)


def test_two_that_publish_in_one_folder_wait_for_each_other(tmp_path):
    """A report and a study: their parts lie in the same place."""

    def often(name):
        for _ in range(20):
            publish(tmp_path / "results", {f"{name}{k}": name for k in range(50)})

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(often, name) for name in "ab"]:
            done.result()
    assert len(list((tmp_path / "results").iterdir())) == 100
