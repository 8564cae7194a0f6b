"""`dvc repro` with nothing to do, in a copy of the tree where every stage counts as done."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from dvc.repo import Repo

from benchmarks.common.closure import ROOT
from benchmarks.speed.clock import seconds_of
from benchmarks.speed.compare import Line

SECONDS = 3.0


def lines() -> Iterator[Line]:
    """Measure one command, a few times."""
    with TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        pretend(Path(folder))
        run(Path(folder), "dvc", "repro")  # compiles what was copied
        times = [seconds_of(lambda: run(Path(folder), "dvc", "repro")) for _ in range(3)]
    yield Line(
        "`dvc repro` with nothing to do",
        f"{SECONDS:g} s",
        1.0,
        SECONDS / median(times),
        (SECONDS / max(times), SECONDS / min(times)),
        remark="all stages of the default, their files without content",
        seconds=(median(times), SECONDS),
    )


def copy_tree(folder: Path) -> None:
    """Copy the tree as it stands, committed or not, without ignored files."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    run(folder, "git", "init", "--quiet")


def pretend(folder: Path) -> None:
    """Make DVC take every stage for done: outputs where there are none, all checksums noted."""
    with Repo(str(folder)) as repo:
        stages: Any = list(repo.index.stages)
        paths = [Path(out.fs_path) for stage in stages for out in stage.outs]
        paths += [Path(dep.fs_path) for stage in stages for dep in stage.deps]
    for path in paths:
        if not path.exists():
            inside = path if path.suffix else path / "content.json"
            inside.parent.mkdir(parents=True, exist_ok=True)
            inside.write_text("{}\n")
    run(folder, "dvc", "commit", "--force", "--quiet")


def run(folder: Path, *command: str) -> None:
    """Run a command in the copy.

    Raises:
        RuntimeError: it fails, or a stage ran; with the end of its output.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    output = process.stdout + process.stderr
    if process.returncode or "Running stage" in output:
        raise RuntimeError(f"{' '.join(command)} failed: {output[-500:]}")
