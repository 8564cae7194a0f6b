"""The frame as methods with a backbone of their own see it: squashed to a square."""

import numpy as np
from PIL import Image


def squash(frame: np.ndarray, size: int) -> np.ndarray:
    """RGB frame (H, W, 3) uint8 as a square, (3, size, size) uint8, bilinear."""
    image = Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)
