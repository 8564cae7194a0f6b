"""AVSegFormer's head (Gao et al., AAAI 2024), from the feature pyramid to the mask.

After the paper and vvvb-github/AVSegFormer. Shared by `avsegformer` and `avsegformer_sam`.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._deformable import DeformableEncoder
from baselines.configs._segformer import SegFormerConfig
from gavs.losses import frame_bce, supervised_mean
from gavs.method import Batch, Prediction


class QueryLayer(nn.Module):
    """Self-attention among queries, then the audio, then an MLP; post-norm.

    The published cross-attention reads a single audio token: its softmax over one key is 1, so it
    adds W_out W_value audio whatever the query, and its query and key weights can't learn. They
    are left out (0.131 M per layer at width 256).
    """

    audio: Any  # nn.Sequential

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.norm1 = nn.LayerNorm(dim)
        self.audio = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False))
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.norm3 = nn.LayerNorm(dim)

    def reset_parameters(self) -> None:
        """Start the audio's values as the third of a packed (3 D, D) weight that they are there."""
        xavier_part(self.audio[0].weight, parts=3)

    def forward(self, queries: Tensor, audio: Tensor) -> Tensor:
        """Queries (N or 1, Q, D) and audio (N, 1, D) -> (N, Q, D)."""
        attended, _ = self.attention(queries, queries, queries, need_weights=False)
        x = self.norm1(queries + attended)
        x = self.norm2(x + self.audio(audio))
        return self.norm3(x + self.mlp(x))


class QueryGenerator(nn.Module):
    """Learned queries that hear the frame, plus as many learned ones that don't."""

    layers: Any  # nn.ModuleList of QueryLayer

    def __init__(self, queries: int, dim: int, heads: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.empty(queries, dim))
        self.added = nn.Parameter(torch.empty(queries, dim))
        self.layers = nn.ModuleList(QueryLayer(dim, heads, hidden) for _ in range(layers))

    def forward(self, audio: Tensor) -> Tensor:
        """Audio (N, 1, D) -> queries (N, Q, D)."""
        x = self.start[None]  # equal for all frames until the first layer adds the audio
        for layer in self.layers:
            x = layer(x, audio)
        return x + self.added


