"""Speed of the whole pipeline in a copy of the tree: idle repro, two workers, growth of costs."""

import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.common.checks import merge
from benchmarks.common.closure import ROOT
from benchmarks.params import load
from benchmarks.params.files import lower, write_yaml
from benchmarks.params.profile import profile_file
from benchmarks.speed.compare import Line

SECONDS = 5.0  # of a repro with nothing to do
MINUTES = 30.0  # of the default profile
FACTORS = (1, 2, 4)
CLIPS = 4  # times smoke's, where growth begins: the start-up's spread would hide fewer
SHORT = {"epochs": 1, "steps": 40, "freeze_epochs": 0, "stage_one_epochs": 0, "validate_from": 0}
ONE_WORKER = "the same with one worker"


def lines(whole: bool = False) -> Iterator[Line]:
    """Measure all; with `whole` the default profile uncut too, which takes hours."""
    with TemporaryDirectory() as folder:
        tree = Tree(Path(folder) / "tree")
        tree.profile("smoke")
        yield from _workers(tree, "smoke profile", None, "mostly start-up: no least ratio")
        times = [tree.seconds("dvc", "repro") for _ in range(3)]
        yield Line(
            "`dvc repro` with nothing to do, smoke profile",
            f"{SECONDS:g} s",
            1.0,
            SECONDS / median(times),
            (SECONDS / max(times), SECONDS / min(times)),
            None,
            None,
            "as many stages as the default's",
            (median(times), SECONDS),
        )
        yield from _growth(tree)
        tree.profile("miniature")
        tree.shorten()
        yield from _workers(
            tree, "default profile with one seed and one epoch", 1.6, "more start-up and scoring"
        )
        if whole:
            tree.profile("miniature")
            yield from _workers(tree, "default profile", 1.6, "", MINUTES)
        else:
            yield Line.not_run("default profile, 2 workers", ONE_WORKER, 1.6, "only with `--whole`")


class Tree:
    """Copy of the tree as it stands, committed or not, without ignored files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        self.run("git", "init", "--quiet")

    def run(self, *command: str) -> None:
        """Run a command in the copy.

        Raises:
            RuntimeError: it fails; with the end of its output.
        """
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder)}
        process = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        if process.returncode:
            output = (process.stdout + process.stderr)[-500:]
            raise RuntimeError(f"{' '.join(command)} failed: {output}")

    def profile(self, name: str) -> None:
        """Take a profile's parameters."""
        shutil.copy(profile_file(name, ROOT / "params.yaml"), self.folder / "params.yaml")

    def change(self, values: Mapping[str, Any]) -> None:
        """Set parameters."""
        present = load(self.folder / "params.yaml").model_dump(mode="json")
        write_yaml(self.folder / "params.yaml", merge(present, values))

    def shorten(self) -> None:
        """Cut to one seed, one draw and single epochs, with every row and setting."""
        path = self.folder / "params.yaml"
        write_yaml(path, lower(load(path).model_dump(mode="json"), SHORT))
        self.change({"seeds": [0], "protocol": {"draws": [0], "fraction_draws": [0]}})

    def forget(self, *names: str) -> None:
        """Remove finished work: folders of the profile's work, or all of it."""
        for path in (self.folder / "work").glob("*/"):
            for part in [path / name for name in names] or [path]:
                shutil.rmtree(part, ignore_errors=True)
        (self.folder / "work").mkdir(exist_ok=True)

    def seconds(self, *command: str) -> float:
        """Time a command."""
        start = time.perf_counter()
        self.run(*command)
        return time.perf_counter() - start

    def cpu_seconds(self, *command: str) -> float:
        """Measure the CPU seconds of `python -m benchmarks` with a command, workers included."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run(sys.executable, "-m", "benchmarks", *command, "--workers", "1")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _workers(
    tree: Tree, name: str, wanted: float | None, remark: str, minutes: float = math.inf
) -> Iterator[Line]:
    """Compare two workers with one; the tree stays as two workers leave it, with all work done.

    Args:
        minutes: most that two workers may take.
    """
    times, tables = [], []
    for workers in (1, 2):
        tree.forget()
        tree.change({"workers": workers})
        times.append(tree.seconds("dvc", "repro"))
        results = tree.folder / load(tree.folder / "params.yaml").results
        tables.append([path.read_bytes() for path in sorted((results / "tables").iterdir())])
    ratio = times[0] / times[1]
    yield Line(
        f"{name}, 2 workers",
        ONE_WORKER,
        wanted,
        ratio,
        (ratio, ratio),
        0.0 if tables[0] == tables[1] else math.inf,
        0.0,
        "; ".join(filter(None, [remark, "one run each, the same tables"])),
        (times[1], times[0]),
        fast=(wanted is None or ratio >= wanted) and times[1] <= 60 * minutes,
    )


def _growth(tree: Tree) -> Iterator[Line]:
    """Measure the costs of more clips and of more methods."""
    clips = YAML(typ="safe").load(tree.folder / "params.yaml")["world"]["clips"]
    stages: dict[str, tuple[str, ...]] = {"data": ("data",), "features": ("features",)}
    stages["Table 1's `gavs`"] = ("run", "table1", "gavs")
    costs: dict[str, list[float]] = {name: [] for name in stages}
    for factor in reversed(FACTORS):  # the smallest world is left for the methods
        tree.forget()
        scaled = {k: {s: n * CLIPS * factor for s, n in v.items()} for k, v in clips.items()}
        tree.change({"world": {"clips": scaled}})
        for name, command in stages.items():
            costs[name].append(tree.cpu_seconds(*command))
    for name, cost in costs.items():
        yield growth(f"clips × {FACTORS[-1]}: {name}", cost[::-1])

    methods = []
    for factor in FACTORS:  # equal but for a rate, so that each costs as much
        tree.forget("models", "runs", "records")
        copies = {
            f"copy{i}": {"base": "gavs", "note": "", "set": {"training.lr": 1e-3 + 1e-6 * i}}
            for i in range(factor)
        }
        rows: dict[str, list[str]] = {"published": [], "controlled": [], "operators": []}
        tree.change({"variants": copies, "tables": {"table1": rows | {"gavs": list(copies)}}})
        methods.append(tree.cpu_seconds("run", "table1"))
    yield growth(f"methods × {FACTORS[-1]}: Table 1", methods)


def growth(what: str, costs: list[float]) -> Line:
    """Compare CPU seconds at FACTORS with a straight line, whatever its start.

    The difference is that of the cost per part: second to third factor over first to second.
    """
    slope, start = np.polyfit(FACTORS, costs, 1)
    first, second = np.diff(costs) / np.diff(FACTORS)
    return Line(
        f"cost growth, {what}",
        "a straight line",
        None,
        math.nan,
        (math.nan, math.nan),
        float(abs(second / first - 1)),
        0.1,
        f"{start:.1f} s of start-up and {slope:.2f} s for each part",
        points=tuple(zip(map(float, FACTORS), costs, strict=True)),
    )
