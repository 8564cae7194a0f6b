"""Optimiser steps against their matmul floor: what the counted FLOP take at the best matmul rate.

Of the methods of params.yaml in the project's folder, at its widths, its batches and its encoders'
weights, with random features. The loop itself runs, on the clock of this process.
"""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.features.layout import layout
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.params import Row, load
from benchmarks.speed.compare import Line
from benchmarks.training.loop import train
from gavs.method import Batch

MOST = {  # times the floor that a step may take
    **dict.fromkeys(("gavs", "audio_sam", "sam_fusion"), 6.0),
    **dict.fromkeys(("autr", "av_sam", "avsegformer_sam"), 4.5),
    **dict.fromkeys(("avsegformer", "tpavi_sam", "auss", "avsc", "sama", "gavs_adapters"), 2.5),
    "avsbench": 1.4,
}
FRAMES, STEPS = 10, 12  # of a clip of V2; steps that are timed
LATER = 1000  # epochs
CPU = torch.device("cpu")


def lines() -> Iterator[Line]:
    """Measure each method's step, and the matmul rate before and after it."""
    params = load()
    encoders = ProfileEncoders(params.encoders, params.audio)
    for name, most in MOST.items():
        row = params.row(name, "v2")
        clips = OneBatch(row, encoders)
        rate = best_rate()
        with FlopCounterMode(display=False) as counter:
            _train(row, clips, 1)
        clips.starts.clear()
        _train(row, clips, STEPS + 2)
        seconds = np.diff(clips.starts)[1:].tolist()  # the first makes the optimiser's state
        floor = counter.get_total_flops() / max(rate, best_rate())
        step = statistics.median(seconds)
        yield Line(
            f"training step of {name}, {params.profile}",
            "its FLOP at the matmul rate",
            1 / most,
            floor / step,
            (floor / max(seconds), floor / min(seconds)),
            remark=f"{step / floor:.1f} times the floor, at most {most:g}",
            seconds=(step, floor),
        )


def best_rate() -> float:
    """FLOP per second of one thread, the better of MKL's and oneDNN's product of 512 x 512."""
    x, rates = torch.randn(512, 512), []
    for enabled in (True, False):
        with torch.backends.mkldnn.flags(enabled=enabled):
            for _ in range(30):
                start = time.process_time()
                F.linear(x, x)
                rates.append(2 * 512**3 / (time.process_time() - start))
    return statistics.quantiles(rates, n=10)[-1]


class OneBatch:
    """Clips for the loop that are the same random batch at every step; notes when each begins."""

    def __init__(self, row: Row, encoders: ProfileEncoders) -> None:
        torch.manual_seed(0)
        self.method = row.cls(row.method_config, encoders)
        begin = self.method.start_epoch  # what is frozen at first has thawed
        self.method.start_epoch = lambda epoch: begin(epoch + LATER)  # type: ignore[method-assign]
        config, training = self.method.config, row.training
        self.temporal = config.temporal()
        self.size = training.batch_samples(self.temporal, FRAMES)
        self.starts: list[float] = []
        shape, side = (self.size, FRAMES if self.temporal else 1), self.method.target_size

        def read(store: str) -> Tensor:
            return torch.randn(*shape, *layout(store, encoders)[0])

        self._batch = Batch(
            audio=read(config.hears()),
            features={short: read(s) for short, s in config.inputs().items()},
            masks=F.interpolate(torch.rand(*shape, 6, 6), (side, side), mode="nearest").round(),
            valid=torch.ones(self.size, side, side),
            supervised=torch.ones(shape, dtype=torch.bool),
            video=torch.arange(self.size),
            classes=F.one_hot(torch.arange(self.size) % 8, 8).bool(),
        )

    def epoch(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        return [np.arange(self.size)] * (STEPS + 3)

    def batch(self, numbers: np.ndarray) -> Batch:
        self.starts.append(time.process_time())
        return self._batch


def _train(row: Row, clips: OneBatch, steps: int) -> None:
    training = row.training.model_copy(update={"steps": steps, "selection": "last"})
    with TemporaryDirectory() as folder:
        train(clips.method, clips, training, 0, CPU, Path(folder), None)  # type: ignore[arg-type]