class ChannelMixer(nn.Module):
    """The audio attends to the pixels and gates each channel of the feature.

    With one query per head, its key weights can act on the query and its value weights on the mean
    of the pixels that it sees: no pixel is projected, and the mixer takes half the time.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.attention.out_proj.bias = nn.Parameter(torch.zeros(dim))  # the only one, as released

    def reset_parameters(self) -> None:
        """Start queries apart from keys and values, and the bias of the output as released."""
        queries, others = self.attention.in_proj_weight.split(
            [self.attention.embed_dim, 2 * self.attention.embed_dim]
        )
        xavier_part(queries)
        xavier_part(others)
        bound = self.attention.embed_dim**-0.5  # of torch's linear layers
        nn.init.uniform_(self.attention.out_proj.bias, -bound, bound)

    def forward(self, x: Tensor, audio: Tensor) -> Tensor:
        """Feature (N, D, h, w) and audio (N, 1, D) -> (N, D, h, w)."""
        dim, heads, pixels = x.shape[1], self.attention.num_heads, x.flatten(2)  # (N, D, h w)
        to_query, to_key, to_value = self.attention.in_proj_weight.view(3, heads, -1, dim)
        query = torch.einsum("nd,hed->nhe", audio[:, 0], to_query) / (dim // heads) ** 0.5
        scores = torch.einsum("nhe,hed->nhd", query, to_key) @ pixels  # (N, heads, h w)
        seen = scores.softmax(-1) @ pixels.transpose(1, 2)  # (N, heads, D)
        heard = torch.einsum("nhd,hed->nhe", seen, to_value).flatten(1)  # (N, D)
        return x * self.attention.out_proj(heard).sigmoid()[..., None, None]


@torch.no_grad()
def xavier_part(weight: Tensor, parts: int = 1) -> None:
    """Xavier-uniform start of one of `parts` blocks of rows (out, in) of a larger weight."""
    outputs, inputs = weight.shape
    bound = math.sqrt(6 / (parts * outputs + inputs))
    weight.uniform_(-bound, bound)


def _project(in_channels: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, dim, 1), nn.GroupNorm(dim // 8, dim))


class SegFormerHead(nn.Module):
    """Query generator, deformable encoder, decoder, channel mixer and mask output.

    Left out of the published weights, since nothing reads them: `fpn` (1.770 M at width 256) and
    `attn_fc` (0.332 M), besides those named in `QueryLayer`.
    """

    def __init__(
        self, in_channels: Sequence[int], config: SegFormerConfig, size: int, audio_dim: int = 128
    ) -> None:
        """`in_channels` of the four maps, finest first; `size`: side G of the logits."""
        super().__init__()
        dim, heads, hidden = config.dim, config.heads, config.hidden
        self.size = size
        self.inputs = nn.ModuleList(_project(c, dim) for c in in_channels)
        self.queries = QueryGenerator(config.queries, dim, heads, hidden // 2, config.layers)
        self.encoder = DeformableEncoder(
            dim, heads, len(in_channels) - 1, hidden, config.layers, config.dropout
        )
        layer = nn.TransformerDecoderLayer(
            dim, heads, hidden, config.dropout, activation="gelu", batch_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.layers)
        self.lateral = _project(dim, dim)
        self.smooth = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1), nn.GroupNorm(dim // 8, dim), nn.ReLU()
        )
        self.mixer = ChannelMixer(dim, heads)
        self.combine = nn.Sequential(
            nn.Conv2d(config.queries, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, dim, 1),
        )
        self.reduce = nn.Conv2d(dim, dim // 2, 3, padding=1)
        last = max(dim // 8, 8)  # fewer channels could all die behind the ReLU
        self.classify = nn.Sequential(
            nn.Conv2d(dim // 2, last, 3, padding=1), nn.ReLU(), nn.Conv2d(last, 1, 1, bias=False)
        )
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        self.encoder.reset_parameters()
        for queries in self.queries.layers:
            queries.reset_parameters()
        self.mixer.reset_parameters()
        self.audio = nn.Linear(audio_dim, dim)  # not of the head there: torch's own start

    def forward(self, maps: Sequence[Tensor], audio: Tensor) -> Prediction:
        """Four maps (B*T, C_i, h_i, w_i) and audio (B, T, A); frames don't see each other.

        Returns logits (B, T, G, G) and `aux["mix"]` (B, T, G, G), the mixed feature's channel mean.
        """
        B, T = audio.shape[:2]
        heard = self.audio(F.relu(audio.flatten(0, 1)))[:, None]  # (N, 1, D); ReLU ends VGGish
        fine, *coarse = (project(x) for project, x in zip(self.inputs, maps, strict=True))
        coarse = self.encoder(coarse)
        memory = torch.cat([m.flatten(2) for m in coarse], dim=-1).transpose(1, 2)  # (N, S, D)
        queries = self.decoder(self.queries(heard), memory)  # (N, Q, D)

        up = F.interpolate(coarse[0], size=fine.shape[-2:], mode="bilinear")
        # Few channels on large grids: from here on, channels last takes a fifth less on a CPU.
        x = (up + self.lateral(fine)).contiguous(memory_format=torch.channels_last)
        feature = self.mixer(self.smooth(x), heard)  # (N, D, h, w)
        scores = queries @ feature.flatten(2)  # (N, Q, h w)
        scores = scores.unflatten(-1, fine.shape[-2:])
        x = self.combine(scores.contiguous(memory_format=torch.channels_last)) + feature
        logits = self.classify(self._resize(self.reduce(x))).view(B, T, self.size, self.size)
        mix = self._resize(feature.mean(dim=1, keepdim=True)).view_as(logits)
        return Prediction(logits, {"mix": mix})

    def _resize(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(self.size, self.size), mode="bilinear")


def frame_dice(logits: Tensor, batch: Batch) -> Tensor:
    """Dice loss as in vvvb-github/AVSegFormer, with its squares: (B, T, G, G) -> (B, T).

    1 - 2 sum(p g) / (sum p^2 + sum g^2 + 0.002): exactly 1, with zero gradient, where g is empty.
    """
    p = logits.float().sigmoid() * batch.valid[:, None]
    g = batch.masks * batch.valid[:, None]
    overlap, total = (p * g).sum(dim=(2, 3)), (p.square() + g.square()).sum(dim=(2, 3))
    return 1 - 2 * overlap / (total + 0.002)


def segformer_loss(
    prediction: Prediction, batch: Batch, config: SegFormerConfig
) -> dict[str, Tensor]:
    """Dice of the mask and, weighted, of the mixed feature; `config.empty_frames` as there."""
    logits = {"mask": prediction.logits, "mix": prediction.aux["mix"]}
    terms = {}
    for name, weight in (("mask", 1.0), ("mix", config.mix_weight)):
        per_frame = frame_dice(logits[name], batch)
        if config.empty_frames == "defined":
            empty = (batch.masks * batch.valid[:, None]).sum(dim=(2, 3)) == 0
            per_frame = torch.where(empty, frame_bce(logits[name], batch), per_frame)
        terms[name] = weight * supervised_mean(per_frame, batch)
    return terms
