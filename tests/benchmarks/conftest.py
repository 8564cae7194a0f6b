"""A small project folder with its own parameters, world, index and features."""

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.params.profile import apply_profile

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built_project(tmp_path_factory) -> Path:
    """The smoke profile with its world, index and features; tests copy it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", folder)
    for name in ("weights", "profiles", "splits"):
        (folder / name).symlink_to(ROOT / name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        apply_profile(Path("params.yaml"), Path("profiles/smoke.yaml"))
        assert cli.main(["data"]) == 0
        assert cli.main(["features"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(built_project: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of the built project, as the working directory."""
    folder = tmp_path / "project"
    shutil.copytree(built_project, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def edit(project: Path):
    """edit(old, new): replace a text of params.yaml that must be there."""

    def replace(old: str, new: str) -> None:
        text = (project / "params.yaml").read_text()
        assert old in text
        (project / "params.yaml").write_text(text.replace(old, new, 1))

    return replace
