"""AuTR: audio-aware query-enhanced transformer (Liu et al., arXiv 2307.13236, 2023).

A re-creation: no code is public. Published (abstract): a multimodal transformer fuses and
aggregates audio and visual features deeply; a decoder with audio-aware queries finds what sounds
and leaves what is silent. Second-hand: VGGish; multi-scale visual features in a deformable encoder,
learnable queries that are given the audio, masks by dynamic convolution. The GAVS paper's table
says Swin-B, another digest PVT-v2, a third ResNet-50: a switch.
Our choice, since nothing is published: the layout and the sizes of ReferFormer (Wu et al., CVPR
2022), which joins a sentence to video in the same three steps: the audio multiplies the pixels (its
cross-attention has one key, so that it is a linear map of the audio) and reads them back in every
encoder layer, audio plus a learned vector for each query, kernels of CondInst's shape (Tian et al.,
ECCV 2020); Mask2Former's loss with the one class "sounding" after every decoder layer; each frame
by itself; the mask as the union of the queries', weighted by their scores; 16 queries.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._backbone_method import BackboneMethod
from baselines._deformable import (
    DeformableAttention,
    DeformableEncoderLayer,
    flatten_maps,
    pixel_centres,
)
from baselines._queries import (
    FinestMap,
    frame_targets,
    mlp3,
    normed_conv,
    set_loss,
    union_logits,
)
from baselines.configs.autr import AutrConfig
from gavs.method import METHODS, Batch, Encoders, Prediction

POINTS = 4  # Deformable DETR's
Shapes = Sequence[tuple[int, int]]


class AudioVisualLayer(nn.Module):
    """The pixels hear the audio, attend to each other, and the audio attends to the pixels."""

    def __init__(self, config: AutrConfig, levels: int) -> None:
        super().__init__()
        dim, heads = config.dim, config.heads
        self.hear = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.pixels = DeformableEncoderLayer(
            dim, heads, levels, POINTS, config.hidden, config.dropout
        )
        self.look = nn.MultiheadAttention(dim, heads, config.dropout, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, audio: Tensor, position: Tensor, reference: Tensor, shapes: Shapes
    ) -> tuple[Tensor, Tensor]:
        """Pixels (N, S, D) and audio (N, 1, D) -> the same."""
        x = self.norm1(x + x * self.hear(audio))
        x = self.pixels(x, position, reference, shapes)
        attended, _ = self.look(audio, x + position, x, need_weights=False)
        return x, self.norm2(audio + attended)


class AudioVisualEncoder(nn.Module):
    def __init__(self, config: AutrConfig, levels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            AudioVisualLayer(config, levels) for _ in range(config.encoder_layers)
        )
        self.level = nn.Parameter(torch.randn(levels, config.dim))

    def forward(self, maps: Sequence[Tensor], audio: Tensor) -> tuple[Tensor, Tensor, Shapes]:
        """Maps (N, D, h_i, w_i) and audio (N, 1, D) -> pixels (N, S, D), audio, the shapes."""
        shapes = [(m.shape[-2], m.shape[-1]) for m in maps]
        x, position, reference = flatten_maps(maps, self.level)
        for layer in self.layers:
            x, audio = layer(x, audio, position, reference, shapes)
        return x, audio, shapes


class DecoderLayer(nn.Module):
    """Attention among queries, deformable attention to the pixels, an MLP; Deformable DETR's."""

    def __init__(self, config: AutrConfig, levels: int) -> None:
        super().__init__()
        dim, heads, dropout = config.dim, config.heads, config.dropout
        self.among = nn.MultiheadAttention(dim, heads, dropout, batch_first=True)
        self.norm1 = nn.LayerNorm(dim)
        self.cross = DeformableAttention(dim, heads, levels, POINTS)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, config.hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(config.hidden, dim),
        )
        self.norm3 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, place: Tensor, memory: Tensor, reference: Tensor, shapes: Shapes
    ) -> Tensor:
        """Queries (N, Q, D), place (Q, D), memory (N, S, D), reference (Q, 2) -> (N, Q, D)."""
        q = queries + place
        exchanged, _ = self.among(q, q, queries, need_weights=False)
        queries = self.norm1(queries + self.dropout(exchanged))
        attended = self.cross(queries + place, memory, reference, shapes)
        queries = self.norm2(queries + self.dropout(attended))
        return self.norm3(queries + self.dropout(self.mlp(queries)))


