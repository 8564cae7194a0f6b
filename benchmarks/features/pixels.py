"""The frame as methods with a backbone of their own see it: squashed to a square."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.data.files import read_frame


def squash(path: Path, size: int) -> np.ndarray:
    """(3, size, size) uint8."""
    image = Image.fromarray(read_frame(path)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)
