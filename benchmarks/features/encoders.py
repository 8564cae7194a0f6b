"""The pretrained encoders of a profile, loaded once a process."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import nn

from baselines._backbones import build_backbone
from benchmarks.data.files import SAMPLE_RATE, sha256
from benchmarks.params import AudioParams, EncodersParams
from gavs.sam import build_sam
from gavs.vggish import VGGish, build_vggish, log_mel


@dataclass
class ProfileEncoders:
    """`gavs.method.Encoders` by the paths of params.yaml."""

    params: EncodersParams
    audio: AudioParams
    audio_dim: int = field(default=128, init=False)

    def sam(self) -> Sam:
        return build_sam(self.params.sam.size, self.params.sam.weights)

    def backbone(self, name: str) -> nn.Module:
        encoder = getattr(self.params, name)
        return build_backbone(encoder.size, encoder.weights)

    @cached_property
    def vggish(self) -> VGGish:
        return build_vggish(self.params.vggish.size, self.params.vggish.weights)

    @torch.inference_mode()
    def embed_audio(self, waveform: np.ndarray, seconds: int) -> np.ndarray:
        """VGGish before its last ReLU for each second of a clip: (n,) -> (seconds, 128)."""
        wanted = seconds * SAMPLE_RATE
        padded = np.pad(waveform, (0, max(0, wanted - len(waveform))))[:wanted]
        mels = log_mel(torch.from_numpy(padded), self.audio.hop_seconds, seconds)  # (T, 96, 64)
        return self.vggish(mels).numpy()

    @cached_property
    def silence(self) -> np.ndarray:
        """Embedding of a silent second, (128,): what a floor row hears."""
        return self.embed_audio(np.zeros(SAMPLE_RATE, np.float32), 1)[0]

    @cached_property
    def noise(self) -> np.ndarray:
        """Embeddings of 64 seconds of white noise at -20 dBFS, (64, 128)."""
        waveform = 0.1 * np.random.default_rng(0).standard_normal(64 * SAMPLE_RATE)
        return self.embed_audio(waveform.clip(-1, 1).astype(np.float32), 64)

    def checksum(self, name: str) -> str:
        """Of the weights and the size that is built from them."""
        encoder = getattr(self.params, name)
        return sha256(encoder.size.encode(), encoder.weights)
