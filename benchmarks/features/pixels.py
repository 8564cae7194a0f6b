"""The frame as methods with a backbone of their own see it: squashed to a square."""

from typing import Any

import numpy as np
from PIL import Image

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_frame


def squash(clip: Any, number: int, size: int) -> np.ndarray:
    """A frame of a clip, a row of the clip index, as (3, size, size) uint8."""
    frame = Image.fromarray(read_frame(clip_file(clip, "frame", number)))
    image = frame.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)
