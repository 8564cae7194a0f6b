"""LU-AVS (Liu et al., CVPR 2024) cut into clips of AVSBench-semantic's layout.

Its licence is cc-by-4.0. Public are seg_{train,val,test}.json, by video `fps` and `annotations`,
each with a `segment` of [first, last] frame in which a `label` sounds, and two archives: the videos
and their masks. How the masks lie in their archive is described nowhere public; expected is a
folder per video, of its name, at any depth, with images whose names end in the frame's number.

Of each video the ten seconds are taken in which most seconds sound, the earliest of equals; with
them everything that reads V2's clips reads these. A frame in which nothing sounds has a black mask.
Where several labels sound at once the whole mask has the first one's colour, since the masks'
values aren't described either; what is scored here is binary.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.files import write_atomic
from benchmarks.common.workers import worker_pool
from benchmarks.data.files import read_labels
from benchmarks.data.index import DataError
from benchmarks.data.masks import voc_palette
from benchmarks.data.video import by_name, check_videos, jpeg, sample_window, wav
from gavs.media import INSTANT, MediaError
from gavs.reading import shown
from splits.tables import COLUMNS, SPLITS

SECONDS = 10  # of a clip: V2's
IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
Segments = tuple[tuple[int, int, str], ...]  # first and last frame, label


@dataclass(frozen=True)
class _Clip:
    """Ten seconds of a video, and where they go."""

    video: Path
    masks: Path  # folder of the video's masks
    folder: Path  # of the clip
    start: int  # seconds
    fps: float
    segments: Segments
    colours: Mapping[str, int]  # number of each label
    first_number: int  # in the name of the first frame's mask

    @property
    def audio(self) -> Path:
        """Path of its last file: where it is there, the clip is finished."""
        return self.folder / "audio.wav"


def convert_lu_avs(
    videos: Path, annotations: Path, out: Path, workers: int = 1, first_number: int = 0
) -> None:
    """Write clips, label2idx.json and, last, metadata.csv under `out`; what is there is kept,
    unless it was made with another `first_number`, which first_mask.txt tells.

    Args:
        videos: folder of the videos, in any subfolders.
        annotations: folder with seg_train.json, seg_val.json, seg_test.json and, in any
            subfolders, a folder of masks per video.
        first_number: number in the file name of the first frame's mask.

    Raises:
        DataError: all that is missing or wrong, clip by clip; no metadata.csv is written then.
    """
    listed = {split: _read(annotations / f"seg_{split}.json") for split in SPLITS}
    labels = sorted(
        {label for videos in listed.values() for s, _ in videos.values() for *_, label in s}
    )
    colours = {"background": 0} | {label: number for number, label in enumerate(labels, 1)}
    check_videos(videos)
    files, problems = by_name(sorted(p for p in videos.rglob("*") if not p.is_dir()), str)
    folders: dict[str, Path] = {}
    lowest: dict[str, int] = {}
    named = {name for table in listed.values() for name in table}
    for path in sorted(annotations.rglob("*")):
        if path.name in named and path.is_dir() and (numbers := _numbered(path)):
            lowest[path.name] = min(numbers)
            if folders.setdefault(path.name, path) is not path:
                besides = folders[path.name]
                problems.append(f"{path}: second masks of {path.name}, besides {besides}")
    if problems:
        raise DataError(problems)
    rows, jobs = [], []
    for split, table in listed.items():
        for name, (segments, fps) in table.items():
            lacking = [
                k for k, there in (("video", files), ("masks", folders)) if name not in there
            ]
            if lacking or not segments:
                what = " and ".join(lacking) or "segment in which it sounds"
                problems.append(f"{name} ({split}): no {what}")
                continue
            sounding = first_number + min(first for first, *_ in segments)
            if lowest[name] not in (first_number, sounding):  # silent frames may have no mask
                problems.append(
                    f"{shown(folders[name])}: its lowest number is {lowest[name]}, expected "
                    f"{first_number} as --first-mask says, or {sounding}, where it first sounds"
                )
                continue
            start = densest(segments, fps)
            uid = f"{name}_{1000 * start}_{1000 * (start + SECONDS)}"
            heard = "_".join(sorted({label for *_, label in segments}))
            minutes, seconds = divmod(start, 60)
            rows.append([name, uid, minutes, seconds, heard, split, "v2"])
            folder = out / "v2" / uid
            jobs.append(
                _Clip(
                    files[name], folders[name], folder, start, fps, segments, colours, first_number
                )
            )
    if problems and len(problems) == sum(map(len, listed.values())):
        raise DataError(problems)
    _start_anew(out, f"{first_number}\n")
    with worker_pool(workers) as pool:
        todo = [job for job in jobs if not job.audio.is_file()]
        results = tqdm(pool.map(_convert, todo), "converting", len(todo), disable=None)
        problems += [problem for problem in results if problem]
    if problems:
        remedy = "repair them, or take the videos out of seg_*.json: a smaller set is never silent"
        raise DataError(problems, remedy)
    write_atomic(out / "label2idx.json", json.dumps(colours, indent=1) + "\n")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    write_atomic(out / "metadata.csv", text.getvalue())


def _start_anew(out: Path, first_number: str) -> None:
    """Forget the finished clips unless a note says that they were made with this number."""
    note = out / "first_mask.txt"
    if note.is_file() and note.read_bytes() == first_number.encode():
        return
    for path in (out / "metadata.csv", *out.glob("v2/*/audio.wav")):
        path.unlink(missing_ok=True)
    write_atomic(note, first_number)


def densest(segments: Segments, fps: float) -> int:
    """Second at which the ten seconds begin of which most sound, the earliest of equals."""
    last = int(max(end for _, end, _ in segments) / fps)
    sounding = [bool(sounding_at(segments, fps, second)) for second in range(last + 1)]
    starts = range(max(1, last + 2 - SECONDS))
    return max(starts, key=lambda start: (sum(sounding[start : start + SECONDS]), -start))


def sounding_at(segments: Segments, fps: float, second: int) -> list[str]:
    """Labels that sound at the frame of a second, the one that AVSBench would take."""
    frame = int((second + INSTANT) * fps)
    return [label for first, end, label in segments if first <= frame <= end]


def _read(path: Path) -> dict[str, tuple[Segments, float]]:
    """Segments and frame rate of each video of a list.

    Raises:
        DataError: it isn't of the layout above.
    """
    expected = "expected {video: {fps, annotations: [{segment: [first, last], label}]}}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): (
                tuple(_segment(entry) for entry in video["annotations"]),
                _positive(video["fps"]),
            )
            for name, video in content.items()
        }
    except FileNotFoundError:
        raise DataError([f"{shown(path)}: missing"]) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError([f"{shown(path)}: {reason}; {expected}"]) from None


def _segment(entry: Mapping[str, Any]) -> tuple[int, int, str]:
    first, last = (int(number) for number in entry["segment"])
    label = re.sub(r"[^a-z0-9]+", "-", str(entry["label"]).lower()).strip("-")
    if not 0 <= first <= last or not label:
        raise ValueError(f"segment {entry['segment']} of label {entry['label']!r}")
    return first, last, label


def _positive(fps: Any) -> float:
    if not 1 <= float(fps) <= 1000:
        raise ValueError(f"fps {fps}")
    return float(fps)


def _convert(clip: _Clip) -> str | None:
    """Write one clip; the reason if it can't be. In a worker process."""
    try:
        numbers = _numbered(clip.masks)
        frames, sound = sample_window(clip.video, clip.start, SECONDS)
        for second, frame in enumerate(frames):
            heard = sounding_at(clip.segments, clip.fps, clip.start + second)
            mask = _mask(clip, numbers, second, heard, frame.shape[:2])
            write_atomic(clip.folder / f"labels_rgb/{second}.png", mask)
            write_atomic(clip.folder / f"frames/{second}.jpg", jpeg(frame))
        write_atomic(clip.audio, wav(sound))
    except (MediaError, FileNotFoundError) as error:
        return str(error)
    return None


