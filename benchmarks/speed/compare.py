"""Comparison of two ways to one result, in turn on the same inputs: outputs, then times."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.clock import seconds_of

BUDGET = 30.0  # seconds of a line's pairs; the first is made in any case
Output = Tensor | np.ndarray | float | Sequence["Output"]


@dataclass(frozen=True)
class Line:
    """Line of results/speed.md."""

    what: str
    against: str
    wanted: float | None  # least ratio
    ratio: float = math.nan  # the reference's time over ours; NaN: not run, or outputs differ
    spread: tuple[float, float] = (math.nan, math.nan)  # least and greatest ratio of the pairs
    difference: float | None = None  # greatest of the outputs
    bound: float | None = None  # greatest difference allowed; None: any, it is printed
    remark: str = ""
    seconds: tuple[float, float] | None = None  # medians of ours and of the reference
    points: tuple[tuple[float, float], ...] = ()  # of a growth: factor, CPU seconds
    fast: bool | None = None  # set where another criterion than the least ratio decides

    @property
    def reached(self) -> bool | None:
        """Whether it is fast enough and equal enough; None: nothing was measured."""
        if math.isnan(self.ratio) and self.difference is None:
            return None
        fast = self.fast
        if fast is None:
            fast = self.wanted is None or self.ratio >= self.wanted
        if self.bound is None:
            return fast
        return fast and self.difference is not None and self.difference <= self.bound


def compare(
    what: str,
    against: str,
    ours: Callable[[], Output],
    reference: Callable[[], Output],
    *,
    wanted: float | None,
    bound: float | None,
    relative: bool = False,
    repeats: int = 5,
    seconds: float = BUDGET,
    remark: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> Line:
    """Call both once to compare outputs (and warm up), then `repeats` times in turn on the clock.

    The ratio is the median over pairs, so that another process's load during one doesn't decide.
    Outputs further apart than `bound` aren't timed. There are fewer pairs where they would take
    more than `seconds`.

    Args:
        wanted: least ratio; None: the ratio is only printed.
        bound: greatest difference of any element; None: any.
        relative: differences are divided by the greatest magnitude of the reference's output.

    Raises:
        ValueError: the outputs differ in number or shape.
    """
    difference = greatest_difference(ours(), reference(), relative)
    if bound is not None and not difference <= bound:
        remark = "; ".join(filter(None, [remark, "outputs differ, not timed"]))
        return Line(what, against, wanted, difference=difference, bound=bound, remark=remark)
    times: list[tuple[float, float]] = []
    start = time.monotonic()
    for pairs in range(1, repeats + 1):
        times.append((seconds_of(ours, clock), seconds_of(reference, clock)))
        if (time.monotonic() - start) * (pairs + 1) / pairs > seconds:
            break
    ratios = [theirs / mine for mine, theirs in times]
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    spread = (min(ratios), max(ratios))
    return Line(
        what, against, wanted, median(ratios), spread, difference, bound, remark, (mine, theirs)
    )


def greatest_difference(a: Output, b: Output, relative: bool = False) -> float:
    """Greatest difference of tensors, arrays, numbers or sequences of them; inf for NaN."""
    if isinstance(a, Sequence) or isinstance(b, Sequence):
        if not (isinstance(a, Sequence) and isinstance(b, Sequence) and len(a) == len(b)):
            raise ValueError("one of the two returns more outputs than the other")
        parts = zip(a, b, strict=True)
        return max((greatest_difference(x, y, relative) for x, y in parts), default=0.0)
    a, b = (torch.as_tensor(x).detach().cpu().double() for x in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"outputs of shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if not a.numel():
        return 0.0
    scale = b.abs().max().item() or 1.0 if relative else 1.0
    difference = (a - b).abs().max().item() / scale
    return math.inf if math.isnan(difference) else difference
