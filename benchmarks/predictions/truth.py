"""Tests as they are here: what sounds in each scored frame, by the clips' masks or boxes."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.data.clip_files import clip_file
from benchmarks.data.index import DataError, load_index
from benchmarks.features.layout import frames_checksum
from benchmarks.grid.clip_sets import ClipSets
from benchmarks.params import Params
from benchmarks.predictions.card_check import Tested, TestedClip
from benchmarks.predictions.submission import TESTS, data_checksum
from benchmarks.scoring.decoding import read_mask
from benchmarks.scoring.frames import scored_frames
from splits.vggss_boxes import rasterise


def tests_of(params: Params, benchmarks: Iterable[str]) -> dict[str, Tested]:
    """The tests of benchmarks by "profile benchmark", as far as the clip index has them.

    Raises:
        ClipFileError, ScoreError: a mask isn't the one that was indexed, or can't be read.
    """
    index, tests = load_index(params.shared / "index.csv"), {}
    sets, whole = ClipSets(params, index), frames_checksum(index)
    per_clip = params.scoring.frames_per_clip
    for benchmark in benchmarks:
        try:
            clips = sets[TESTS[benchmark].clips]
        except DataError:  # data without this benchmark
            continue
        here = {
            clip.uid: TestedClip(
                clip.video,
                clip.classes,
                {n: _pixels(clip, n) for n in scored_frames(clip.frames, per_clip)},
            )
            for clip in clips.itertuples()
        }
        tests[f"{params.profile} {benchmark}"] = Tested(data_checksum(clips), whole, here)
    return tests


def truth_of(clip: Any, number: int) -> np.ndarray:
    """What sounds in a frame, (H, W) bool.

    Args:
        clip: a row of the clip index.

    Raises:
        ClipFileError, ScoreError: its mask isn't the one that was indexed, or can't be read.
    """
    if clip.boxes:
        return rasterise(json.loads(clip.boxes))
    return read_mask(clip_file(clip, "mask", number))


def _pixels(clip: Any, number: int) -> dict[str, int]:
    """Counts of a frame's truth that a card has too."""
    truth = truth_of(clip, number)
    target = {"target": int(truth.sum())}
    return target if clip.boxes else target | {"pixels": truth.size}
