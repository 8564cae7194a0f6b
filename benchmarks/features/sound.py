"""The audio stores: what VGGish, its input or the localisers' spectrogram say of a second."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_audio
from benchmarks.data.log_mel import read_log_mel
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import StoreError
from gavs import hearing


def hear(
    encoders: ProfileEncoders, store: str, waveform: np.ndarray, first: int, seconds: int
) -> np.ndarray:
    """`gavs.hearing.hear` with a profile's VGGish and its parameters."""
    audio = encoders.audio
    hops = audio.hop_seconds, audio.spectrogram_hop
    return hearing.hear(store, waveform, first, seconds, lambda mels: encoders.vggish(mels), *hops)


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
