"""Resizing as Pillow and torch's `antialias` do: bilinear over all pixels that one covers."""

from functools import lru_cache
from typing import Any

import numpy as np

ROWS = 8  # of the result that are made together: few products are with weights of 0


def resize(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize maps (N, H, W) float32 bilinearly, with antialiasing where they shrink."""
    if maps.shape[1:] == size:
        return maps
    down = np.concatenate([w @ maps[:, a:b] for a, b, w in _weights(maps.shape[1], size[0])], 1)
    across = [down[:, :, a:b] @ w.T for a, b, w in _weights(maps.shape[2], size[1])]
    return np.concatenate(across, 2)


def nearest(masks: Any, size: tuple[int, int]) -> Any:
    """Resize masks (N, H, W) to the pixels nearest to the new ones' centres."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for old, new in zip(masks.shape[1:], size, strict=True)
    )
    return masks[:, rows][:, :, columns]


@lru_cache(maxsize=64)
def _weights(old: int, new: int) -> list[tuple[int, int, np.ndarray]]:
    """Blocks of new pixels: first and last of the old ones they are made of, weights (new, old)."""
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(1 - distance, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    blocks = []
    for start in range(0, new, ROWS):
        block = weights[start : start + ROWS]
        used = np.flatnonzero(block.any(0))
        blocks.append(
            (used[0], used[-1] + 1, np.ascontiguousarray(block[:, used[0] : used[-1] + 1]))
        )
    return blocks
