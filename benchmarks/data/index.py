"""The clip index: one row per clip, made by a reader that has opened every file of it.

Readers make it, everything else consumes it, nothing else walks folders. Columns:

uid, video, benchmark, split, classes ("a_b"), frames, height, width,
second (of the clip, at which its first frame lies),
frame_path, mask_path (of `files.frame_file`), audio_path (WAV, or log-mels: .pkl), boxes (JSON, in
place of a mask),
supervision (first_frame: only frame 0 may be learned from; all; boxes; none: no labels),
digest (sha256 of all its files), checksums (of each frame, mask and the audio, in order),
world (whose clip it is, by `world_of`; empty for real data), seal (of index.csv
alone, see `write_index`),
and whatever analysis columns the data set brings (`scenes.csv` of the miniature world).
"""

import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from benchmarks.common.files import sha256
from benchmarks.common.workers import worker_pool
from benchmarks.data.clip_files import LENGTH, ClipFileError, file_digests
from benchmarks.data.files import audio_problem
from benchmarks.data.masks import inverted
from gavs.images import open_image
from gavs.reading import MediaError, shown
from splits.files import SplitError, read_text, shortened

log = logging.getLogger(__name__)
INVERTED = 0.01  # share of clips whose masks look inverted; more, and it's no true mask's odd shape
SEAL = "seal"  # column of index.csv: the checksum of all others, in every row


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
    """Files of a clip that a reader opens."""

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

    Masks that look inverted are logged; in more than `INVERTED` of the clips they are a problem.

    Raises:
        DataError: all that is missing, truncated, of a wrong size or length, or not finite.
    """
    with worker_pool(workers) as pool:
        opened = pool.map(_open_clip, clips, chunksize=16)
        facts = list(tqdm(opened, what, len(clips), disable=None if progress else True))
    odd = [fact for fact in facts if fact["inverted"]]
    if len(odd) > INVERTED * len(clips):
        for fact in odd:
            fact["problems"] += fact["inverted"]
    elif odd:
        masks = [line for fact in odd for line in fact["inverted"]]
        log.warning("\n".join([f"{len(masks)} masks taken as they are:", *shortened(masks)]))
    problems = Counter(p for clip in facts for p in clip["problems"])
    if problems:
        uids = [c.uid for c, fact in zip(clips, facts, strict=True) if fact["problems"]]
        lines = (p if n == 1 else f"{p}, needed by {n} clips" for p, n in problems.items())
        advice = f"Repair the files, or leave their clips out by params.yaml: {exclude_key}."
        if 2 * len(uids) <= len(clips):  # else it's the path that is wrong
            advice += f" These are:\n  {exclude_key}: {json.dumps(uids)}"
        raise DataError(lines, advice, uids)
    return pd.DataFrame(facts, columns=["height", "width", "digest", "checksums"])


def _open_clip(clip: ClipFiles) -> dict[str, Any]:
    files = [*clip.frames, *clip.masks]
    folders = {path.parent for path in (*files, clip.audio)}
    lost = {missing for folder in folders if (missing := _missing_folder(folder))}
    if lost:
        lines = [f"{folder}: no such folder" for folder in sorted(lost)]
        return {"problems": lines, "inverted": []}
    problems, odd, sizes = [], [], {}
    for number, path in enumerate(files):
        try:
            image = open_image(path)
            sizes[path] = image.size
            if number >= len(clip.frames) and clip.mask_problem:
                if problem := clip.mask_problem(image):
                    problems.append(f"{shown(path)}: {problem}")
                elif inverted(np.asarray(np.asarray(image.convert("RGB")).any(-1))):
                    odd.append(f"{shown(path)}: looks inverted: lit all round an unlit part")
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
    facts = {"problems": problems, "inverted": odd, "height": height, "width": width}
    return facts if problems else facts | file_digests([*files, clip.audio], clip.boxes)


def _missing_folder(folder: Path) -> Path | None:
    """The folder, or the first above it, that isn't there."""
    lost = None
    while not folder.is_dir():
        lost, folder = folder, folder.parent
    return lost


def listed_otherwise(
    path: Path, index: pd.DataFrame, listed: pd.DataFrame, columns: Mapping[str, pd.Series]
) -> None:
    """Refuse a data set's list that has changed since its clips were indexed.

    Args:
        path: of the list.
        index: the data set's rows.
        listed: the list's rows, by their `uid`.
        columns: of the index, as the list has them.

    Raises:
        DataError: a clip of the index that the list lacks, or another value.
    """
    problems = [f"lacks uid {uid}" for uid in index.uid[~index.uid.isin(listed.uid)]]
    by_uid = index.set_index("uid")
    for name, values in columns.items():
        expected = listed.uid.map(by_uid[name])
        wrong = expected.notna() & (expected != values)
        problems += [
            f"uid {uid}: {name} {value!r:.80}, but the clip index has {indexed!r:.80}"
            for uid, value, indexed in zip(
                listed.uid[wrong], values[wrong], expected[wrong], strict=True
            )
        ]
    if problems:
        advice = "Put back the list that was indexed, or run `python -m benchmarks data` again."
        raise DataError([f"{path}: {p}" for p in shortened(problems)], advice)


def write_index(index: pd.DataFrame) -> bytes:
    """The index as CSV, sealed with the checksum of its content."""
    content = index.to_csv(index=False, lineterminator="\n")
    return index.assign(**{SEAL: _seal(content)}).to_csv(index=False, lineterminator="\n").encode()


def world_of(root: Path) -> str:
    """The miniature world in a folder, as "ROOT@CHECKSUM of its world.json"; "" for real data."""
    stamp = root / "world.json"
    return f"{root}@{sha256(stamp)[:LENGTH]}" if stamp.is_file() else ""


def load_index(path: Path) -> pd.DataFrame:
    """Read what `write_index` wrote.

    Raises:
        DataError: no such file, damaged, edited, or of an older version.
        ClipFileError: it was made from another world than the folder holds now.
    """
    if not path.is_file():
        raise DataError([f"{path}: no such file; make it with `python -m benchmarks data`"])
    again = "make it again with `python -m benchmarks data`"
    try:
        header, *rows = read_text(path).removesuffix("\n").split("\n")
    except SplitError as error:
        raise DataError(error.problems, f"A damaged clip index: {again}.") from None
    seal = rows[0].rpartition(",")[2] if rows else ""
    content = "".join(
        f"{line.removesuffix(f',{end}')}\n"
        for line, end in ((header, SEAL), *((row, seal) for row in rows))
    )
    if not header.endswith(f",{SEAL}") or seal != _seal(content):
        why = "damaged, edited or of an older version: its content isn't what its seal says"
        raise DataError(f"{path}: {why}; {again}")
    types = {"uid": str, "video": str}
    index = pd.read_csv(io.StringIO(content), dtype=types, keep_default_na=False)
    for world in index.world.unique() if "world" in index else ():
        root = Path(world.rpartition("@")[0])
        if world and world_of(root) != world:
            raise ClipFileError(f"{path}: {root} holds another world than the index's; {again}")
    strings = index.select_dtypes("str").columns
    return index.astype(dict.fromkeys(strings, object))  # iterates ten times faster than str


def _seal(content: str) -> str:
    return sha256(content.encode())[:16]
