"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021) in plain torch.

After sections 4.1 and A.4 of the paper. The public code runs a custom CUDA kernel; `grid_sample`
computes the same on any device.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sine_position(height: int, width: int, dim: int) -> Tensor:
    """(h*w, dim): sines and cosines of the row in the first half, of the column in the second.

    Rows and columns count from 1, unscaled; wavelengths from 2 pi to 10,000 * 2 pi.
    """
    frequency = 10_000 ** (-torch.arange(0, dim // 2, 2) / (dim // 2))  # (dim / 4,)
    row, column = (torch.arange(1, n + 1)[:, None] * frequency for n in (height, width))
    row, column = (torch.stack((a.sin(), a.cos()), dim=-1).flatten(1) for a in (row, column))
    grid = (row[:, None].expand(-1, width, -1), column.expand(height, -1, -1))
    return torch.cat(grid, dim=-1).flatten(0, 1)


def pixel_centres(height: int, width: int) -> Tensor:
    """(h*w, 2): x and y of every pixel's centre as shares of the map, row by row."""
    y, x = ((torch.arange(n) + 0.5) / n for n in (height, width))
    return torch.stack((x.repeat(height), y.repeat_interleave(width)), dim=-1)


def flatten_maps(maps: Sequence[Tensor], level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Maps (N, D, h_i, w_i) and a vector for each (levels, D) -> what an encoder layer reads.

    Returns:
        The pixels of all maps one after another (N, S, D), their position encoding (S, D) with
        their map's vector added, and their places as shares of the map (S, 2).
    """
    x = torch.cat([m.flatten(2) for m in maps], dim=-1).transpose(1, 2)
    shapes = [(m.shape[-2], m.shape[-1]) for m in maps]
    position = torch.cat(
        [
            sine_position(*shape, x.shape[-1]).to(x) + vector
            for shape, vector in zip(shapes, level, strict=True)
        ]
    )
    return x, position, torch.cat([pixel_centres(*shape) for shape in shapes]).to(x)


class DeformableAttention(nn.Module):
    """Each query reads `points` places per head and level, around its own reference point."""

    def __init__(self, dim: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(dim, heads * levels * points * 2)
        self.weights = nn.Linear(dim, heads * levels * points)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Head m starts by looking 1, 2, ... `points` pixels away in its own direction, evenly."""
        for linear in (self.offsets, self.weights, self.value, self.out):
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.weights.weight)
        nn.init.xavier_uniform_(self.value.weight)
        nn.init.xavier_uniform_(self.out.weight)
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        direction = torch.stack((angle.cos(), angle.sin()), dim=-1)  # (heads, 2)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        steps = torch.arange(1, self.points + 1)
        start = direction[:, None, None] * steps[:, None]  # (heads, 1, points, 2)
        with torch.no_grad():
            self.offsets.bias.copy_(start.expand(-1, self.levels, -1, -1).flatten())

    def forward(
        self,
        query: Tensor,
        memory: Tensor,
        reference: Tensor,
        shapes: Sequence[tuple[int, int]],
    ) -> Tensor:
        """Query (N, L, D), memory (N, S, D), reference (L, 2) -> (N, L, D).

        `memory` is the levels of `shapes` (h, w), each flattened row by row, one after another;
        `reference` is x, y as shares of the map. Offsets are in pixels of the level read.
        """
        N, L, D = query.shape
        H, P = self.heads, self.points
        offsets = self.offsets(query).view(N, L, H, self.levels, P, 2)
        offsets = offsets.permute(3, 0, 2, 4, 1, 5).flatten(1, 2)  # (levels, N H, P, L, 2)
        weights = self.weights(query).view(N, L, H, self.levels * P)
        weights = weights.permute(0, 2, 3, 1).flatten(0, 1).softmax(1)  # (N H, levels P, L)
        value = self.value(memory).view(N, -1, H, D // H).permute(0, 2, 3, 1).flatten(0, 1)
        y: Any = 0
        for (h, w), image, offset, weight in zip(
            shapes,
            value.split([h * w for h, w in shapes], dim=-1),  # (N H, D / H, h w)
            offsets,
            weights.split(P, dim=1),
            strict=True,
        ):
            places = reference + offset / offset.new_tensor((w, h))  # (N H, P, L, 2)
            samples = F.grid_sample(
                image.unflatten(-1, (h, w)), 2 * places - 1, align_corners=False
            )  # (N H, D / H, P, L)
            y = y + (samples * weight[:, None]).sum(2)  # (N H, D / H, L)
        return self.out(y.view(N, D, L).transpose(1, 2))


class DeformableEncoderLayer(nn.Module):
    def __init__(
        self, dim: int, heads: int, levels: int, points: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.attention = DeformableAttention(dim, heads, levels, points)
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, position: Tensor, reference: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        attended = self.attention(x + position, x, reference, shapes)
        x = self.norm1(x + self.dropout(attended))
        return self.norm2(x + self.dropout(self.mlp(x)))


class DeformableEncoder(nn.Module):
    """Self-attention among all pixels of several maps, as in Deformable DETR's encoder."""

    layers: Any  # nn.ModuleList of DeformableEncoderLayer

    def __init__(
        self,
        dim: int,
        heads: int,
        levels: int,
        hidden: int,
        layers: int,
        dropout: float,
        points: int = 4,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DeformableEncoderLayer(dim, heads, levels, points, hidden, dropout)
            for _ in range(layers)
        )
        self.level = nn.Parameter(torch.empty(levels, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in self.layers:
            layer.attention.reset_parameters()
        nn.init.normal_(self.level)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, D, h_i, w_i) -> maps of the same shapes."""
        shapes = [(m.shape[-2], m.shape[-1]) for m in maps]
        x, position, reference = flatten_maps(maps, self.level)
        for layer in self.layers:
            x = layer(x, position, reference, shapes)
        parts = x.transpose(1, 2).split([h * w for h, w in shapes], dim=-1)
        return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]
