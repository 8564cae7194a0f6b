"""Project folders: a copy as it stands, committed or not, with commands in it; a small one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.params.files import read_yaml, write_yaml
from benchmarks.params.profile import profile_file

ROOT = Path(__file__).parents[1]


def copy_project(folder: Path) -> None:
    """Every file that git has or would take, into a repository of its own."""
    from benchmarks.speed.repro import copy_tree  # it brings torch and DVC

    copy_tree(folder)


def small_project(folder: Path, profile: str = "smoke") -> None:
    """A profile's params.yaml, with what it names by links; no data."""
    shutil.copy(profile_file(profile, ROOT / "params.yaml"), folder / "params.yaml")
    for name in ("weights", "splits"):
        (folder / name).symlink_to(ROOT / name)


def set_key(path: Path, key: str, value: Any) -> None:
    """Set a dotted key of a YAML file."""
    *parents, last = key.split(".")
    values = block = read_yaml(path)
    for parent in parents:
        block = block.setdefault(parent, {})
    block[last] = value
    write_yaml(path, values)


def run_in(folder: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A command on the project in a folder, which must end with this code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done
