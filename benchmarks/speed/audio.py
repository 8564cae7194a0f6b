"""VGGish's log-mel front end against torchvggish's."""

from collections.abc import Iterator

import numpy as np
import torch
from torchvggish import vggish_input

from benchmarks.speed.compare import Line, compare
from gavs.vggish import SAMPLE_RATE, log_mel

SECONDS = 10


def lines() -> Iterator[Line]:
    wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * SAMPLE_RATE)
    sound = torch.from_numpy(wave).float()
    wave = sound.double().numpy()  # torchvggish's own reader gives double precision
    yield compare(
        f"log-mel of {SECONDS} s",
        "torchvggish's",
        lambda: log_mel(sound, 0.96, SECONDS),
        lambda: vggish_input.waveform_to_examples(wave, SAMPLE_RATE)[:, 0],
        wanted=5,
        bound=1e-5,
        repeats=101,
    )
