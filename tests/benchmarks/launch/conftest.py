"""Small jobs of shell lines, and stand-ins for Slurm's programs."""

import os
import signal
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.params import Params, load
from benchmarks.params.cluster import ClusterParams, Stage
from tests.copies import small_project

RESOURCES = {"gpus": 0, "cpus": 1, "memory_gb": 0.1, "hours": 1}
STAGES = dict.fromkeys(get_args(Stage), RESOURCES)


@pytest.fixture(autouse=True)
def interruptible():
    """A shell that starts the tests with `&` leaves SIGINT ignored, here and in what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def cluster():
    """cluster(**resources of the stage `train`): parameters with two retries."""

    def make(common: dict | None = None, **train) -> ClusterParams:
        stages = STAGES | {"train": RESOURCES | train}
        return ClusterParams(jobs=4, retries=2, options=common or {}, stages=stages)

    return make


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """programs(name=shell line): stand-ins of Slurm's; sbatch keeps what it is given in `script`,
    what it is asked in `asked`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(**lines: str) -> Path:
        for name, line in lines.items():
            (folder / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{line}\n")
            (folder / name).chmod(0o755)
        return tmp_path

    sbatch = 'echo "$@" >> asked; [ -f "$1" ] && cp "$1" script; echo Submitted batch job 77'
    make(srun="true", sbatch=sbatch, sinfo="printf 'main\\nbig\\n'", squeue="true")
    return make


@pytest.fixture
def params(tmp_path, monkeypatch) -> Params:
    """The smoke profile's, in a folder that is the working directory; no data."""
    small_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return load()
