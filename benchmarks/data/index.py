"""The clip index: one row per clip, made by a reader that has opened every file of it.

Readers make it, everything else consumes it, nothing else walks folders. Columns:

uid, video, benchmark, split, classes ("a_b"), frames, height, width,
second (of the clip, at which its first frame lies),
frame_path, mask_path (of `files.frame_file`), audio_path (WAV, or log-mels: .pkl), boxes (JSON, in
place of a mask),
supervision (first_frame: only frame 0 may be learned from; all; boxes; none: no labels),
digest (sha256 of all its files),
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
from benchmarks.data.files import audio_problem
from gavs.reading import shown
from splits.files import SplitError, read_table, shortened

log = logging.getLogger(__name__)

_WORDS, _COUNT = r".+", r"[1-9]\d{0,6}"
INDEX = {  # what the columns of index.csv hold, as expressions
    "uid": _WORDS,
    "video": r".{11}",
    "benchmark": "v1s|v1m|v2|vggss|vggsound",
    "split": "train|val|test",
    "classes": r".*",
    "frames": _COUNT,
    "height": _COUNT,
    "width": _COUNT,
    "digest": r"[0-9a-f]{64}",
    "second": r"\d{1,3}",
    "boxes": r"(\[.*\])?",
    "frame_path": _WORDS,
    "mask_path": r".*",
    "audio_path": _WORDS,
    "supervision": "first_frame|all|boxes|none",
}


class DataError(ValueError):
    """Broken data: one message that lists every file with its reason, printable.

    Args:
        advice: what mends these problems, where that isn't said in each.
        uids: of the broken clips.
    """

    def __init__(
        self, problems: str | Iterable[str], advice: str = "", uids: Sequence[str] = ()
    ) -> None:
        self.problems = [shown(p) for p in ([problems] if isinstance(problems, str) else problems)]
        self.advice, self.uids = advice, uids
        lines = [f"{len(self.problems)} problem(s) in the data:", *self.problems]
        super().__init__("\n  ".join(lines) + (f"\n{advice}" if advice else ""))


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
    """height, width and digest of each clip, in order.

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
        advice = f"Repair the files, or leave their clips out by params.yaml: {exclude_key}."
        if 2 * len(uids) <= len(clips):  # else it's the path that is wrong
            advice += f" These are:\n  {exclude_key}: {json.dumps(uids)}"
        raise DataError(lines, advice, uids)
    return pd.DataFrame(facts, columns=["height", "width", "digest"])


def _open_clip(clip: ClipFiles) -> dict[str, Any]:
    files = [*clip.frames, *clip.masks]
    lost = {_missing_folder(path.parent) for path in (*files, clip.audio)} - {None}
    if lost:
        return {"problems": [f"{folder}: no such folder" for folder in sorted(lost)]}
    problems, sizes = [], {}
    for number, path in enumerate(files):
        try:
            with Image.open(path) as image:
                image.load()
                sizes[path] = image.size
                if number >= len(clip.frames) and clip.mask_problem:
                    problems += [f"{path}: {p}" for p in [clip.mask_problem(image)] if p]
        except FileNotFoundError:
            counts = f"{len(clip.frames)} frames, {len(clip.masks)} masks"
            problems.append(f"{path}: missing; {clip.uid} must have {counts}")
        except (OSError, SyntaxError, ValueError) as error:  # a broken PNG is a SyntaxError
            problems.append(f"{path}: can't be decoded ({error})")
    width, height = next(iter(sizes.values()), (0, 0))
    problems += [
        f"{path}: {size[0]}x{size[1]} pixels, but {files[0].name} has {width}x{height}"
        for path, size in sizes.items()
        if size != (width, height)
    ]
    if problem := audio_problem(clip.audio, clip.seconds):
        problems.append(problem)
    digest = None if problems else sha256(*files, clip.audio, clip.boxes.encode())
    return {"problems": problems, "height": height, "width": width, "digest": digest}


def _missing_folder(folder: Path) -> Path | None:
    """The folder, or the first above it, that isn't there."""
    lost = None
    while not folder.is_dir():
        lost, folder = folder, folder.parent
    return lost


def _index_problems(index: pd.DataFrame) -> list[str]:
    """What no reader has written; the table is all text."""
    problems = [] if len(index) else ["no clips"]
    twice = index.uid[index.duplicated(["benchmark", "uid"])]
    problems += [f"uid {uid} twice" for uid in twice]
    for column, pattern in INDEX.items():
        wrong = index[~index[column].str.fullmatch(pattern)]
        problems += [
            f"uid {uid}: {column} {value!r:.80}, expected {pattern}"
            for uid, value in zip(wrong.uid, wrong[column], strict=True)
        ]
    return problems


def write_index(index: pd.DataFrame) -> bytes:
    return index.to_csv(index=False, lineterminator="\n").encode()


def load_index(path: Path) -> pd.DataFrame:
    """What `write_index` wrote.

    Raises:
        DataError: no such file, or not a clip index: damaged, or of an older version.
    """
    if not path.is_file():
        raise DataError([f"{path}: no such file; make it with `python -m benchmarks data`"])
    try:
        problems = _index_problems(read_table(path, INDEX))
    except SplitError as error:
        problems = [p.removeprefix(f"{path}: ") for p in error.problems]
    if problems:
        advice = "A damaged clip index: make it again with `python -m benchmarks data`."
        raise DataError([f"{path}: {p}" for p in shortened(problems)], advice)
    index = pd.read_csv(path, dtype={"uid": str, "video": str}, keep_default_na=False)
    strings = index.select_dtypes("str").columns
    return index.astype(dict.fromkeys(strings, object))  # iterates ten times faster than str
