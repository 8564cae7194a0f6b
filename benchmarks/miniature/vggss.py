"""VGG-SS's part of the miniature world: another domain, with boxes, laid out as the real data.

vggss.json (a list of {file, class, bbox}), frames/{file}.jpg (the middle frame of a 10 s clip) and
audio/{file}.wav. Besides, world.json says what made the folder and scenes.csv has analysis columns.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common.files import write_atomic

from .clips import Clip, ClipKey, clip_keys, draw_clip
from .config import WorldConfig
from .folder import claimed, make_all, write_frame, write_sound
from .scenes import CLASSES, Frame

MIDDLE = 5  # seconds into the clip
FLAWS = ("negative", "huge", "thin", "reversed")  # of boxes, all in the released file
_LOOKS = {"plain": "plain", "stripes": "striped", "checker": "checkered", "dots": "spotted"}
_SOUNDS = {
    **{"disc": "swelling", "square": "ticking", "triangle": "gliding"},
    **{"star": "plucking", "plus": "wailing", "ring": "warbling"},
}


def label_of(name: str) -> str:
    """Label of a class in VGG-SS's manner: a noun and what it does."""
    shape, texture = name.split("-")
    return f"{_LOOKS[texture]} {shape} {_SOUNDS[shape]}"


def build_vggss(
    root: Path,
    avs_root: Path | None,
    config: WorldConfig,
    workers: int = 1,
    index: Path | None = None,
) -> None:
    """Write VGG-SS's part of a world into `root`; the same bytes whatever `workers`.

    Files appear whole or not at all and finished ones stay, so a killed build goes on where it
    stopped. A world of another configuration, or made by other code, is replaced, and
    the `index` made from it is removed first. AVSBench's part in `avs_root` isn't read, though a
    few video ids are those of its V2 clips.

    Raises:
        FileExistsError: `root` holds files but no world.
        OSError: naming a file that the disk has no room for.
        ValueError: `root` is `avs_root`, or the configuration has no clips for it.
    """
    if avs_root is not None and root.resolve() == avs_root.resolve():
        raise ValueError(f"{root}: AVSBench's part is there; VGG-SS needs another folder")
    outputs = ["vggss.json", "frames", "audio"]
    with claimed(root, config, ("v2", "vggss"), __name__, outputs, index):
        _build(root, config, workers)


def _build(root: Path, config: WorldConfig, workers: int) -> None:
    for name in ("frames", "audio"):
        (root / name).mkdir(exist_ok=True)
    rows = make_all(_make_clip, root, config, clip_keys(config, ["vggss"]), workers, "VGG-SS")
    entries, scenes = (list(part) for part in zip(*rows, strict=True))
    write_atomic(root / "scenes.csv", pd.DataFrame(scenes).to_csv(index=False, lineterminator="\n"))
    # Last, since readers take a world with this file for complete.
    write_atomic(root / "vggss.json", json.dumps(entries) + "\n")


def middle_frame(clip: Clip) -> Frame:
    """Render the frame that VGG-SS annotates."""
    return clip.scene.frame(np.random.default_rng([clip.noise, 0]), MIDDLE)


def write_clip(root: Path, parts: Path, clip: Clip) -> None:
    """Write frames/{file}.jpg and audio/{file}.wav, unless they are there."""
    picture, sound = root / "frames" / f"{clip.file}.jpg", root / "audio" / f"{clip.file}.wav"
    if not picture.exists():
        write_frame(parts / picture.name, middle_frame(clip).image)
        (parts / picture.name).rename(picture)
    if not sound.exists():
        write_sound(parts / sound.name, clip.waveform())
        (parts / sound.name).rename(sound)


def boxes_of(frame: Frame, clip: Clip) -> list[list[float]]:
    """Boxes [xmin, ymin, xmax, ymax] in 0..1 around the visible pixels of sounding things."""
    boxes = []
    for visible, loud in zip(frame.visible, clip.sounding(MIDDLE), strict=True):
        if loud:
            edges = [np.flatnonzero(visible.any(axis))[[0, -1]] for axis in (0, 1)]  # x, y
            (left, right), (top, bottom) = np.array(edges).tolist()
            corners = np.array([left, top, right + 1, bottom + 1])
            boxes.append((corners / len(visible)).tolist())
    return boxes


def _make_clip(task: tuple[Path, Path, WorldConfig, ClipKey]) -> tuple[dict, dict]:
    """Write a clip's files; returns its entry of vggss.json and its row of scenes.csv."""
    root, parts, config, key = task
    clip = draw_clip(config, key)
    write_clip(root, parts, clip)
    boxes, flaw = boxes_of(middle_frame(clip), clip), "none"
    before = int(config.flawed * key.number)  # so many clips before this one are flawed
    if int(config.flawed * (key.number + 1)) > before:
        flaw = FLAWS[before % len(FLAWS)]
        boxes = _spoil(boxes, flaw)
    entry = {"file": clip.file, "class": label_of(CLASSES[clip.heard[0].label]), "bbox": boxes}
    return entry, {"uid": clip.file, **clip.facts, "flaw": flaw}


def _spoil(boxes: list[list[float]], flaw: str) -> list[list[float]]:
    """Give boxes a flaw of FLAWS."""
    (left, top, right, bottom), *rest = boxes
    match flaw:
        case "negative":
            return [[left, -0.004, right, bottom], *rest]
        case "huge":
            return [[-2.9e16, top, right, bottom], *rest]
        case "thin":  # a second box without width
            return [*boxes, [right, top, right, bottom]]
        case "reversed":  # nothing is left
            return [[right, bottom, left, top]]
    raise ValueError(f"no flaw {flaw!r}")
