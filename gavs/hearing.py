"""What a method hears of a second of sound: VGGish's embedding, its input, or a spectrogram."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gavs.sound import SAMPLE_RATE
from gavs.spectrogram import spectrogram
from gavs.vggish import log_mel


@torch.inference_mode()
def hear(
    store: str,
    waveform: np.ndarray,
    first: int,
    seconds: int,
    vggish: Callable[[Tensor], Tensor],
    hop_seconds: float,
    spectrogram_hop: int,
) -> np.ndarray:
    """Audio inputs of consecutive seconds of a clip, silence where its sound has ended.

    Args:
        store: `vggish`, `logmel` or `spectrogram`.
        waveform: (n,) float32 at 16 kHz, from the clip's start.
        first: the first of the seconds.
        vggish: log-mels (n, 96, 64) -> (n, 128); called for `vggish` alone.
        hop_seconds: between VGGish's windows, `gavs.vggish.log_mel`.
        spectrogram_hop: samples, `gavs.spectrogram.spectrogram`.

    Returns:
        (seconds, *shape) float32: VGGish before its last ReLU (128,); its log-mel input
        (96, 64); the localisers' spectrogram (1, 257, T) of 3 s around the frame.
    """
    if store == "spectrogram":
        return np.stack([spectrogram(waveform, first + k, spectrogram_hop) for k in range(seconds)])
    samples = (first + seconds) * SAMPLE_RATE
    padded = np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]
    mels = log_mel(torch.from_numpy(padded), hop_seconds, first + seconds)[first:]
    return (mels if store == "logmel" else vggish(mels)).cpu().numpy()
