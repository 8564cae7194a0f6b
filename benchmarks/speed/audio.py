"""Speed of VGGish's log-mel front end, against the transform that it can't do without.

That is in double precision: in single precision a sine at full scale exceeds the bound a hundred
times, as rounding fills silent bands. Its outputs are compared with torchvggish's.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torchvggish import vggish_input

from benchmarks.speed.clock import seconds_of
from benchmarks.speed.compare import Line, compare, greatest_difference
from gavs.vggish import FFT, HOP, SAMPLE_RATE, WINDOW, log_mel

SECONDS = 10
REPEATS = 51
MOST = 1.6  # times the transform alone


def lines() -> Iterator[Line]:
    """Measure one clip's sound."""
    wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * SAMPLE_RATE)
    sound = torch.from_numpy(wave).float()
    wave = sound.double().numpy()  # torchvggish's own reader gives double precision
    frames = sound.double().unfold(0, WINDOW, HOP).contiguous()
    ours, theirs = (
        lambda: log_mel(sound, 0.96, SECONDS),
        lambda: vggish_input.waveform_to_examples(wave, SAMPLE_RATE)[:, 0],
    )
    line = compare(
        f"log-mel of {SECONDS} s",
        "its transform in double precision alone",
        lambda: 0.0 * ours()[0, 0, 0],  # not what is compared
        lambda: 0.0 * torch.fft.rfft(frames, FFT)[0, 0].real,
        wanted=1 / MOST,
        bound=1e-5,
        repeats=REPEATS,
        seconds=15,
    )
    difference = greatest_difference(ours(), theirs())
    times = seconds_of(theirs) / seconds_of(ours)
    remark = f"torchvggish's takes {times:.2f} times ours; the difference is to its output"
    yield replace(line, difference=difference, remark=remark)
