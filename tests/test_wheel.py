"""The built wheel where nothing is installed but what it declares, offline."""

import csv
import json
import os
import shutil
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

from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.world import build
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

IMPORTED = """
import sys
from benchmarks.cli import main
folder = ["--as", "theirs", "--benchmark", "v1m", "--workers", "2"]
for words in (["data"], ["import", "theirs", *folder], ["compare", "theirs", "theirs"]):
    assert main(words) == 0, words
libraries = {"torch", "scipy", "av", "matplotlib"} & set(sys.modules)
assert not libraries, libraries
"""

TRAINED = """
import sys
from importlib.metadata import distribution
(command,) = (e for e in distribution("gavs-benchmark").entry_points if e.name == "gavs")
from gavs import load_model
assert command.load().__code__.co_filename.startswith({site!r})
model = load_model("weights/miniature/gavs.safetensors")
assert sys.modules["gavs"].__file__.startswith({site!r})
import numpy as np
found = model(np.zeros((30, 40, 3), np.uint8), np.zeros(16_000, np.float32))
assert found.shape == (30, 40) and found.dtype == np.float32
sys.argv = ["gavs", "--help"]
command.load()()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this project as it stands, from its sdist, by way of nothing installed."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    copy_project(source)
    run_in(source, sys.executable, "-c", BUILD.format("sdist", str(folder)))
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    run_in(unpacked, sys.executable, "-c", BUILD.format("wheel", str(folder)))
    (path,) = folder.glob("*.whl")
    return path


def install(wheel: Path, site: Path, extra: str = "") -> None:
    """Unpack the wheel, and link the installed packages that it declares and what they need."""
    with ZipFile(wheel) as file:
        file.extractall(site)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + project["optional-dependencies"].get(extra, [])
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
            source = Path(str(package.locate_file(name)))  # an egg-info lists its setup.py too
            if name != "__pycache__" and source.exists() and not (site / name).exists():
                (site / name).symlink_to(source)


def run_at(site: Path, script: str, cwd: Path = ROOT) -> str:
    """Run a script where nothing but the content of `site` is installed; what it prints."""
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_scores_compares_and_checks_cards_where_it_alone_is_installed(wheel, tmp_path):
    site = tmp_path / "site"
    install(wheel, site)
    shipped = {path.name for path in site.glob("gavs_benchmark-*/**/*")}
    assert {"LICENSE", "CITATION.cff", "schema.json"} <= shipped
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
    said = run_at(site, RUN.format(site=str(site), commands=commands))
    assert "miou                     1.0000" in said


def test_somebodys_masks_become_a_row_a_page_and_a_latex_line_where_the_wheel_alone_is_installed(
    wheel, tmp_path
):
    install(wheel, tmp_path / "site")
    build(tmp_path / "avs", WorldConfig(clips={"v1m": {"train": 1, "val": 1, "test": 4}}))
    with (tmp_path / "avs/metadata.csv").open() as file:
        tested = [row["uid"] for row in csv.DictReader(file) if row["split"] == "test"]
    for uid in tested:
        (tmp_path / "theirs" / uid).mkdir(parents=True)
        for path in (tmp_path / "avs/v1m" / uid / "labels_rgb").iterdir():
            lit = np.asarray(Image.open(path).convert("RGB")).any(-1)
            Image.fromarray(lit).convert("L").save(tmp_path / "theirs" / uid / path.name)
    params = (ROOT / "profiles/paper.yaml").read_text()
    for text, other in (
        ("data/AVSBench-semantic", "avs"),
        ("vggss: data/VGG-SS", "vggss:"),
        ("  vggsound:\n    root: data/VGG-Sound\n    list: train\n", ""),
    ):
        assert params.count(text) == 1
        params = params.replace(text, other)
    (tmp_path / "params.yaml").write_text(params)
    said = run_at(tmp_path / "site", IMPORTED, tmp_path)
    assert "20 frames of v1m/test, masks" in said
    assert r"LaTeX: theirs & 100.00 & [100.00, 100.00] \\" in said
    page = tmp_path / "work/paper/imported/theirs/v1m-train-seed0.html"
    assert page.read_text().count("<audio") == page.read_text().count(".jpg") == 4


def test_the_wheel_predicts_where_the_extra_train_is_installed(wheel, tmp_path):
    install(wheel, tmp_path / "site", "train")
    said = run_at(tmp_path / "site", TRAINED.format(site=str(tmp_path / "site")))
    assert "usage: python -m gavs" in said and "predict" in said
