"""A small project folder with its own parameters, world, index and features."""

import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cli
from benchmarks.common.files import locked
from benchmarks.params.files import read_yaml, write_yaml
from benchmarks.params.profile import profile_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built_project(request, tmp_path_factory) -> Path:
    """The smoke profile with its world, index and features, made once for all workers; tests
    copy it."""
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # a worker's own folder lies in the session's
        shared = shared.parent
    folder, building = shared / "project", shared / "building"
    with locked(shared / "project.lock", "the built project"):
        if not folder.exists():
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            shutil.copy(profile_file("smoke", ROOT / "params.yaml"), building / "params.yaml")
            for name in ("weights", "splits"):
                (building / name).symlink_to(ROOT / name)
            with chdir(building):
                assert cli.main(["data"]) == 0
                assert cli.main(["features"]) == 0
            building.rename(folder)
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
    """edit("few_shot.training.epochs", 2): set a key of params.yaml."""

    def write(key: str, value: Any) -> None:
        path = project / "params.yaml"
        *parents, last = key.split(".")
        values = block = read_yaml(path)
        for parent in parents:
            block = block.setdefault(parent, {})
        block[last] = value
        write_yaml(path, values)

    return write
