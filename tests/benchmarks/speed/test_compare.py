"""Outputs first, then times: on a clock of our own."""

import math

import numpy as np
import pytest
import torch

from benchmarks.speed.compare import Line, compare, greatest_difference


class Clock:
    """Time passes only where a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, seconds, output):
        """A call that gives `output` and takes the next of `seconds`, its first (untimed) none."""
        left = iter([0.0, *seconds])

        def call():
            self.now += next(left)
            return output

        return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_ratio_is_the_median_of_pairs(clock):
    """Pairs of ratio 2, 10 (a neighbour's load), 3: the median is 3, not the ratio of the sums."""
    ours = clock.taking([1.0, 1.0, 2.0], torch.ones(2))
    reference = clock.taking([2.0, 10.0, 6.0], torch.ones(2))
    line = compare("a", "b", ours, reference, wanted=3.0, bound=0.0, repeats=3, clock=clock)
    assert line.ratio == 3.0 and line.spread == (2.0, 10.0) and line.seconds == (1.0, 6.0)
    assert line.reached is True


def test_a_short_call_is_repeated_and_its_mean_counts(clock):
    ours = clock.taking([0.25 / 4, 0.25 / 4, 1.0], 1.0)  # two of 1/16 s fill a tenth of a second
    line = compare(
        "a", "b", ours, clock.taking([1.0], 1.0), wanted=None, bound=0.0, repeats=1, clock=clock
    )
    assert line.seconds == (0.0625, 1.0) and line.ratio == 16.0


def test_a_ratio_below_the_wanted_is_not_reached(clock):
    ours, reference = clock.taking([1.0], 1.0), clock.taking([1.9], 1.0)
    line = compare("a", "b", ours, reference, wanted=2.0, bound=0.0, repeats=1, clock=clock)
    assert line.reached is False


@pytest.mark.parametrize("wrong", [1.5, math.nan, math.inf])
def test_outputs_that_differ_are_never_timed(clock, wrong):
    def reference():
        return torch.tensor([1.0, wrong])

    ours = clock.taking([], torch.ones(2))  # a timed call would be one too many
    line = compare("a", "b", ours, reference, wanted=None, bound=0.4, clock=clock)
    assert math.isnan(line.ratio) and line.reached is False
    assert "differ" in line.remark and line.difference > 0.4


def test_without_a_bound_a_difference_is_only_told(clock):
    ours, reference = clock.taking([1.0], 1.0), clock.taking([1.0], 3.0)
    line = compare("a", "b", ours, reference, wanted=1.0, bound=None, repeats=1, clock=clock)
    assert line.difference == 2.0 and line.reached is True


def test_a_difference_is_the_greatest_of_all_outputs():
    a = [torch.tensor([1.0, 2.0]), np.array([10.0, -8.0])]
    b = [torch.tensor([1.0, 2.5]), np.array([10.0, -10.0])]
    assert greatest_difference(a, b) == 2.0
    assert greatest_difference(a, b, relative=True) == 0.2  # 0.5 of 2.5, 2 of 10


def test_masks_and_whole_numbers_are_compared_as_numbers():
    assert greatest_difference(torch.tensor([True]), torch.tensor([False])) == 1.0
    assert greatest_difference(np.uint8([0]), np.uint8([255])) == 255.0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.ones(2), torch.ones(3), r"\(2,\) and \(3,\)"),
        ([torch.ones(1)], [torch.ones(1)] * 2, "more outputs"),
        ([torch.ones(1)], torch.ones(1), "more outputs"),
    ],
)
def test_outputs_that_cannot_be_compared_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        greatest_difference(a, b)


def test_what_was_not_run_is_neither_reached_nor_missed():
    assert Line("a", "b", 100.0, remark="no CUDA here").reached is None


def test_pairs_end_where_the_next_would_take_too_long(clock, monkeypatch):
    """Pairs of 4 s and a budget of 10: two have taken 8, and a third would end at 12."""
    monkeypatch.setattr("benchmarks.speed.compare.time.monotonic", clock)
    ours, reference = clock.taking([1.0] * 9, 1.0), clock.taking([3.0] * 9, 1.0)
    line = compare(
        *("a", "b", ours, reference), wanted=None, bound=0.0, repeats=9, seconds=10, clock=clock
    )
    assert line.ratio == 3.0 and clock.now == 8.0