class DynamicConv(nn.Module):
    """Three 1x1 convolutions, C + 2 -> C -> C -> 1, whose weights each query makes for itself.

    The two further channels are the pixel's place as seen from the query's reference point, in
    shares of the map.
    """

    def __init__(self, dim: int, channels: int) -> None:
        super().__init__()
        c = channels
        self.shapes = [(c, c + 2), (c,), (c, c), (c,), (1, c), (1,)]
        self.make = mlp3(dim, dim, sum(torch.Size(s).numel() for s in self.shapes))

    def kernels(self, queries: Tensor) -> list[Tensor]:
        """Queries (N, Q, D) -> weight and bias of each layer, (N, Q, *shape)."""
        parts = self.make(queries).split([torch.Size(s).numel() for s in self.shapes], dim=-1)
        return [p.unflatten(-1, s) for p, s in zip(parts, self.shapes, strict=True)]

    def forward(self, queries: Tensor, features: Tensor, reference: Tensor) -> Tensor:
        """Queries (N, Q, D), features (N, C, h, w), reference (Q, 2) as x, y -> (N, Q, h, w)."""
        h, w = features.shape[-2:]
        w1, b1, w2, b2, w3, b3 = self.kernels(queries)
        centres = pixel_centres(h, w).to(reference)
        seen_from = (centres - reference[:, None]).transpose(1, 2)  # (Q, 2, h w)
        c = features.shape[1]
        x = torch.einsum("nqoc,ncs->nqos", w1[..., :c], features.flatten(2))
        x = x + torch.einsum("nqoc,qcs->nqos", w1[..., c:], seen_from) + b1[..., None]
        x = w2 @ F.relu(x) + b2[..., None]
        x = w3 @ F.relu(x) + b3[..., None]  # (N, Q, 1, h w)
        return x.squeeze(2).unflatten(-1, (h, w))


@METHODS.register_module(name="autr")
class AuTR(BackboneMethod):
    Config = AutrConfig
    layered = frozenset({"scores", "masks"})

    def __init__(self, config: AutrConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        dim = config.dim
        fine, *coarse = self.backbone.channels
        self.hear = nn.Linear(encoders.audio_dim, dim)
        self.project = nn.ModuleList(normed_conv(c, dim) for c in coarse)
        self.encoder = AudioVisualEncoder(config, len(coarse))
        self.start = nn.Parameter(torch.randn(config.queries, dim))
        self.place = nn.Parameter(torch.randn(config.queries, dim))
        self.reference = nn.Linear(dim, 2)
        self.decoder = nn.ModuleList(
            DecoderLayer(config, len(coarse)) for _ in range(config.decoder_layers)
        )
        self.finest = FinestMap(fine, dim, config.mask_channels)
        self.score = nn.Linear(dim, 2)  # sounding, or no object
        self.conv = DynamicConv(dim, config.mask_channels)

    def forward(self, batch: Batch) -> Prediction:
        fine, *coarse = self.maps(batch)
        # The published VGGish ends in its ReLU
        audio = self.hear(F.relu(batch.audio.flatten(0, 1)))[:, None]  # (N, 1, D)
        maps = [project(x) for project, x in zip(self.project, coarse, strict=True)]
        memory, audio, shapes = self.encoder(maps, audio)

        reference = self.reference(self.place).sigmoid()  # (Q, 2)
        queries, layers = audio + self.start, []
        for layer in self.decoder:
            queries = layer(queries, self.place, memory, reference, shapes)
            layers.append(queries)

        h, w = shapes[0]
        finest = memory[:, : h * w].transpose(1, 2).unflatten(-1, (h, w))
        features = self.finest(fine, finest)  # (N, C, h, w) at stride 4
        masks = torch.stack([self.conv(q, features, reference) for q in layers])
        scores = self.score(torch.stack(layers))  # (L, N, Q, 2)
        sounding = scores[-1].float().softmax(-1)[..., 0]
        logits = self.resize(union_logits(sounding, masks[-1]), batch)
        return Prediction(logits, {"scores": scores, "masks": masks})

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        scores, masks = prediction.aux["scores"], prediction.aux["masks"]
        target, present, chosen = frame_targets(batch, masks.shape[-1], classes=None)
        return set_loss(scores[:, chosen], masks[:, chosen], target, present, self.config.losses)
