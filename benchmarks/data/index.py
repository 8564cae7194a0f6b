"""The clip index: one row a clip, made by a reader that has opened every file of it.

Readers make it, everything else consumes it, nothing else walks folders. Columns:

uid, video, benchmark, split, classes ("a_b"), frames, height, width,
second (of the clip, at which its first frame lies),
frame_path, mask_path (of `files.frame_file`), audio_path (WAV, or log-mels: .pkl), boxes (JSON, in
place of a mask),
supervision (first_frame: only frame 0 may be learned from; all; boxes; none: no labels),
digest (sha256 of all its files), checksums (of each frame, mask and the audio, in order),
world (whose clip it is, by `world_of`; empty for real data),
and whatever analysis columns the data set brings (`scenes.csv` of the miniature world).
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image
from tqdm import tqdm

from benchmarks.common.files import sha256
from benchmarks.common.workers import worker_pool
from benchmarks.data.clip_files import LENGTH, ClipFileError, file_digests
from benchmarks.data.files import audio_problem
from gavs.images import open_image
from gavs.reading import MediaError, shown

log = logging.getLogger(__name__)


class DataError(ValueError):
    """Broken data: one message that lists every file with its reason.

    Args:
        leave_out: what to write into params.yaml to go on without the broken clips.
        uids: of the broken clips.
    """

    def __init__(
        self, problems: Iterable[str], leave_out: str = "", uids: Sequence[str] = ()
    ) -> None:
        self.problems, self.leave_out, self.uids = list(problems), leave_out, uids
        super().__init__(
            f"{len(self.problems)} problem(s) in the data:\n  "
            + "\n  ".join(self.problems)
            + "\nRepair the files, or leave their clips out by params.yaml: data.exclude, "
            "data.vggss_exclude or the list that data.vggsound.exclude names."
            + (f" These are:\n  {leave_out}" if leave_out else "")
        )


class ClipFiles(NamedTuple):
    """What a reader opens of a clip."""

    uid: str
    frames: list[Path]
    masks: list[Path]
    audio: Path
    seconds: int  # of sound
    mask_problem: Callable[[Image.Image], str | None] | None = None  # of a decoded mask
    boxes: str = ""  # JSON


def open_clips(
    clips: Sequence[ClipFiles], exclude_key: str, what: str, workers: int, progress: bool
) -> pd.DataFrame:
    """height, width, digest and checksums of each clip, in order.

    Raises:
        DataError: all that is missing, truncated, of a wrong size or length, or not finite.
    """
    with worker_pool(workers) as pool:
        found = pool.map(_open_clip, clips, chunksize=16)
        facts = list(tqdm(found, what, len(clips), disable=None if progress else True))
    problems = Counter(p for clip in facts for p in clip["problems"])
    if problems:
        uids = [c.uid for c, fact in zip(clips, facts, strict=True) if fact["problems"]]
        lines = (p if n == 1 else f"{p}, needed by {n} clips" for p, n in problems.items())
        few = 2 * len(uids) <= len(clips)  # else it's the path that is wrong
        raise DataError(lines, f"{exclude_key}: {json.dumps(uids)}" if few else "", uids)
    return pd.DataFrame(facts, columns=["height", "width", "digest", "checksums"])


def _open_clip(clip: ClipFiles) -> dict[str, Any]:
    files = [*clip.frames, *clip.masks]
    lost = {_missing_folder(path.parent) for path in (*files, clip.audio)} - {None}
    if lost:
        return {"problems": [f"{folder}: no such folder" for folder in sorted(lost)]}
    problems, sizes = [], {}
    for number, path in enumerate(files):
        try:
            image = open_image(path)
            sizes[path] = image.size
            if number >= len(clip.frames) and clip.mask_problem:
                problems += [f"{shown(path)}: {p}" for p in [clip.mask_problem(image)] if p]
        except FileNotFoundError:
            counts = f"{len(clip.frames)} frames, {len(clip.masks)} masks"
            problems.append(f"{path}: missing; {clip.uid} must have {counts}")
        except MediaError as error:
            problems.append(str(error))
    width, height = next(iter(sizes.values()), (0, 0))
    problems += [
        f"{path}: {size[0]}x{size[1]} pixels, but {files[0].name} has {width}x{height}"
        for path, size in sizes.items()
        if size != (width, height)
    ]
    if problem := audio_problem(clip.audio, clip.seconds):
        problems.append(problem)
    facts = {"problems": problems, "height": height, "width": width}
    return facts if problems else facts | file_digests([*files, clip.audio], clip.boxes)


def _missing_folder(folder: Path) -> Path | None:
    """The folder, or the first above it, that isn't there."""
    lost = None
    while not folder.is_dir():
        lost, folder = folder, folder.parent
    return lost


def write_index(index: pd.DataFrame) -> bytes:
    return index.to_csv(index=False, lineterminator="\n").encode()


def world_of(root: Path) -> str:
    """The miniature world in a folder, as "ROOT@CHECKSUM of its world.json"; "" for real data."""
    stamp = root / "world.json"
    return f"{root}@{sha256(stamp)[:LENGTH]}" if stamp.is_file() else ""


def load_index(path: Path) -> pd.DataFrame:
    """Read the clip index.

    Raises:
        DataError: it is missing.
        ClipFileError: it was made from another world than the folder holds now.
    """
    if not path.is_file():
        raise DataError([f"{path}: no such file; make it with `python -m benchmarks data`"])
    index = pd.read_csv(path, dtype={"uid": str, "video": str}, keep_default_na=False)
    again = "`python -m benchmarks data` makes it again"
    if "checksums" not in index:
        raise ClipFileError(f"{path}: was made by an older version of the code; {again}")
    for world in index.world.unique() if "world" in index else ():
        root = Path(world.rpartition("@")[0])
        if world and world_of(root) != world:
            raise ClipFileError(f"{path}: {root} holds another world than the index's; {again}")
    strings = index.select_dtypes("str").columns
    return index.astype(dict.fromkeys(strings, object))  # iterates ten times faster than str
