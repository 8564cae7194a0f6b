"""Semantic-aware Audio Prompt (SAP), section 2.2 of the paper: audio, visual cue and noise become
the prompt token of SAM's decoder.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from gavs.method import Config


class PromptConfig(Config):
    """Switches of the prompt: its parts, their widths and the noise."""

    # VGGish's output before its last ReLU, after it, or after AudioSet's PCA and quantisation (the
    # second release): whole numbers from 0 to 255, which nothing normalises.
    audio: Literal["pre_relu", "post_relu", "pca_8bit"] = "pre_relu"
    cue: bool = True
    cue_pool: Literal["valid", "all"] = "valid"  # "all" averages SAM's padding in as well
    hidden: int = Field(512, gt=0)  # of both MLPs
    # learned: the paper's constant vector, concatenated. The others draw Gaussian noise of the
    # audio's own standard deviation while training: add it, add it times a learned scale for each
    # channel, or replace the audio by it (the released code).
    noise_mode: Literal["learned", "add", "replace", "learned_scale", "none"] = "learned"
    noise_dim: int = Field(128, gt=0)
    slots: Literal["one", "six"] = "one"  # one token beside SAM's five, or all six rewritten


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, ReLU, linear: (..., inputs) -> (..., outputs)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def pool_valid(embedding: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, T, C, h, w) over the frame's area -> (B, T, C); `valid` (B, G, G), any grid G."""
    weight = F.adaptive_avg_pool2d(
        valid.to(embedding.dtype), (embedding.shape[-2], embedding.shape[-1])
    )  # (B, h, w)
    weight = weight / weight.sum((-2, -1), keepdim=True)
    return torch.einsum("btchw,bhw->btc", embedding, weight)


class SemanticAudioPrompt(nn.Module):
    """[audio ; cue ; noise] -> hidden -> C for one token, 6 C for six.

    `sam_tokens` (5, C) are the tokens that six slots overwrite. The projection's bias starts at
    them (ours), so that training starts near SAM.
    """

    project: Any  # nn.Sequential

    def __init__(self, config: PromptConfig, audio_dim: int, sam_tokens: Tensor) -> None:
        super().__init__()
        self.config = config
        channels = sam_tokens.shape[1]
        width = audio_dim
        if config.cue:
            self.cue = mlp(channels, config.hidden, audio_dim)
            width += audio_dim
        if config.noise_mode == "learned":
            self.noise = nn.Parameter(torch.randn(config.noise_dim))
            width += config.noise_dim
        elif config.noise_mode == "learned_scale":
            self.noise_scale = nn.Parameter(torch.ones(audio_dim))
        self.slots = 6 if config.slots == "six" else 1
        self.project = mlp(width, config.hidden, self.slots * channels)
        if self.slots == 6:
            with torch.no_grad():
                self.project[-1].bias[: sam_tokens.numel()] = sam_tokens.flatten()

    def forward(
        self, audio: Tensor, embedding: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Audio (B, T, A), image embedding (B, T, C, h, w), valid (B, G, G) -> tokens, cue.

        Tokens are (B, T, K, C): K = 1 prompt token, or all K = 6 tokens of the decoder. The cue is
        (B, T, A), or None without one.
        """
        parts, cue = [self._with_noise(audio)], None
        if self.config.cue:
            if self.config.cue_pool == "valid":
                pooled = pool_valid(embedding, valid)
            else:
                pooled = embedding.mean((-2, -1))
            cue = self.cue(pooled)
            parts.append(cue)
        if self.config.noise_mode == "learned":
            parts.append(self.noise.expand(*audio.shape[:2], -1))
        tokens = self.project(torch.cat(parts, dim=-1))
        return tokens.unflatten(-1, (self.slots, -1)), cue

    def _with_noise(self, audio: Tensor) -> Tensor:
        mode = self.config.noise_mode
        if not self.training or mode in ("learned", "none"):
            return audio
        noise = torch.randn_like(audio) * audio.std(-1, keepdim=True)
        if mode == "replace":
            return noise
        return audio + (noise * self.noise_scale if mode == "learned_scale" else noise)
