"""A finished folder is whole, or it is made again."""

import platform
import re
from pathlib import Path

import pytest

from benchmarks.common.files import read_sealed
from benchmarks.grid.folders import LOCK, discard_damaged, finish


@pytest.fixture
def folder(tmp_path):
    for name, content in (("model.pt", b"weights"), ("log.jsonl", b"{}"), (LOCK, b"")):
        (tmp_path / name).write_bytes(content)
    finish(tmp_path, "model.json", {"seconds": 1.5}, ["model.pt"])
    return tmp_path


def test_a_whole_folder_stays_and_what_killed_writers_left_goes(folder):
    part = folder / f".model.pt.{platform.node()}-{2**22 + 1}.part"
    part.write_text("half")
    (folder / "log.jsonl").write_text("{}{}")  # only a log
    discard_damaged(folder, "model.json")
    assert {p.name for p in folder.iterdir()} == {"model.pt", "model.json", "log.jsonl", LOCK}
    assert read_sealed(folder / "model.json")["seconds"] == 1.5


def _cut(folder: Path) -> None:
    (folder / "model.pt").write_bytes(b"wei")


def _replace(folder: Path) -> None:
    (folder / "model.pt").write_bytes(b"weighty")


def _delete(folder: Path) -> None:
    (folder / "model.pt").unlink()


def _edit(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text().replace("1.5", "2.5"))


def _halve(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(path.read_text()[:30])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, "model.pt: its checksum is .*, but model.json has"),
        (_replace, "model.pt: its checksum is .*, but model.json has"),
        (_delete, "model.pt: missing"),
        (_edit, "model.json: its content has the checksum"),
        (_halve, "model.json: can't be read as JSON"),
    ],
)
def test_one_damaged_file_empties_the_folder_and_is_named(folder, caplog, damage, reason):
    damage(folder)
    discard_damaged(folder, "model.json")
    assert [p.name for p in folder.iterdir()] == [LOCK]
    (line,) = caplog.messages
    assert re.search(f"{reason}.*; the folder is made again", line)


def test_an_unfinished_folder_is_left_alone(folder):
    (folder / "model.json").unlink()
    (folder / "last.pt").write_text("state")
    discard_damaged(folder, "model.json")
    assert (folder / "last.pt").is_file() and (folder / "model.pt").is_file()
