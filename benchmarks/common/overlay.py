"""A mask over its frame: hits, false alarms and misses in three colours."""

import numpy as np

# They differ in lightness as well as in hue: told apart, and from grey, with any colour vision.
COLOURS = {"hit": "#0072B2", "false alarm": "#D55E00", "miss": "#F0E442"}
OPACITY = 0.75


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """IoU of two masks (H, W) as in the tables: without truth, the share left dark."""
    if not truth.any():
        return float((~predicted).mean())
    return float((predicted & truth).sum() / (predicted | truth).sum())


def colour_mask(frame: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Colour hits, false alarms and misses over the frame in dim grey: (H, W, 3) in 0..1."""
    grey = 0.15 + 0.55 * frame.mean(-1, keepdims=True) / 255
    image = np.repeat(grey, 3, axis=-1)
    areas = (predicted & truth, predicted & ~truth, ~predicted & truth)
    for area, colour in zip(areas, COLOURS.values(), strict=True):
        rgb = np.array([*bytes.fromhex(colour[1:])]) / 255
        image[area] = (1 - OPACITY) * image[area] + OPACITY * rgb
    return image
