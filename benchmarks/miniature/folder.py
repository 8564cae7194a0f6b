"""Folder of generated clips: which world it holds, and clips that appear whole or not at all."""

import errno
import json
import logging
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.closure import project
from benchmarks.common.files import clear_parts, is_part, locked, write_json
from benchmarks.common.workers import worker_pool

from .clips import SECONDS, ClipKey
from .config import AVSBENCH, Benchmark, WorldConfig
from .sounds import RATE

BY_VALUE = ("benchmarks.common", "benchmarks.miniature.config")  # where the makers' closures end
BLOCK = 4096  # bytes of a disk that the smallest file takes
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
log = logging.getLogger(__name__)


@contextmanager
def claimed(
    root: Path,
    config: WorldConfig,
    needs: Sequence[Benchmark],
    maker: str,
    outputs: Sequence[str],
    index: Path | None,
) -> Iterator[None]:
    """Hold the lock of the world in `root`, and leave nothing but this world's clips in it.

    Args:
        needs: the benchmarks whose numbers of clips matter here.
        maker: the module that writes this folder; an edit of its code makes another world.
        outputs: what a build writes, relative to `root`; first the file that marks it complete.
        index: the clip index made from the world; removed before another world replaces it.

    Raises:
        FileExistsError: `root` holds files but no world.
    """
    with locked(root.with_name(f"{root.name}.lock"), f"the world in {root}"):
        paths = [*([index] if index else []), *map(root.joinpath, outputs)]
        _claim(root, config, needs, maker, paths)
        yield


def _claim(
    root: Path,
    config: WorldConfig,
    needs: Sequence[Benchmark],
    maker: str,
    outputs: Sequence[Path],
) -> None:
    """Remove the outputs of another world, in this order; write this one's world.json."""
    clips = {name: config.clips[name] for name in needs if name in config.clips}
    identity = {
        "config": config.model_copy(update={"clips": clips}).model_dump(mode="json"),
        "code": project().checksum((maker,), BY_VALUE),
    }
    stamp = root / "world.json"
    if stamp.exists():
        if json.loads(stamp.read_text()) != identity:
            log.info("%s holds another world: replacing it", root)
            for path in outputs:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
    elif root.exists() and not all(is_part(path) for path in root.iterdir()):
        raise FileExistsError(
            f"{root}: not empty and without world.json, so no miniature world; name another folder"
        )
    clear_parts(root)
    write_json(stamp, identity)
    # What a killed build left is moved before it is deleted, so that a worker that outlived that
    # build can't put half a clip in place.
    trash = Path(tempfile.mkdtemp(prefix=".stale-", dir=root))
    for parts in root.glob(".parts-*"):
        parts.rename(trash / parts.name)
    for stale in root.glob(".stale-*"):
        shutil.rmtree(stale)


def make_all(
    make: Callable[[tuple], Any],
    root: Path,
    config: WorldConfig,
    keys: Sequence[Any],
    workers: int,
    what: str,
) -> list[Any]:
    """Call `make((root, parts, config, key))` per key; returns the results in order.

    `parts` is a folder for half-made files.

    Raises:
        OSError: the disk has too little room, before or while clips are made.
        ValueError: no keys.
    """
    if not keys:
        raise ValueError(f"world.clips: no clips, so there is nothing to make {what} of")
    missing = sum(map(_bytes_of, [config] * len(keys), keys)) - _bytes_there(root)
    if missing > (free := shutil.disk_usage(root).free):
        raise OSError(_full(root, what, missing, free))
    parts = Path(tempfile.mkdtemp(prefix=".parts-", dir=root))
    tasks = [(root, parts, config, key) for key in keys]
    try:
        with worker_pool(workers) as pool:
            results = pool.map(make, tasks, chunksize=8)
            rows = list(tqdm(results, f"making {what}", len(tasks), unit="clip", disable=None))
    except OSError as error:
        if error.errno not in FULL:
            raise
        missing = max(missing, 0)
        full = _full(Path(error.filename), what, missing, shutil.disk_usage(root).free)
        raise OSError(f"{full} ({error.strerror})") from error
    parts.rmdir()
    return rows


def _bytes_of(config: WorldConfig, key: ClipKey) -> int:
    """Estimate the bytes of a clip's files: sound, and frames and masks at worst."""
    seconds = SECONDS[key.benchmark]
    frames = seconds if key.benchmark in AVSBENCH else 1
    return 2 * RATE * seconds + BLOCK + frames * (2 * BLOCK + config.size**2)


def _bytes_there(root: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def _full(path: Path, what: str, missing: int, free: int) -> str:
    return (
        f"{path}: {what} needs about {missing / 2**20:,.0f} MiB more, {free / 2**20:,.0f} MiB are "
        "free: free some, or name another disk in params.yaml (data); finished clips stay"
    )


def read_world(root: Path) -> WorldConfig:
    """Read the configuration of the world in a folder."""
    return WorldConfig.model_validate(json.loads((root / "world.json").read_text())["config"])


def write_mask(path: Path, colours: np.ndarray) -> None:
    """Write (S, S, 3) uint8 RGB as PNG."""
    with _naming(path):
        Image.fromarray(colours).save(path)


def write_frame(path: Path, image: np.ndarray) -> None:
    """Write (S, S, 3) uint8 RGB as JPEG."""
    with _naming(path):
        Image.fromarray(image).save(path, quality=95, subsampling=0)


def write_sound(path: Path, samples: np.ndarray) -> None:
    """Write (n,) float32 in [-1, 1] as 16-bit mono WAV at 16 kHz."""
    with _naming(path), wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE)
        audio.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the file's name to an error of the disk, which names none when a write fails."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
