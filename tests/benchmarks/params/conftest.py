"""A folder with a copy of the suite's parameter files, and changes to the miniature's."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.checks import merge
from benchmarks.params import build
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from tests.copies import ROOT, small_project


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory: params.yaml is the miniature's, profiles/ has the other two."""
    (tmp_path / "profiles").mkdir()
    small_project(tmp_path, "miniature")
    for name in ("smoke", "paper"):
        shutil.copy(profile_file(name, ROOT / "params.yaml"), tmp_path / f"profiles/{name}.yaml")
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
