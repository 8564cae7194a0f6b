"""TPAVI, the temporal pixel-wise audio-visual interaction of AVSBench (Zhou et al., ECCV 2022).

Sources: section 4.2 of the paper and OpenNLPLab/AVSBench. Shared by `avsbench`, `tpavi_sam` and
SAM-Fusion's operator of that name.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gavs.losses import frame_bce, supervised_mean
from gavs.method import Batch, Prediction


class TPAVI(nn.Module):
    """Every pixel of a clip attends, without softmax, to every pixel of all its T frames.

    Query and value come from vision, the key from the audio of the frame:
    `z = LayerNorm(x + BN(W_z (theta(x) . phi(audio)) g(x) / (T h w)))`. The audio is the same at
    every pixel of a frame, so the (T h w)^2 attention matrix has rank T and the sum over pixels
    reduces, exactly, to the sum over frames of `(theta_i . phi_t) mean_hw(g_t)`.

    The batch norm starts at gain 0 as published: an untrained block is `LayerNorm(x)` and mute.
    """

    def __init__(self, channels: int, audio_dim: int = 128) -> None:
        super().__init__()
        hidden = channels // 2
        self.audio = nn.Linear(audio_dim, channels)
        self.theta = nn.Linear(channels, hidden)
        self.phi = nn.Linear(channels, hidden)
        self.g = nn.Linear(channels, hidden)
        self.out = nn.Linear(hidden, channels)
        self.out_norm = nn.BatchNorm1d(channels)
        self.norm = nn.LayerNorm(channels)
        nn.init.zeros_(self.out_norm.weight)
        nn.init.zeros_(self.out_norm.bias)

    def forward(self, x: Tensor, audio: Tensor) -> Tensor:
        """(B, T, C, h, w) and (B, T, A) -> (B, T, C, h, w), for any T."""
        B, T, C, h, w = x.shape
        g = self.g(x.mean(dim=(3, 4)))  # (B, T, C/2): a linear map of the mean, not the mean of it
        phi = self.phi(self.audio(audio))  # (B, T, C/2)
        context = torch.einsum("btv,btk->bkv", g, phi) / T  # (B, C/2, C/2)
        pixels = x.permute(0, 1, 3, 4, 2).reshape(B, T * h * w, C)
        y = self.out(self.theta(pixels) @ context)  # (B, T h w, C)
        y = self.out_norm(y.flatten(0, 1)).view_as(y)
        return self.norm(pixels + y).view(B, T, h, w, C).permute(0, 1, 4, 2, 3)


class MultiDilationConv(nn.Module):
    """Sum of four 3x3 convolutions at dilations 3, 6, 12 and 18, AVSBench's neck."""

    convs: Any  # nn.ModuleList of nn.Conv2d

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, channels, 3, padding=d, dilation=d) for d in (3, 6, 12, 18)
        )
        for conv in self.convs:
            nn.init.normal_(conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, h, w) -> (N, C, h, w).

        Where the dilation reaches beyond the map only a kernel's centre meets it: these
        convolutions are one 1x1 convolution, which takes a tenth off `tpavi_sam`'s time.
        """
        side = max(x.shape[-2:])
        y = sum(conv(x) for conv in self.convs if conv.dilation[0] < side)
        beyond = [conv for conv in self.convs if conv.dilation[0] >= side]
        if beyond:
            centre = sum(conv.weight[:, :, 1:2, 1:2] for conv in beyond)
            y = y + F.conv2d(x, centre, sum(conv.bias for conv in beyond))
        return y


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions around a skip which, as released (in-place ReLU), is relu(x), not x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_a = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return self.conv_b(F.relu(self.conv_a(x))) + x


def select_frames(x: Tensor, decoded: Tensor | None) -> Tensor:
    """(B, T, ...) -> the M frames to decode (M, ...), all of them for None.

    Once the frames of a clip have met, each is decoded by itself: V1S learns from one in five.
    """
    return x.flatten(0, 1) if decoded is None or decoded.all() else x[decoded]


def scatter_frames(logits: Tensor, shape: Sequence[int], decoded: Tensor | None) -> Tensor:
    """Logits of the M frames (M, G, G) -> (B, T, G, G), 0 in those that aren't decoded."""
    if decoded is None or decoded.all():
        return logits.unflatten(0, shape)
    full = logits.new_zeros(*shape, *logits.shape[1:])
    return full.masked_scatter(decoded[..., None, None], logits)


