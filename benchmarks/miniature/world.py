"""AVSBench's part of the miniature world, laid out on disk as AVSBench-semantic.

The layout is that of OpenNLPLab/AVSBench, `avss`: metadata.csv, label2idx.json and
{v1s,v1m,v2}/{uid}/ with frames/{k}.jpg, labels_rgb/{k}.png and audio.wav. Besides, world.json says
what made the folder and scenes.csv has analysis columns.
"""

import json
import shutil
from pathlib import Path

import pandas as pd

from benchmarks.common.files import write_atomic
from benchmarks.data.masks import voc_palette

from .clips import HOME, SECONDS, Clip, ClipKey, clip_keys, draw_clip
from .config import AVSBENCH, WorldConfig
from .folder import claimed, make_all, write_frame, write_mask, write_sound


def build(root: Path, config: WorldConfig, workers: int = 1, index: Path | None = None) -> None:
    """Write AVSBench's part of a world into `root`; the same bytes whatever `workers`.

    Clips appear whole or not at all and finished ones stay, so a killed build goes on where it
    stopped. A world of another configuration, or made by other code, is replaced, and
    the `index` made from it is removed first.

    Raises:
        FileExistsError: `root` holds files but no world.
        OSError: naming a file that the disk has no room for.
    """
    outputs = ["metadata.csv", *AVSBENCH]
    with claimed(root, config, AVSBENCH, __name__, outputs, index):
        _build(root, config, workers)


def _build(root: Path, config: WorldConfig, workers: int) -> None:
    rows = make_all(_make_clip, root, config, clip_keys(config, AVSBENCH), workers, "the world")
    metadata, scenes = (pd.DataFrame(list(part)) for part in zip(*rows, strict=True))
    label2idx = {name: index for index, name in enumerate(("background", *HOME))}
    write_atomic(root / "label2idx.json", json.dumps(label2idx, indent=1) + "\n")
    write_atomic(root / "scenes.csv", scenes.to_csv(index=False, lineterminator="\n"))
    # Last, since readers take a world with this file for complete. The release has no last newline.
    table = metadata.to_csv(index=False, lineterminator="\n").rstrip("\n")
    write_atomic(root / "metadata.csv", table)


def _make_clip(task: tuple[Path, Path, WorldConfig, ClipKey]) -> tuple[dict, dict]:
    """Write a clip unless it is there; returns its rows of metadata.csv and scenes.csv."""
    root, parts, config, key = task
    clip = draw_clip(config, key)
    folder = root / key.benchmark / clip.uid
    if not all(path.is_file() for path in _files(folder, key)):
        shutil.rmtree(folder, ignore_errors=True)
        part = parts / clip.uid
        _write_clip(part, clip)
        folder.parent.mkdir(exist_ok=True)
        part.rename(folder)
    metadata = {
        "vid": clip.vid,
        "uid": clip.uid,
        "s_min": clip.start // 60,
        "s_sec": clip.start % 60,
        "a_obj": clip.classes,
        "split": key.split,
        "label": key.benchmark,
    }
    return metadata, {"uid": clip.uid, **clip.facts}


def _files(folder: Path, key: ClipKey) -> list[Path]:
    """Paths of all files of a clip."""
    seconds = range(SECONDS[key.benchmark])
    return [
        folder / "audio.wav",
        *(folder / "frames" / f"{second}.jpg" for second in seconds),
        *(folder / "labels_rgb" / f"{second}.png" for second in seconds),
    ]


def _write_clip(folder: Path, clip: Clip) -> None:
    """Write all files of a clip into a folder that isn't there yet."""
    folder.mkdir()
    (folder / "frames").mkdir()
    (folder / "labels_rgb").mkdir()
    palette = voc_palette(len(HOME) + 1)
    for second, (frame, mask) in enumerate(clip.frames()):
        write_frame(folder / "frames" / f"{second}.jpg", frame.image)
        write_mask(folder / "labels_rgb" / f"{second}.png", palette[mask])
    write_sound(folder / "audio.wav", clip.waveform())
