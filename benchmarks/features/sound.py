"""The audio stores: what VGGish, its input or the localisers' spectrogram say of a second."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import SAMPLE_RATE, read_audio
from benchmarks.data.log_mel import read_log_mel
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.spectrogram import spectrogram
from benchmarks.features.store import StoreError
from gavs.vggish import log_mel


@torch.inference_mode()
def hear(
    encoders: ProfileEncoders, store: str, waveform: np.ndarray, first: int, seconds: int
) -> np.ndarray:
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
        hop = encoders.audio.spectrogram_hop
        return np.stack([spectrogram(waveform, first + k, hop) for k in range(seconds)])
    samples = (first + seconds) * SAMPLE_RATE
    padded = np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples]
    mels = log_mel(torch.from_numpy(padded), encoders.audio.hop_seconds, first + seconds)[first:]
    return (mels if store == "logmel" else encoders.vggish(mels)).numpy()


def listen(
    store: str, clips: pd.DataFrame, rows: range, encoders: ProfileEncoders
) -> Iterator[np.ndarray]:
    """Rows of an audio store, clip by clip."""
    start = 0  # number of the clip's frame 0
    for clip in clips.itertuples():
        overlap = range(max(rows.start, start), min(rows.stop, start + clip.frames))
        if overlap:
            seconds = _seconds(store, clip, encoders)
            yield seconds[overlap.start - start : overlap.stop - start]
        start += clip.frames


def _seconds(store: str, clip: Any, encoders: ProfileEncoders) -> np.ndarray:
    """Rows of a store for each frame's second, (frames, *shape) float32."""
    path = clip_file(clip, "audio")
    if path.suffix != ".pkl":
        return hear(encoders, store, read_audio(path), clip.second, clip.frames)
    if store == "spectrogram" or encoders.audio.hop_seconds != 0.96:
        raise StoreError(
            f"{path}: AVSBench-object's stored log-mels, VGGish's input at a hop of 0.96 s: "
            f"{store} at a hop of {encoders.audio.hop_seconds} s needs audio_wav"
        )
    mels = read_log_mel(path)[: clip.frames]
    if store == "logmel":
        return mels
    with torch.inference_mode():
        return encoders.vggish(torch.from_numpy(mels)).numpy()
