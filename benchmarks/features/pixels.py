"""The frame as methods with a backbone of their own see it: squashed to a square."""

from typing import Any

import numpy as np

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_frame
from gavs import images


def squash(clip: Any, number: int, size: int) -> np.ndarray:
    """A frame of a clip, a row of the clip index, as (3, size, size) uint8."""
    return images.squash(read_frame(clip_file(clip, "frame", number)), size)
