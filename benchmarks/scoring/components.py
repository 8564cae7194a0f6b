"""Connected components of a mask by its runs, whole arrays at a time."""

import numpy as np


def component_boxes(mask: np.ndarray) -> np.ndarray:
    """Boxes of a mask's components (H, W), whose pixels share a side or a corner.

    Returns (K, 4): top, bottom, left, right, the second and the last exclusive.
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).view(np.int8), axis=1)
    row, start = np.nonzero(edges > 0)  # runs of lit pixels, in order
    end = np.nonzero(edges < 0)[1]
    # Runs by place in one long line. Those of the next row that touch one follow each other.
    line = mask.shape[1] + 2
    below = (row + 1) * line
    first = np.searchsorted(row * line + end, below + start)
    last = np.searchsorted(row * line + start, below + end, side="right")
    touching = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(row)), touching)
    lower = np.arange(len(upper)) + np.repeat(first - np.cumsum(touching) + touching, touching)
    # Each run gets the number of the first run of its component: pairs that differ are joined at
    # their numbers, which are then followed to their ends.
    number = np.arange(len(row))
    while ((a := number[upper]) != (b := number[lower])).any():
        np.minimum.at(number, np.maximum(a, b), np.minimum(a, b))
        while ((further := number[number]) != number).any():
            number = further
    boxes = np.stack([row, row + 1, start, end], 1)
    np.maximum.at(boxes[:, 1], number, row + 1)
    np.minimum.at(boxes[:, 2], number, start)
    np.maximum.at(boxes[:, 3], number, end)
    return boxes[np.unique(number)]
