"""A step against its floor, on a clock and a product by hand."""

from types import SimpleNamespace

import pytest
import torch

from benchmarks.speed import floor


@pytest.mark.parametrize(("most", "reached"), [(3.1, True), (2.9, False)])
def test_a_step_of_three_floors(monkeypatch, most, reached):
    clock = iter(range(0, 10_000, 3))  # a step each three seconds
    monkeypatch.setattr(floor, "MOST", {"audio_sam": most})
    monkeypatch.setattr(floor, "load", lambda: SimpleNamespace(
        encoders=None, audio=None, profile="tiny", row=lambda name, benchmark: name
    ))  # fmt: skip
    monkeypatch.setattr(floor, "OneBatch", lambda row, encoders: SimpleNamespace(starts=[]))
    monkeypatch.setattr(floor, "best_rate", lambda: 2 * 8**3)  # the step's product in a second

    def train(row, clips, steps):
        for _ in range(steps):
            clips.starts.append(next(clock))
            torch.ones(8, 8) @ torch.ones(8, 8)

    monkeypatch.setattr(floor, "_train", train)
    (line,) = floor.lines()
    assert line.seconds == (3, 1) and line.ratio == pytest.approx(1 / 3)
    assert line.reached is reached and "3.0 times the floor" in line.remark
