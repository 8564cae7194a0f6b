"""What a user of the library imports, and the README's lines of Python."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import gavs
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.world import build

ROOT = Path(__file__).parents[2]
HOMES = {
    "GAVS": "gavs.model",
    "GavsConfig": "gavs.configs.gavs",
    "Method": "gavs.method",
    "Predictor": "gavs.predictor",
    "build_sam": "gavs.sam",
    "build_vggish": "gavs.vggish",
    "load_model": "gavs.predictor",
    "read_image": "gavs.images",
    "read_sound": "gavs.sound",
}


@pytest.mark.parametrize("name", HOMES)
def test_a_public_name_is_its_modules(name):
    assert getattr(gavs, name).__module__ == HOMES[name]


def test_public_names_are_all_there_and_no_other():
    assert {*gavs.__all__} == {*HOMES, "METHODS"} and gavs.METHODS.get("gavs") is gavs.GAVS
    with pytest.raises(AttributeError, match="'gavs' has no attribute 'Predicter'"):
        gavs.Predicter  # noqa: B018


def test_importing_it_waits_for_no_torch():
    code = "import sys, gavs; from gavs import read_sound; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("command", ["gavs", "gavs-benchmark"])
def test_a_console_script_refuses_an_unknown_command(command):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    script = EntryPoint(command, project["scripts"][command], "console_scripts").load()
    with pytest.raises(SystemExit) as stopped:
        script(["no-such-command"])
    assert stopped.value.code == 2


def test_the_readmes_lines_find_what_sounds(tmp_path, monkeypatch):
    """On a clip of a world that the shipped weights have never seen."""
    config = WorldConfig(seed=78, clips={"v1s": {"train": 1, "val": 1, "test": 1}}, off_screen=0)
    build(tmp_path / "world", config)
    metadata = pd.read_csv(tmp_path / "world/metadata.csv", index_col="split")
    clip = tmp_path / "world/v1s" / metadata.uid["test"]
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    shutil.copytree(ROOT / "weights/miniature", tmp_path / "weights/miniature")
    shutil.copy(clip / "frames/0.jpg", tmp_path / "frame.jpg")
    shutil.copy(clip / "audio.wav", tmp_path / "sound.wav")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    truth = np.asarray(Image.open(clip / "labels_rgb/0.png").convert("RGB")).any(-1)
    probability = names["probability"]
    assert probability.shape == truth.shape
    assert probability[truth].mean() > 0.5 > probability[~truth].mean()
