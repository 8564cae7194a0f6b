"""A folder with a copy of the suite's parameter files, and changes to the miniature's."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.checks import merge
from benchmarks.params import build
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory: params.yaml is the miniature's, profiles/ has the other two."""
    (tmp_path / "profiles").mkdir()
    for name in ("miniature", "smoke", "paper"):
        place = "params.yaml" if name == "miniature" else f"profiles/{name}.yaml"
        shutil.copy(profile_file(name, ROOT / "params.yaml"), tmp_path / place)
    for name in ("weights", "splits"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def miniature() -> dict[str, Any]:
    return read_yaml(profile_file("miniature", ROOT / "params.yaml"))


@pytest.fixture
def changed(miniature):
    """changed({"training": {"epochs": 1}}): parameters of the miniature's file so changed."""
    return lambda changes: build(merge(miniature, changes))


def nested(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} of "a.b"."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value
