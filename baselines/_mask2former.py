"""Mask2Former (Cheng et al., CVPR 2022): pixel decoder and masked-attention decoder.

After sections 3.2 and 4.1 of the paper and its appendix. Other than there, the deformable layers
are this project's (GELU) and the mask loss reads every cell at stride 4 instead of sampled points.
Shared by `auss` and `avsc`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._deformable import DeformableEncoder, sine_position
from baselines._queries import FinestMap, mlp3, normed_conv
from baselines.configs._mask2former import Mask2FormerConfig


@dataclass
class Decoded:
    """Predictions of the Q queries, after each of the L layers of the decoder and before them."""

    classes: Tensor  # (L + 1, N, Q, K + 1), the last is "no object"
    masks: Tensor  # (L + 1, N, Q, h, w) logits at stride 4
    queries: Tensor  # (N, Q, D), the last layer's


class PixelDecoder(nn.Module):
    """Deformable self-attention over the three coarsest maps; the finest joins as in an FPN."""

    def __init__(self, in_channels: Sequence[int], config: Mask2FormerConfig) -> None:
        """`in_channels` of the four maps, finest first."""
        super().__init__()
        dim = config.dim
        self.inputs = nn.ModuleList(normed_conv(c, dim) for c in in_channels[1:])
        self.encoder = DeformableEncoder(
            dim, config.heads, 3, config.encoder_hidden, config.encoder_layers, dropout=0.0
        )
        self.finest = FinestMap(in_channels[0], dim, dim)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Four maps (N, C_i, h_i, w_i) -> mask features (N, D, h, w) at stride 4, three maps."""
        fine, *coarse = maps
        coarse = self.encoder([p(x) for p, x in zip(self.inputs, coarse, strict=True)])
        return self.finest(fine, coarse[0]), coarse


class MaskedLayer(nn.Module):
    """Attention to the pixels of each query's own mask, then among queries, then an MLP."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.cross = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm1 = nn.LayerNorm(dim)
        self.among = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, queries: Tensor, place: Tensor, memory: Tensor, position: Tensor, blocked: Tensor
    ) -> Tensor:
        """Queries (N, Q, D) -> (N, Q, D).

        Place (Q, D) and position (S, D) are added to queries and keys, not to values; memory is
        (N, S, D); blocked (N, Q, S) bool is True where a query must not look.
        """
        attended, _ = self.cross(
            queries + place,
            memory + position,
            memory,
            attn_mask=blocked.repeat_interleave(self.heads, dim=0),
            need_weights=False,
        )
        queries = self.norm1(queries + attended)
        q = queries + place
        exchanged, _ = self.among(q, q, queries, need_weights=False)
        queries = self.norm2(queries + exchanged)
        return self.norm3(queries + self.mlp(queries))


def outside(mask_logits: Tensor, shape: tuple[int, int]) -> Tensor:
    """Places where queries must not look: mask logits (N, Q, h, w) -> (N, Q, S) bool, S = `shape`.

    True below probability 0.5; nowhere for a query whose mask is empty.
    """
    resized = F.interpolate(mask_logits.detach(), shape, mode="bilinear", align_corners=False)
    blocked = (resized < 0).flatten(2)
    return blocked & ~blocked.all(-1, keepdim=True)


class MaskedDecoder(nn.Module):
    """Masked-attention layers, coarse maps first, with class and mask of each query after each."""

    def __init__(self, config: Mask2FormerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.layers = nn.ModuleList(
            MaskedLayer(dim, config.heads, config.hidden) for _ in range(3 * config.rounds)
        )
        self.place = nn.Parameter(torch.randn(config.queries, dim))
        self.level = nn.Parameter(torch.randn(3, dim))
        self.norm = nn.LayerNorm(dim)
        self.classify = nn.Linear(dim, config.classes + 1)
        self.kernel = mlp3(dim, dim, dim)

    def forward(self, queries: Tensor, features: Tensor, maps: Sequence[Tensor]) -> Decoded:
        """Queries (N, Q, D), mask features (N, D, h, w), three maps (N, D, h_i, w_i)."""
        shapes = [(m.shape[-2], m.shape[-1]) for m in maps]
        memory = [
            m.flatten(2).transpose(1, 2) + level for m, level in zip(maps, self.level, strict=True)
        ]
        position = [sine_position(*s, queries.shape[-1]).to(queries) for s in shapes]
        predictions = [self._predict(queries, features)]
        for i, layer in enumerate(self.layers):
            k = 2 - i % 3
            blocked = outside(predictions[-1][1], shapes[k])
            queries = layer(queries, self.place, memory[k], position[k], blocked)
            predictions.append(self._predict(queries, features))
        classes, masks = zip(*predictions, strict=True)
        return Decoded(torch.stack(classes), torch.stack(masks), self.norm(queries))

    def _predict(self, queries: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(queries)
        return self.classify(x), torch.einsum("nqd,ndhw->nqhw", self.kernel(x), features)
