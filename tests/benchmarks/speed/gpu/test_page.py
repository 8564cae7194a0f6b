"""Rows of the GPU's page: what is kept, what is said of the rest, in which order."""

import json

import pytest
import torch

from benchmarks import cli
from benchmarks.speed import gpu
from benchmarks.speed.gpu.page import Page, Task

MACHINE = {"GPU": "a card", "code": "abc"}


@pytest.fixture(autouse=True)
def no_collection(monkeypatch) -> None:
    """Whatever all tests of a process have left takes a second to look through."""
    monkeypatch.setattr(gpu, "release", lambda: None)


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def task(done):
    """task(section, name, rank, result): `result` is what it measures, or what it raises."""

    def make(section, name, rank=0, result=None, seconds=0.0):
        def measure():
            done.append(name)
            if isinstance(result, Exception):
                raise result
            return result or {}

        return Task(section, name, rank, seconds, measure)

    return make


def rows(page: Page) -> dict[str, str]:
    """Lines of the page's tables by their first cell."""
    lines = page.markdown.read_text().splitlines()
    cells = [line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| ")]
    return {name: rest for name, *more in cells for rest in more}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried 3 GiB"), "failed: out of memory"),
        (RuntimeError("no kernel\nimage"), "failed: RuntimeError: no kernel"),
        (AssertionError(), "failed: AssertionError: "),
        (KeyError("tokens6_rgb"), "failed: KeyError: 'tokens6_rgb'"),
    ],
)
def test_a_row_that_fails_says_why_and_the_others_are_measured(task, done, tmp_path, error, said):
    tasks = [task("loader", "bad", 0, error), task("loader", "good", 1, {"GB/s": 2.5})]
    page = Page(tmp_path, MACHINE)
    gpu.measure(tasks, page, end=float("inf"))
    assert done == ["bad", "good"]
    assert rows(page)["bad"].endswith(f"| {said}".rstrip())
    assert rows(page)["good"].startswith("2.50 | – |")


def test_the_page_is_written_after_each_row_the_important_ones_first(task, done, tmp_path):
    page = Page(tmp_path, MACHINE)
    stop = Task("drift", "stop", 2, 0.0, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    tasks = [task("loader", "late", 3), stop, task("paths", "first", 1, {"ratio": 12.0})]
    with pytest.raises(KeyboardInterrupt):
        gpu.measure(tasks, page, end=float("inf"))
    assert done == ["first"]
    assert "12.00" in rows(page)["first"]
    assert rows(page)["late"].endswith("not measured yet")
    assert json.loads(page.json.read_text())["rows"] == {
        "paths: first": {"figures": {"ratio": 12.0}}
    }


def test_the_same_command_measures_what_is_missing_or_has_failed(task, done, tmp_path):
    first = [task("loader", "a", 0, {"GB/s": 1.0}), task("loader", "b", 0, RuntimeError("x"))]
    gpu.measure(first, Page(tmp_path, MACHINE), end=float("inf"))
    again = [task("loader", name, 0, {"GB/s": 2.0}) for name in ("a", "b", "c")]
    page = Page(tmp_path, MACHINE)
    gpu.measure(again, page, end=float("inf"))
    assert done == ["a", "b", "b", "c"]
    assert [rows(page)[name][:4] for name in "abc"] == ["1.00", "2.00", "2.00"]


@pytest.mark.parametrize("key", ["GPU", "code", "driver"])
def test_rows_of_another_machine_or_commit_are_measured_again(task, done, tmp_path, key):
    tasks = [task("loader", "a", 0, {"GB/s": 1.0})]
    gpu.measure(tasks, Page(tmp_path, MACHINE), end=float("inf"))
    gpu.measure(tasks, Page(tmp_path, MACHINE | {key: "another"}), end=float("inf"))
    assert done == ["a", "a"]


def test_a_row_that_takes_longer_than_what_is_left_is_not_begun(task, done, tmp_path):
    now = iter([0.0, *[70.0] * 9])  # the first takes 70 of 100 s
    tasks = [
        task("loader", "first", 0, {"GB/s": 1.0}, seconds=50.0),
        task("loader", "long", 1, {"GB/s": 1.0}, seconds=31.0),
        task("loader", "short", 2, {"GB/s": 1.0}, seconds=30.0),
    ]
    page = Page(tmp_path, MACHINE)
    gpu.measure(tasks, page, end=100.0, clock=lambda: next(now))
    assert done == ["first", "short"]
    assert rows(page)["long"].endswith("no time left: takes about 31 s")


def test_named_tables_alone_are_measured(task, done, tmp_path):
    tasks = [task(name, name) for name in ("extraction", "drift", "loader")]
    gpu.measure(tasks, Page(tmp_path, MACHINE), end=float("inf"), names=["drift", "loader"])
    assert done == ["drift", "loader"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_a_gpu_the_command_says_so_at_once(capsys, tmp_path):
    missing = tmp_path / "params.yaml"  # not even that is read before
    assert cli.main(["--params", str(missing), "speed", "--device", "cuda"]) == 1
    assert "needs a CUDA device" in capsys.readouterr().err


def test_an_unknown_table_is_refused_with_the_known_ones(capsys):
    assert cli.main(["speed", "driff", "--device", "cpu"]) == 1
    assert "['driff']; known: extraction, drift, training, paths, loader" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["0", "-1", "nan"])
def test_minutes_must_be_positive(capsys, wrong):
    assert cli.main(["speed", "--device", "cpu", "--minutes", wrong]) == 1
    assert "--minutes" in capsys.readouterr().err
