"""A ledger, and jobs of it that are shell lines."""

import signal
from pathlib import Path

import pytest

from benchmarks.launch.ledger import Ledger
from benchmarks.launch.plan import Job
from benchmarks.params.cluster import ClusterParams

RESOURCES = {"gpus": 0, "cpus": 1, "memory_gb": 0.1, "hours": 1}


@pytest.fixture(autouse=True)
def interruptible():
    """A shell that starts the tests with `&` leaves SIGINT ignored, here and in what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "launch")
    ledger.prepare()
    return ledger


@pytest.fixture
def cluster():
    """cluster(**resources of the stage `train`): parameters with two retries."""

    def make(**train) -> ClusterParams:
        stages = {"features": RESOURCES, "train": RESOURCES | train}
        return ClusterParams(jobs=4, retries=2, stages=stages)

    return make


@pytest.fixture
def add(ledger: Ledger):
    """add(lines, needs={}): jobs of one array, a shell line each by name; the jobs."""

    def add_array(lines: dict[str, str], needs: dict[str, tuple] | None = None, array="a", on=None):
        jobs = [Job(n, "train", (), needs=tuple((needs or {}).get(n, ()))) for n in lines]
        listed = [
            {"name": j.name, "command": ["sh", "-c", lines[j.name]], "needs": j.needs, "recipe": ""}
            for j in jobs
        ]
        ledger.add_array(array, on=on or "local", token="", retries=2, jobs=listed)
        return jobs

    return add_array
