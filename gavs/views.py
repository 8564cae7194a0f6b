"""A frame, its mask and its mask logits in a method's own geometry, on its grid of G x G cells.

`sam`: the frame's longest side fills the square, the rest is padding below or on the right.
`squash`: the frame fills the square, whatever its sides.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gavs.sam import input_size, postprocess, valid_cells

Geometry = Literal["sam", "squash"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalised(pixels: Tensor) -> Tensor:
    """Squashed frames (n, 3, S, S), 0 to 255, by ImageNet's statistics."""
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255
    return (pixels - mean) / std


def shown_cells(size: tuple[int, int], geometry: Geometry, grid: int) -> Tensor:
    """Cells that show a frame of this size (H, W): 1, and 0 in the padding, (G, G)."""
    return valid_cells(size, grid) if geometry == "sam" else torch.ones(grid, grid)


def on_grid(mask: np.ndarray, geometry: Geometry, grid: int) -> Tensor:
    """Share of a mask's (H, W) lit pixels in each cell, (G, G) uint8 of 255."""
    cells = torch.from_numpy(mask)[None, None].float()
    if geometry == "sam":
        side = max(cells.shape)
        cells = F.pad(cells, (0, side - cells.shape[3], 0, side - cells.shape[2]))
    return (F.interpolate(cells, (grid, grid), mode="area")[0, 0] * 255).round().byte()


def to_native(logits: Tensor, size: tuple[int, int], geometry: Geometry, sam_side: int) -> Tensor:
    """Mask logits (n, G, G) at the frames' own size (H, W), bilinear: (n, H, W).

    Args:
        sam_side: of SAM's input square, in pixels; `squash` doesn't use it.
    """
    if geometry == "sam":
        return postprocess(logits[:, None], input_size(size, sam_side), size)[:, 0]
    return F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]
