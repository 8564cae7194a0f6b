"""VGG-SS as rows of the clip index: one frame per clip, scored against boxes.

On disk: vggss.json (hche11/Localizing-Visual-Sounds-the-Hard-Way), frames/{file}.jpg, the frame in
the middle of the 10 s clip, and audio/{file}.wav, the whole clip. Clips that can't be had any more
must be named in data.vggss_exclude: a subset is a different test set, so it is never silent.
scenes.csv of the miniature world beside vggss.json has a row per clip (`scenes.add_scenes`).
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.data.index import ClipFiles, DataError, listed_otherwise, open_clips
from benchmarks.data.scenes import add_scenes
from splits.files import SplitError
from splits.vggss_boxes import read_annotations

SECONDS = 10
FRAME_SECOND = 5  # the annotated frame lies at 5.0 s
log = logging.getLogger(__name__)


def read_vggss(
    root: Path, exclude: Iterable[str] = (), workers: int = 1, progress: bool = False
) -> pd.DataFrame:
    """Index of VGG-SS, every frame and WAV opened once; repaired boxes are logged.

    Besides the index's columns: `second` (of the frame in its clip) and `boxes` (JSON list of
    [xmin, ymin, xmax, ymax] in 0..1; "[]" where no box of the clip is usable).

    Args:
        root: the folder with vggss.json, frames/ and audio/.
        exclude: files (uids) of vggss.json to leave out.

    Raises:
        DataError: all that is wrong in vggss.json, or missing, undecodable or of a wrong length.
    """
    if "{" in str(root):
        raise DataError([f"{root}: a brace in the path would be taken for the frame's place"])
    try:
        clips, repairs = read_annotations(root / "vggss.json")
    except SplitError as error:
        raise DataError(error.problems) from error
    for repair in repairs:
        log.info("vggss.json: %s", repair)
    known, excluded = set(clips.file), set(exclude)
    unknown = sorted(excluded - known)
    if unknown:
        path = root / "vggss.json"
        raise DataError(f"data.vggss_exclude: no clip {uid} in {path}" for uid in unknown)
    clips = clips[~clips.file.isin(excluded)].reset_index(drop=True)
    boxes = clips.boxes.map(json.dumps)
    frames, audio = zip(*(clip_paths(root, file) for file in clips.file), strict=True)
    files = [
        ClipFiles(uid, [frame], [], sound, SECONDS, boxes=text)
        for uid, frame, sound, text in zip(clips.file, frames, audio, boxes, strict=True)
    ]
    facts = open_clips(files, "data.vggss_exclude", "checking VGG-SS", workers, progress)
    index = pd.DataFrame(
        {
            "uid": clips.file,
            "video": clips.file.str[:11],
            "benchmark": "vggss",
            "split": "test",
            "classes": clips.label,
            "frames": 1,
            **facts,
            "frame_path": [str(path) for path in frames],
            "mask_path": "",
            "audio_path": [str(path) for path in audio],
            "supervision": "boxes",
            "second": FRAME_SECOND,
            "boxes": boxes,
        }
    )
    return add_scenes(index, root, known, "vggss.json")


def indexed_annotations(root: Path, index: pd.DataFrame) -> pd.DataFrame:
    """Columns file, label, boxes, empty of the indexed clips.

    Raises:
        SplitError: what is wrong in vggss.json.
        DataError: it isn't the one that was indexed.
    """
    path, clips = root / "vggss.json", index[index.benchmark == "vggss"]
    annotations, _ = read_annotations(path)
    annotations = annotations[annotations.file.isin(clips.uid)].reset_index(drop=True)
    columns = {"classes": annotations.label, "boxes": annotations.boxes.map(json.dumps)}
    listed_otherwise(path, clips, annotations.assign(uid=annotations.file), columns)
    return annotations


def clip_paths(root: Path, file: str) -> tuple[Path, Path]:
    """A clip's frame and sound."""
    return root / "frames" / f"{file}.jpg", root / "audio" / f"{file}.wav"
