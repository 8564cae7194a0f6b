"""The pretrained encoders of a profile, loaded once a process."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import nn

from benchmarks.common.files import sha256
from benchmarks.data.files import SAMPLE_RATE
from benchmarks.features.config import AudioParams, EncodersParams
from benchmarks.features.spectrogram import spectrogram
from gavs.backbones import build_backbone
from gavs.sam import build_sam
from gavs.vggish import VGGish, build_vggish, log_mel


@dataclass
class ProfileEncoders:
    """`gavs.method.Encoders` by the paths of params.yaml."""

    params: EncodersParams
    audio: AudioParams
    audio_dim: int = field(default=128, init=False)
    _no_clip: dict[tuple[str, str], np.ndarray] = field(default_factory=dict, init=False)

    def sam(self) -> Sam:
        return build_sam(self.params.sam.size, self.params.sam.weights)

    def backbone(self, name: str) -> nn.Module:
        encoder = getattr(self.params, name)
        return build_backbone(encoder.size, encoder.weights)

    @cached_property
    def vggish(self) -> VGGish:
        return build_vggish(self.params.vggish.size, self.params.vggish.weights)

    @torch.inference_mode()
    def hear(self, store: str, waveform: np.ndarray, first: int, seconds: int) -> np.ndarray:
        """Rows of an audio store for consecutive seconds of a clip, silence where it has ended.

        Args:
            store: `vggish`, `logmel` or `spectrogram`.
            waveform: (n,) float32 at 16 kHz, from the clip's start.
            first: the first of the seconds.

        Returns:
            (seconds, *shape) float32: VGGish before its last ReLU (128,); its log-mel input
            (96, 64); the localisers' spectrogram (1, 257, T) of 3 s around the frame.
        """
        if store == "spectrogram":
            hop = self.audio.spectrogram_hop
            return np.stack([spectrogram(waveform, first + k, hop) for k in range(seconds)])
        wanted = (first + seconds) * SAMPLE_RATE
        padded = np.pad(waveform, (0, max(0, wanted - len(waveform))))[:wanted]
        mels = log_mel(torch.from_numpy(padded), self.audio.hop_seconds, first + seconds)[first:]
        return (mels if store == "logmel" else self.vggish(mels)).numpy()

    def no_clip(self, kind: str, store: str) -> np.ndarray:
        """Sound that is no clip's, as rows of an audio store: (n, *shape) float32.

        `silence`: one second, what a floor row hears; `noise`: 64 seconds, white at -20 dBFS.
        """
        if (kind, store) not in self._no_clip:
            seconds = 64 if kind == "noise" else 1
            sound = np.zeros(seconds * SAMPLE_RATE)
            if kind == "noise":
                sound = 0.1 * np.random.default_rng(0).standard_normal(len(sound))
            found = self.hear(store, sound.clip(-1, 1).astype(np.float32), 0, seconds)
            self._no_clip[kind, store] = found
        return self._no_clip[kind, store]

    def checksum(self, name: str) -> str:
        """Of the weights and the size that is built from them."""
        encoder = getattr(self.params, name)
        return _checksum(encoder.size, encoder.weights)


@lru_cache
def _checksum(size: str, weights: Path) -> str:
    return sha256(size.encode(), weights)
