"""The miniature world on disk, in the layout of AVSBench-semantic (OpenNLPLab/AVSBench, `avss`).

metadata.csv, label2idx.json and {v1s,v1m,v2}/{uid}/ with frames/{k}.jpg, labels_rgb/{k}.png and
audio.wav. Besides, world.json says what made the folder and scenes.csv has analysis columns.
"""

import json
import logging
import shutil
import tempfile
import wave
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from benchmarks.data.files import sha256, write_atomic, write_json
from benchmarks.workers import worker_pool

from .clips import BENCHMARKS, Clip, Job, WorldConfig, draw_clip, jobs
from .scenes import CLASSES
from .sounds import RATE

_CODE = ("backgrounds.py", "clips.py", "scenes.py", "sounds.py", "world.py")
log = logging.getLogger(__name__)


def build(root: Path, config: WorldConfig, workers: int = 1) -> None:
    """Write the world of a configuration into `root`; the same bytes whatever `workers`.

    Clips appear whole or not at all and those that are there are kept, so a killed build goes on
    where it stopped. A world of another configuration, or made by other code, is replaced.

    Raises:
        FileExistsError: `root` holds files but no world.
    """
    parts = _claim(root, config)
    tasks = [(root, parts, config, job) for job in jobs(config)]
    with worker_pool(workers) as pool:
        made = pool.map(_make_clip, tasks, chunksize=8)
        rows = list(tqdm(made, "making the world", len(tasks), unit="clip", disable=None))
    parts.rmdir()
    metadata, scenes = (pd.DataFrame(list(part)) for part in zip(*rows, strict=True))
    label2idx = {name: index for index, name in enumerate(("background", *CLASSES))}
    write_atomic(root / "label2idx.json", json.dumps(label2idx, indent=1) + "\n")
    write_atomic(root / "scenes.csv", scenes.to_csv(index=False, lineterminator="\n"))
    # Last, since whoever finds it takes the world for complete; the release ends without a newline.
    table = metadata.to_csv(index=False, lineterminator="\n").rstrip("\n")
    write_atomic(root / "metadata.csv", table)


def voc_palette(count: int) -> np.ndarray:
    """(count, 3) uint8 colours of PASCAL VOC: each 3 bits of the index are a bit of R, G and B."""
    index = np.arange(count)[:, None] >> np.arange(3)  # the bits of each channel, 3 apart
    return sum(((index >> 3 * k) & 1) << (7 - k) for k in range(8)).astype(np.uint8)


def read_world(root: Path) -> WorldConfig:
    """The configuration of the world in a folder."""
    return WorldConfig.model_validate(json.loads((root / "world.json").read_text())["config"])


def _claim(root: Path, config: WorldConfig) -> Path:
    """Leave in `root` nothing but clips of this very world; a folder for clips being written."""
    here = Path(__file__).parent
    identity = {
        "config": config.model_dump(mode="json"),
        "code": sha256(*(here / name for name in _CODE)),
    }
    stamp = root / "world.json"
    if stamp.exists():
        if json.loads(stamp.read_text()) != identity:
            log.info("%s holds another world: replacing it", root)
            for name in BENCHMARKS:
                shutil.rmtree(root / name, ignore_errors=True)
            (root / "metadata.csv").unlink(missing_ok=True)
    elif root.exists() and any(root.iterdir()):
        raise FileExistsError(
            f"{root}: not empty and without world.json, so no miniature world; name another folder"
        )
    write_json(stamp, identity)
    # What a killed build left is moved before it is deleted, so that a worker that outlived that
    # build can't put half a clip in place.
    trash = Path(tempfile.mkdtemp(prefix=".stale-", dir=root))
    for left in root.glob(".parts-*"):
        left.rename(trash / left.name)
    for stale in root.glob(".stale-*"):
        shutil.rmtree(stale)
    return Path(tempfile.mkdtemp(prefix=".parts-", dir=root))


def _make_clip(task: tuple[Path, Path, WorldConfig, Job]) -> tuple[dict, dict]:
    """Write a clip unless it is there; its rows of metadata.csv and scenes.csv."""
    root, parts, config, job = task
    clip = draw_clip(config, job)
    folder = root / job.benchmark / clip.uid
    if not folder.exists():
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
        "split": job.split,
        "label": job.benchmark,
    }
    return metadata, {"uid": clip.uid, **clip.facts}


def _write_clip(folder: Path, clip: Clip) -> None:
    folder.mkdir()
    (folder / "frames").mkdir()
    (folder / "labels_rgb").mkdir()
    palette = voc_palette(len(CLASSES) + 1)
    for second, (frame, mask) in enumerate(clip.frames()):
        picture = Image.fromarray(frame.image)
        picture.save(folder / "frames" / f"{second}.jpg", quality=95, subsampling=0)
        Image.fromarray(palette[mask]).save(folder / "labels_rgb" / f"{second}.png")
    with wave.open(str(folder / "audio.wav"), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE)
        audio.writeframes(np.round(clip.waveform() * 32767).astype("<i2").tobytes())
