"""The built wheel where nothing is installed but what it declares, offline."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from tests.copies import ROOT, copy_project, run_in

pytest.importorskip("setuptools", reason="builds the wheel")
BUILD = "from setuptools.build_meta import build_{0} as build; print(build({1!r}))"
RUN = """
import sys
import benchmarks
assert benchmarks.__file__.startswith({site!r}), benchmarks.__file__
from benchmarks.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code
for words in {commands!r}:
    assert main(words) == 0, words
libraries = {{"torch", "scipy", "av"}} & set(sys.modules)
assert not libraries, libraries
"""


def link_declared(site: Path) -> None:
    """Link the installed packages that the project declares without extras, and what they need."""
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed, seen = [Requirement(line) for line in lines], set()
    while needed:
        requirement = needed.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name in seen:
            continue
        seen.add(requirement.name)
        package = distribution(requirement.name)
        needed += [Requirement(line) for line in package.requires or []]
        for name in {file.parts[0] for file in package.files or [] if file.parts[0] != ".."}:
            if name != "__pycache__" and not (site / name).exists():
                (site / name).symlink_to(package.locate_file(name))


def test_the_wheel_scores_compares_and_checks_cards_where_it_alone_is_installed(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    site.mkdir()
    copy_project(source)
    for kind in ("sdist", "wheel"):
        run_in(source, sys.executable, "-c", BUILD.format(kind, str(tmp_path)))
    assert len(list(tmp_path.glob("*.tar.gz"))) == 1
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as file:
        file.extractall(site)
        names = {name.rpartition("/")[2] for name in file.namelist()}
    assert {"LICENSE", "CITATION.cff", "schema.json"} <= names
    link_declared(site)
    for folder in ("predictions", "masks"):
        (tmp_path / folder / "clip").mkdir(parents=True)
        mask = Image.fromarray(np.eye(8, dtype=np.uint8) * 255)
        mask.save(tmp_path / folder / "clip/0.png")
    box = {"file": "a" * 11 + "_000001", "class": "dog", "bbox": [[0, 0, 0.5, 0.5]]}
    (tmp_path / "vggss.json").write_text(json.dumps([box]))
    folders = ["--predictions", str(tmp_path / "predictions"), "--masks", str(tmp_path / "masks")]
    commands = [
        ["score", *folders, "--all-rules"],
        ["vggss-baselines", "--annotations", str(tmp_path / "vggss.json")],
        ["card", "--check"],
        ["compare", ".", "HEAD"],
    ]
    script = RUN.format(site=str(site), commands=commands)
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "miou                     1.0000" in done.stdout
