from pathlib import Path

import pytest
import soundfile
from PIL import Image

from tests.gavs.files import make_method, noise, picture, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return write_checkpoint(tmp_path / "gavs.safetensors", make_method())


@pytest.fixture
def clip(tmp_path) -> Path:
    """AVSBench's layout: frames/{0..9}.jpg of 60 x 80 pixels and 10 s of audio.wav."""
    folder = tmp_path / "clip"
    (folder / "frames").mkdir(parents=True)
    for i in range(10):
        Image.fromarray(picture(60, 80, i)).save(folder / "frames" / f"{i}.jpg")
    soundfile.write(folder / "audio.wav", noise(10), 16_000)
    return folder
