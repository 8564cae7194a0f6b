"""Unlabelled VGG-Sound clips as rows of the clip index: what localisers learn from.

On disk: {list}.txt, the ids that are learned from, one per line; frames/{id}.jpg, the frame in the
middle of the 10 s clip; audio/{id}.wav, the whole clip. Videos disappear from YouTube, so clips of
a published list will be missing. Which ones is written to {list}_missing.txt, to be named in
data.vggsound.exclude: a smaller training set is never silent.
"""

import logging
from collections.abc import Collection

import pandas as pd

from benchmarks.common.files import write_atomic
from benchmarks.data.config import VGGSoundParams
from benchmarks.data.index import ClipFiles, DataError, open_clips
from benchmarks.data.vggss import FRAME_SECOND, SECONDS, clip_paths
from splits.files import SplitError
from splits.tables import rank
from splits.vggsound import overlap, read_list, without_tests

log = logging.getLogger(__name__)


def read_vggsound(
    params: VGGSoundParams, tests: Collection[str] = (), workers: int = 1, progress: bool = False
) -> pd.DataFrame:
    """Index of a VGG-Sound training list, every frame and WAV opened once.

    Rows come in the list's order. The columns are `read_vggss`'s: no boxes, no classes, supervision
    none, and split val for whole videos that are held out, else train.

    Args:
        tests: VGG-SS's ids.

    Raises:
        DataError: what is wrong in a list, missing, undecodable or of a wrong length, or no more
            clips than are held out.
    """
    root, what = params.root, f"{params.list}.txt"
    if "{" in str(root):
        raise DataError([f"{root}: a brace in the path would be taken for the frame's place"])
    try:
        listed = read_list(root / what)
        excluded = set(read_list(root / f"{params.exclude}.txt") if params.exclude else ())
    except SplitError as error:
        raise DataError(error.problems) from error
    shared = overlap(what, listed, list(tests))
    log.info(
        "%s: VGG-SS tests %d of its %d clips, and %d clips of its videos; %s",
        *(what, len(shared.identical), len(listed), len(shared.clips)),
        "these videos are left out" if params.exclude_tests else "they are LEARNED FROM",
    )
    files = without_tests(listed, tests) if params.exclude_tests else listed
    uids = [file for file in files if file not in excluded]
    if excluded:
        log.info("%s: %d of %d clips excluded", what, len(files) - len(uids), len(files))
    _refuse_missing(params, uids, excluded)
    held_out = _held_out(uids, params)
    frames, audio = zip(*(clip_paths(root, file) for file in uids), strict=True)
    clips = [
        ClipFiles(file, [frame], [], sound, SECONDS)
        for file, frame, sound in zip(uids, frames, audio, strict=True)
    ]
    try:
        facts = open_clips(clips, "data.vggsound.exclude", "checking VGG-Sound", workers, progress)
    except DataError as error:
        advice = "Repair the files, or leave their clips out by a list."
        if 2 * len(error.uids) <= len(clips):  # else it's the path that is wrong
            advice += f" {_list_missing(params, {*excluded, *error.uids})}"
        raise DataError(error.problems, advice) from error
    return pd.DataFrame(
        {
            "uid": uids,
            "video": [file[:11] for file in uids],
            "benchmark": "vggsound",
            "split": ["val" if file[:11] in held_out else "train" for file in uids],
            "classes": "",
            "frames": 1,
            **facts,
            "frame_path": [str(path) for path in frames],
            "mask_path": "",
            "audio_path": [str(path) for path in audio],
            "supervision": "none",
            "second": FRAME_SECOND,
            "boxes": "",
        }
    )


def _refuse_missing(params: VGGSoundParams, files: list[str], excluded: set[str]) -> None:
    """Refuse missing files before anything is decoded: thousands may be missing."""
    folders = (params.root / "frames", ".jpg"), (params.root / "audio", ".wav")
    lost = [f"{folder}: no such folder" for folder, _ in folders if not folder.is_dir()]
    if lost:
        raise DataError(lost)
    complete = set.intersection(*({p.stem for p in f.glob(f"*{kind}")} for f, kind in folders))
    missing = [file for file in files if file not in complete]
    if missing:
        raise DataError(
            [
                f"{params.root}: {len(missing)} of {len(files)} clips of {params.list}.txt have no "
                f"frame or no sound, {missing[0]} first; "
                f"{_list_missing(params, {*excluded, *missing})}"
            ]
        )


def _list_missing(params: VGGSoundParams, files: set[str]) -> str:
    """Write them, thousands perhaps, into a list that can be excluded; what to do with it."""
    name = f"{params.list}_missing"
    path = params.root / f"{name}.txt"
    try:
        write_atomic(path, "".join(f"{file}\n" for file in sorted(files)))
    except OSError as error:
        return f"{path} should list them, but {error.strerror}"
    return f"{path} lists them: to learn without them, set data.vggsound.exclude to {name}"


def _held_out(files: list[str], params: VGGSoundParams) -> set[str]:
    """Videos in a shuffled order, until they have `val_clips` clips."""
    counts = pd.Series([file[:11] for file in files], dtype=str).value_counts()
    order = sorted(counts.index, key=lambda video: rank("vggsound", params.seed, video))
    before = counts[order].cumsum() - counts[order]
    held_out = set(before.index[before < params.val_clips])
    if len(held_out) == len(order):
        raise DataError(
            [f"{params.list}.txt: {len(files)} clips, but data.vggsound.val_clips holds out all"]
        )
    return held_out
