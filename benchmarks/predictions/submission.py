"""A folder of predictions against the clip index: each scored frame of the test once, no other.

What is wrong with a folder is one error that names the files, before anything is decoded.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.common.files import sha256
from benchmarks.predictions.layouts import FileNames, likely
from benchmarks.scoring.decoding import PREDICTIONS, list_files
from benchmarks.scoring.frames import scored_frames
from gavs.reading import shown
from splits.files import shortened

log = logging.getLogger(__name__)


class SubmissionError(ValueError):
    """A folder that isn't the predictions of a test; one message that lists all that is wrong."""


class Test(NamedTuple):
    """A test that predictions can be of, as the cells of its table are."""

    table: str
    setting: str
    evaluation: str
    clips: str  # name of the clip set


TESTS = {
    **{b: Test("table1", "train", "test", f"{b}/test") for b in ("v1s", "v1m", "v2")},
    "v3": Test("table2", "0-shot", "unseen", "v3/unseen"),
    "vggss": Test("table3", "0-shot", "vggss", "vggss/all"),
}


def files_of(
    folder: Path, layout: FileNames, clips: pd.DataFrame, index: pd.DataFrame, per_clip: int | None
) -> dict[tuple[str, int], Path]:
    """The file of every scored frame, by clip and frame, in the order of `clips`.

    A clip is named by its uid, or by its video where that has one clip. Frames that aren't scored
    may be there and aren't read.

    Args:
        clips: rows of the clip index that are tested.
        index: all rows, to say what a file is of that is none of these.
        per_clip: scored frames of a clip; None: all.

    Raises:
        SubmissionError: a scored frame lacks a file or has two, a file is of no tested clip or of
            a frame that its clip hasn't.
        ScoreError, FileNotFoundError: as `list_files`.
    """
    listed = list_files(folder, PREDICTIONS)
    names = _names(clips)
    frames = dict(zip(clips.uid, clips.frames, strict=True))
    files: dict[tuple[str, int], list[str]] = defaultdict(list)
    strangers, beyond = [], []
    past: set[tuple[str, int]] = set()
    for name in listed:
        place = layout.place(name)
        uid = names.get(place[0]) if place else None
        if place is None or uid is None:
            strangers.append(name)
        elif not 0 <= place[1] < frames[uid]:
            beyond.append(f"{shown(name)}: frame {place[1]} of {uid}, which has {frames[uid]}")
            past.add((uid, place[1]))
        else:
            files[uid, place[1]].append(name)
    scored = [(uid, f) for uid, n in frames.items() for f in scored_frames(n, per_clip)]
    missing = [f"{uid} frame {frame}: missing" for uid, frame in scored if not files[uid, frame]]
    twice = [
        f"{uid} frame {frame}: twice, {' and '.join(map(shown, names))}"
        for (uid, frame), names in files.items()
        if len(names) > 1
    ]
    problems = _strange(strangers, layout, clips, index) + shortened(beyond) + shortened(twice)
    if len(missing) == len(scored):
        problem = f"none of the {len(scored)} frames of the test is there"
        if found := {frame for (_, frame), names in files.items() if names}:
            wanted = {frame for _, frame in scored}
            problem += f"; counted from 0, found are {_some(found)}, expected {_some(wanted)}"
        problems.append(problem)
    elif missing:
        problems += [f"{len(missing)} of {len(scored)} frames are missing:", *shortened(missing)]
    if past and past == {(uid, n) for uid, n in frames.items() if not files[uid, 0]}:
        problems.append("its frames look numbered from 1; expected from 0")
    if problems:
        raise SubmissionError(
            "\n  ".join([f"{folder}: not the predictions of this test:", *problems])
        )
    if extra := len(listed) - len(scored):
        log.info("%s: %d frames that aren't scored here are left out", folder, extra)
    return {place: listed[files[place][0]] for place in scored}


def content_checksum(paths: Sequence[Path]) -> str:
    """Checksum of the files' contents in this order."""
    return sha256("".join(sha256(path) for path in paths).encode())


def data_checksum(clips: pd.DataFrame) -> str:
    """Checksum of what is tested: its clips, their classes, and the contents of their files."""
    columns = ["uid", "video", "classes", "frames", "digest", "boxes"]
    table = clips.sort_values("uid")[columns]
    return sha256(table.to_csv(index=False, lineterminator="\n").encode())


def _some(numbers: set[int]) -> str:
    """The lowest numbers of frames as text."""
    first = ", ".join(map(str, sorted(numbers)[:10]))
    return first + (", …" if len(numbers) > 10 else "")


def _names(clips: pd.DataFrame) -> dict[str, str]:
    """Uids by the names that a clip goes by."""
    counts = Counter(clips.video)
    once = {v: uid for v, uid in zip(clips.video, clips.uid, strict=True) if counts[v] == 1}
    return once | {uid: uid for uid in clips.uid}


def _strange(
    strangers: list[str], layout: FileNames, clips: pd.DataFrame, index: pd.DataFrame
) -> list[str]:
    """What files are that are of no tested clip."""
    if not strangers:
        return []
    by_name = {name: row for row in index.itertuples() for name in (row.video, row.uid)}
    tested = clips.groupby("video").uid.first()
    elsewhere: dict[str, list[str]] = defaultdict(list)
    problems, unknown = [], []
    for name in strangers:
        place = layout.place(name)
        if place and place[0] in tested:
            problems.append(
                f"{shown(name)}: of a video with several clips; expected a clip's name, e.g. "
                f"{tested[place[0]]}"
            )
        elif place and place[0] in by_name:
            row = by_name[place[0]]
            elsewhere[f"{row.benchmark} {row.split}"].append(name)
        else:
            unknown.append(name)
    problems = shortened(problems) + [
        f"{len(names)} files of clips of {where}, e.g. {shown(names[0])}; "
        "only those of the test belong here"
        for where, names in elsewhere.items()
    ]
    if unknown:
        others = likely(unknown[:100], by_name.__contains__)
        remedy = f"; they look as --layout {' or '.join(others)} has them" if others else ""
        example = shown(unknown[0])
        problems.append(f"{len(unknown)} files of no indexed clip, e.g. {example}{remedy}")
    return problems
