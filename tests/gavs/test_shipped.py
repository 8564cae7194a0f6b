"""The miniature's GAVS in weights/miniature, on clips of a world that it has never seen."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.miniature.config import WorldConfig
from benchmarks.miniature.world import build
from tests.gavs.files import run

ROOT = Path(__file__).parents[2]
SECONDS = range(5)


def test_it_segments_out_of_the_box_and_listens(tmp_path, monkeypatch):
    """A third of the object on average among silent rivals, and less when another clip is heard."""
    monkeypatch.chdir(ROOT)  # the checkpoint names its encoders from there
    world = tmp_path / "world"
    build(world, WorldConfig(seed=77, clips={"v2": {"train": 1, "val": 1, "test": 12}}))
    clips = sorted((world / "v2").iterdir())
    own, others = (
        np.mean([iou(clip, heard, tmp_path / f"{clip.name}-{heard.name}") for clip, heard in pairs])
        for pairs in (zip(clips, order, strict=True) for order in (clips, clips[7:] + clips[:7]))
    )
    assert own > 0.3 and own > others + 0.05


def iou(clip: Path, heard: Path, out: Path) -> float:
    """Mean over a clip's frames, by the masks that the command writes."""
    images = [clip / f"frames/{second}.jpg" for second in SECONDS]
    assert run("--checkpoint", "weights/miniature/gavs.safetensors", "--image", *images,
               "--audio", heard / "audio.wav", "--out", out) == 0  # fmt: skip
    values = []
    for second in SECONDS:
        truth = np.asarray(Image.open(clip / f"labels_rgb/{second}.png").convert("RGB")).any(-1)
        mask = np.asarray(Image.open(out / f"masks/{second}.png")) > 0
        union = (mask | truth).sum()
        values.append((mask & truth).sum() / union if union else 1.0)
    return np.mean(values)
