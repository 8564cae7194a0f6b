"""VGG-SS as rows of the clip index: one frame a clip, scored against boxes.

On disk: vggss.json (hche11/Localizing-Visual-Sounds-the-Hard-Way), frames/{file}.jpg, the frame in
the middle of the 10 s clip, and audio/{file}.wav, the whole clip. Clips that can't be had any more
must be named in data.vggss_exclude: a subset is a different test set, so it is never silent.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from benchmarks.data.files import SAMPLE_RATE, read_audio, read_frame, sha256
from benchmarks.data.index import AUDIO_TOLERANCE, DataError
from benchmarks.workers import worker_pool
from splits.vggss_boxes import SplitError, read_annotations

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
    excluded = set(exclude)
    unknown = sorted(excluded - set(clips.file))
    if unknown:
        path = root / "vggss.json"
        raise DataError(f"data.vggss_exclude: no clip {uid} in {path}" for uid in unknown)
    clips = clips[~clips.file.isin(excluded)].reset_index(drop=True)
    boxes = clips.boxes.map(json.dumps)
    frames = [root / "frames" / f"{file}.jpg" for file in clips.file]
    audio = [root / "audio" / f"{file}.wav" for file in clips.file]
    jobs = list(zip(frames, audio, boxes, strict=True))
    with worker_pool(workers) as pool:
        found = pool.map(_check_clip, jobs, chunksize=16)
        facts = list(tqdm(found, "checking VGG-SS", len(jobs), disable=None if progress else True))
    problems = [p for clip in facts for p in clip["problems"]]
    if problems:
        raise DataError(problems)
    return pd.DataFrame(
        {
            "uid": clips.file,
            "video": clips.file.str[:11],
            "benchmark": "vggss",
            "split": "test",
            "classes": clips.label,
            "frames": 1,
            "height": [clip["height"] for clip in facts],
            "width": [clip["width"] for clip in facts],
            "digest": [clip["digest"] for clip in facts],
            "frame_path": [str(path) for path in frames],
            "mask_path": "",
            "audio_path": [str(path) for path in audio],
            "supervision": "boxes",
            "second": FRAME_SECOND,
            "boxes": boxes,
        }
    )


def _check_clip(job: tuple[Path, Path, str]) -> dict:
    """Open both files of a clip; size, digest (with the boxes, its only labels), what is wrong."""
    frame, audio, boxes = job
    problems, (height, width) = [], (0, 0)
    try:
        height, width = read_frame(frame).shape[:2]
    except OSError as error:
        reason = f"can't be decoded ({error})" if frame.exists() else "missing"
        problems.append(f"{frame}: {reason}")
    try:
        length = len(read_audio(audio)) / SAMPLE_RATE
        if abs(length - SECONDS) > AUDIO_TOLERANCE:
            problems.append(f"{audio}: {length:.2f} s long, expected {SECONDS} s")
    except (OSError, RuntimeError, ValueError) as error:  # soundfile's error is a RuntimeError
        problems.append(f"{audio}: {error if audio.exists() else 'missing'}")
    digest = None if problems else sha256(frame, audio, boxes.encode())
    return {"problems": problems, "height": height, "width": width, "digest": digest}
