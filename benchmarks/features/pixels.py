"""The frame as methods with a backbone of their own see it: squashed to a square."""

import numpy as np
from PIL import Image


def squash(frame: np.ndarray, size: int) -> np.ndarray:
    """A frame (H, W, 3) uint8 as (3, size, size) uint8."""
    image = Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)
