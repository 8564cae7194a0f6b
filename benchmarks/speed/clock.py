"""Clocks: seconds and memory of a call, on a CPU or a device, and of commands."""

import gc
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch

WARM_UP = 2  # calls: memory is taken and kernels are chosen in the first, or later
LONG_ENOUGH = 0.1  # seconds; a shorter call is repeated, since caches and clocks are coarse
LEAST, LONG = 3, 2.0  # calls that are timed at least; seconds after which they are enough


class Timing(NamedTuple):
    """Time and memory of a call."""

    seconds: float  # median of a call
    gib: float | None  # most memory of tensors, weights included; None on a CPU


def timed(call: Callable[[], Any], device: torch.device, most: int = 20) -> Timing:
    """Call it to warm up, then time up to `most` calls, waiting for each."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(WARM_UP):
        call()
    times: list[float] = []
    while len(times) < most and (len(times) < LEAST or sum(times) < LONG):
        wait(device)
        start = time.perf_counter()
        call()
        wait(device)
        times.append(time.perf_counter() - start)
    return Timing(median(times), torch.cuda.max_memory_allocated() / 2**30 if cuda else None)


def seconds_of(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call: the mean of as many as fill LONG_ENOUGH."""
    calls, start = 0, clock()
    while True:
        call()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        calls, passed = calls + 1, clock() - start
        if passed >= LONG_ENOUGH:
            return passed / calls


def cpu_of_commands() -> float:
    """CPU seconds of all ended processes that this one has started."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def wait(device: torch.device) -> None:
    """Wait until the kernels have run: calls return before."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def release() -> None:
    """Free the memory of the last row, so that no row pays for another's."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