class TPAVIHead(nn.Module):
    """AVSBench from the feature pyramid on: necks, TPAVI at four stages, top-down decoder, logits.

    Left out of the published weights, since nothing reads them: the first residual unit of the top
    decoder level (1.18 M at 256 channels).
    """

    fusion: Any  # nn.ModuleList of TPAVI

    def __init__(
        self, in_channels: Sequence[int], channels: int, size: int, audio_dim: int = 128
    ) -> None:
        """`in_channels` of the four maps, finest first; `size`: side G of the logits."""
        super().__init__()
        self.size = size
        self.necks = nn.ModuleList(MultiDilationConv(c, channels) for c in in_channels)
        self.fusion = nn.ModuleList(TPAVI(channels, audio_dim) for _ in in_channels)
        self.lateral = nn.ModuleList(ResidualUnit(channels) for _ in in_channels[:-1])
        self.refine = nn.ModuleList(ResidualUnit(channels) for _ in in_channels)
        self.reduce = nn.Conv2d(channels, channels // 2, 3, padding=1)
        last = max(channels // 8, 8)  # fewer channels could all die behind the ReLU
        self.classify = nn.Sequential(
            nn.Conv2d(channels // 2, last, 3, padding=1), nn.ReLU(), nn.Conv2d(last, 1, 1)
        )

    def forward(
        self,
        maps: Sequence[Tensor],
        audio: Tensor,
        decoded: Tensor | None = None,
        avm: bool = False,
    ) -> Prediction:
        """Four maps (B*T, C_i, h_i, w_i), each half as fine as the last, and audio (B, T, A).

        Returns logits (B, T, G, G), 0 in frames that aren't `decoded` (B, T), and, with `avm`,
        the matching distance (B, T) as `aux["avm"]`.
        """
        B, T = audio.shape[:2]
        audio = F.relu(audio)  # the published VGGish ends in its ReLU
        fused = [
            fuse(neck(x).unflatten(0, (B, T)), audio)  # (B, T, C, h, w)
            for x, neck, fuse in zip(maps, self.necks, self.fusion, strict=True)
        ]
        chosen = [select_frames(f, decoded) for f in fused]  # (M, C, h, w)
        x = self._double(self.refine[-1](chosen[-1]))
        for i in (2, 1, 0):
            x = self._double(self.refine[i](x + self.lateral[i](chosen[i])))
        x = F.interpolate(self.reduce(x), size=(self.size, self.size), mode="bilinear")
        logits = scatter_frames(self.classify(x)[:, 0], (B, T), decoded)
        return Prediction(logits, {"avm": self._match(fused, audio, logits)} if avm else {})

    @staticmethod
    def _double(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    def _match(self, fused: Sequence[Tensor], audio: Tensor, logits: Tensor) -> Tensor:
        """Audio-visual matching: KL(softmax(audio) || softmax(masked vision)), mean of the stages.

        The vision is the stage's ReLU'd map averaged over all pixels under the predicted mask.
        """
        stages = []
        for f, fuse in zip(fused, self.fusion, strict=True):
            mask = F.adaptive_avg_pool2d(
                logits, (f.shape[-2], f.shape[-1])
            ).sigmoid()  # (B, T, h, w)
            seen = (F.relu(f) * mask[:, :, None]).mean(dim=(3, 4))  # (B, T, C)
            heard = fuse.audio(audio).log_softmax(-1)  # (B, T, C)
            stages.append((heard.exp() * (heard - seen.log_softmax(-1))).sum(-1))
        return torch.stack(stages).mean(0)  # (B, T)


def tpavi_loss(prediction: Prediction, batch: Batch, avm_weight: float) -> dict[str, Tensor]:
    """BCE and, weighted, the matching distance summed (not averaged, as released) over frames."""
    terms = {"bce": supervised_mean(frame_bce(prediction.logits, batch), batch)}
    if avm_weight:
        terms["avm"] = avm_weight * (prediction.aux["avm"] * batch.supervised).sum()
    return terms
