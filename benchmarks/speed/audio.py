"""Speed of VGGish's log-mel front end, against torchvggish's.

Both need the Fourier transform, whose time is given beside. It is in double precision: in single
precision a sine at full scale exceeds the bound a hundred times, as rounding fills silent bands.
"""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from torchvggish import vggish_input

from benchmarks.speed.compare import Line, compare, seconds_of
from gavs.vggish import FFT, HOP, SAMPLE_RATE, WINDOW, log_mel

SECONDS = 10
REPEATS = 101


def lines() -> Iterator[Line]:
    """Measure one clip's sound."""
    wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * SAMPLE_RATE)
    sound = torch.from_numpy(wave).float()
    wave = sound.double().numpy()  # torchvggish's own reader gives double precision
    line = compare(
        f"log-mel of {SECONDS} s",
        "torchvggish's",
        lambda: log_mel(sound, 0.96, SECONDS),
        lambda: vggish_input.waveform_to_examples(wave, SAMPLE_RATE)[:, 0],
        wanted=5,
        bound=1e-5,
        repeats=REPEATS,
    )
    frames = sound.double().unfold(0, WINDOW, HOP).contiguous()
    alone = median(seconds_of(lambda: torch.fft.rfft(frames, FFT)) for _ in range(REPEATS))
    remark = f"the transform in double precision alone {1000 * alone:.2f} ms"
    yield replace(line, remark=remark)
