"""The code of docs/library.md, one block after the other, on four clips of a new world."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cli
from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.world import build
from gavs import load_model, read_image, read_sound
from gavs.__main__ import main
from gavs.checkpoint import read_checkpoint, write_checkpoint

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/library.md").read_text()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The shipped weights and four labelled clips, as the working directory."""
    config = WorldConfig(seed=79, clips={"v1s": {"train": 1, "val": 1, "test": 4}}, off_screen=0)
    build(tmp_path / "world", config)
    labelled = [p for p in (tmp_path / "world/v1s").iterdir() if (p / "labels_rgb/4.png").exists()]
    for name, source in zip("abcd", sorted(labelled), strict=False):
        shutil.copytree(source, tmp_path / "clips" / name)
        (tmp_path / f"clips/{name}/labels_rgb").rename(tmp_path / f"clips/{name}/masks")
    shutil.copytree(ROOT / "weights/miniature", tmp_path / "weights/miniature")
    (tmp_path / "weights/models").mkdir()
    header, trained = read_checkpoint(tmp_path / "weights/miniature/gavs.safetensors")  # of V2
    header.origin["trained on"] = "v1s/train"
    write_checkpoint(tmp_path / "weights/models/gavs-v1s.safetensors", header, trained)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_code_predicts_learns_and_shares(folder):
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
        if "probabilities" in names:
            probabilities = names.pop("probabilities")
            assert probabilities.shape[0] == 5 and np.ptp(probabilities) > 0.5
    frames, sounds, masks = (names[name] for name in ("frames", "sounds", "masks"))
    assert len(frames) == len(sounds) == 4

    def error(name: str) -> float:
        model = load_model(name)
        pairs = zip(frames, sounds, masks, strict=True)
        return float(np.mean([np.abs(model(f, s) - m).mean() for f, s, m in pairs]))

    assert error("mine.safetensors") < 0.9 * error("weights/models/gavs-v1s.safetensors")
    assert error("shared") == error("mine.safetensors")
    learning = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    assert len([line for line in learning.splitlines() if line.strip()]) <= 11


def test_the_pages_commands_are_commands(folder, capsys):
    """Those of `gavs` run; the suite's, whose rows would train for minutes, are understood."""
    lines = [
        line.split("  #")[0]
        for code in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in code.splitlines()
    ]
    assert len(lines) == 13
    for line in lines:
        program, *arguments = shlex.split(line)[2:]
        if program == "gavs":
            assert main(arguments) == 0
        else:
            assert cli.main(arguments) == 1  # no project here; 2: no such command or option
    told = capsys.readouterr()
    assert "20 masks of 4 clips" in told.out
    assert told.err.count("error: params.yaml") == 9 and "predicted" in told.err
    maps = [np.load(path) for path in sorted((folder / "out/probabilities/b").iterdir())]
    model = load_model("gavs", "v1s")
    images = [read_image(folder / f"clips/b/frames/{k}.jpg") for k in range(5)]
    np.testing.assert_array_equal(maps, model(images, read_sound(folder / "clips/b/audio.wav")))
