"""A folder of generated clips: whose it is, and clips that appear whole or not at all."""

import json
import logging
import shutil
import tempfile
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.closure import project
from benchmarks.common.files import write_json
from benchmarks.common.workers import worker_pool

from .config import Benchmark, WorldConfig
from .sounds import RATE

BY_VALUE = ("benchmarks.common", "benchmarks.miniature.config")  # where the makers' closures end
log = logging.getLogger(__name__)


def claim(
    root: Path,
    config: WorldConfig,
    needs: Sequence[Benchmark],
    maker: str,
    owned: Sequence[str],
) -> None:
    """Leave in `root` nothing but clips of this very world, and say so in world.json.

    Args:
        needs: the benchmarks whose numbers of clips matter here.
        maker: the module that writes this folder; an edit of its code makes another world.
        owned: what a build writes here, relative to `root`; first what marks it as complete.

    Raises:
        FileExistsError: `root` holds files but no world.
    """
    clips = {name: config.clips[name] for name in needs if name in config.clips}
    identity = {
        "config": config.model_copy(update={"clips": clips}).model_dump(mode="json"),
        "code": project().checksum((maker,), BY_VALUE),
    }
    stamp = root / "world.json"
    if stamp.exists():
        if json.loads(stamp.read_text()) != identity:
            log.info("%s holds another world: replacing it", root)
            for name in owned:
                if (root / name).is_dir():
                    shutil.rmtree(root / name)
                else:
                    (root / name).unlink(missing_ok=True)
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


def make_all(
    make: Callable[[tuple], Any],
    root: Path,
    config: WorldConfig,
    jobs: Sequence[Any],
    workers: int,
    what: str,
) -> list[Any]:
    """`make((root, parts, config, job))` of each job, in order; `parts` is for half-made files."""
    if not jobs:
        raise ValueError(f"world.clips: no clips, so there is nothing to make {what} of")
    parts = Path(tempfile.mkdtemp(prefix=".parts-", dir=root))
    tasks = [(root, parts, config, job) for job in jobs]
    with worker_pool(workers) as pool:
        made = pool.map(make, tasks, chunksize=8)
        rows = list(tqdm(made, f"making {what}", len(tasks), unit="clip", disable=None))
    parts.rmdir()
    return rows


def read_world(root: Path) -> WorldConfig:
    """The configuration of the world in a folder."""
    return WorldConfig.model_validate(json.loads((root / "world.json").read_text())["config"])


def write_frame(path: Path, image: np.ndarray) -> None:
    """(S, S, 3) uint8 RGB as JPEG."""
    Image.fromarray(image).save(path, quality=95, subsampling=0)


def write_sound(path: Path, samples: np.ndarray) -> None:
    """(n,) float32 in [-1, 1] as 16-bit mono WAV at 16 kHz."""
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE)
        audio.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