def _numbered(folder: Path) -> dict[int, Path]:
    """Images of a folder by the number at the end of their name."""
    images = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGES]
    matches = [(re.search(r"(\d+)$", path.stem), path) for path in sorted(images)]
    return {int(match[1]): path for match, path in matches if match}


def _mask(
    clip: _Clip,
    numbers: Mapping[int, Path],
    second: int,
    heard: Sequence[str],
    shape: tuple[int, int],
) -> bytes:
    """PNG of a second's mask in the first label's colour; black where nothing sounds.

    Raises:
        MediaError: no mask, or one of another size than the frame.
    """
    lit = np.zeros(shape, bool)
    if heard:
        number = int((clip.start + second + INSTANT) * clip.fps) + clip.first_number
        if number not in numbers:
            raise MediaError(f"{shown(clip.masks)}: no image numbered {number}, where it sounds")
        lit = read_labels(numbers[number]) > 0
        if lit.shape != shape:
            sizes = f"{lit.shape[1]} x {lit.shape[0]}, its frame {shape[1]} x {shape[0]}"
            raise MediaError(f"{shown(numbers[number])}: {sizes}")
    colour = voc_palette(len(clip.colours))[clip.colours[heard[0]] if heard else 0]
    content = io.BytesIO()
    Image.fromarray((lit[..., None] * colour).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()
