"""A small project folder with its own parameters, world, index and features."""

import shutil
from contextlib import chdir
from functools import partial
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.common.files import locked
from tests.copies import set_key, small_project


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
            small_project(building)
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
    return partial(set_key, project / "params.yaml")
