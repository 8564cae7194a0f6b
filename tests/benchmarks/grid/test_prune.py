"""Removing records touches plain files below the table's records, and nothing else."""

import pytest

from benchmarks.common.paths import PathError
from benchmarks.grid.cells import prune
from benchmarks.grid.protocol import cells_of
from benchmarks.params import load
from benchmarks.params.profile import profile_file


@pytest.fixture
def params(tmp_path, monkeypatch):
    params = load(profile_file("smoke"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work/smoke/records/table1/gavs").mkdir(parents=True)
    (tmp_path / "precious.json").touch()
    (tmp_path / "work/smoke/records/table2").mkdir()
    (tmp_path / "work/smoke/records/table2/other.json").touch()
    return params


@pytest.mark.parametrize(
    ("table", "stage"),
    [
        ("table1", "../../../.."),
        ("table1", ".."),
        ("table1", "../table2"),
        ("..", "table2"),
        ("/", None),
    ],
)
def test_a_name_that_leaves_the_records_deletes_nothing(params, tmp_path, table, stage):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PathError, match="no name for a file or folder"):
        prune(params, table, stage, [])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", ["table1", "table1/gavs", "table1/gavs/inner"])
def test_links_are_not_followed(params, tmp_path, place):
    link = tmp_path / "work/smoke/records" / place
    if link.is_dir():
        link.rename(tmp_path / "moved")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.json").touch()
    link.symlink_to(outside)
    if place.endswith("inner"):
        prune(params, "table1", "gavs", [])
    else:
        with pytest.raises(PathError, match=f"{place}: leads to .*, outside "):
            prune(params, "table1", "gavs", [])
    assert (outside / "precious.json").exists()


def test_what_is_no_longer_asked_goes_and_a_linked_record_stays(params, tmp_path):
    folder = tmp_path / "work/smoke/records/table1/gavs"
    (folder / "v1m-train-seed9.json").touch()
    (folder / "v1m-train-seed8.json").symlink_to(tmp_path / "precious.json")
    (folder / "v1m-train-seed0.json").touch()
    prune(params, "table1", "gavs", cells_of(params, "table1", "gavs"))
    assert {p.name for p in folder.iterdir()} == {"v1m-train-seed0.json", "v1m-train-seed8.json"}
