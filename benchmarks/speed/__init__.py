"""Speed of each fast path against its reference on this machine: `python -m benchmarks speed`.

Each module of this folder has one topic; its `lines()` yields lines as they are measured. Tests
compare the outputs of both, never the times: the ratios are for reading.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.common.files import write_atomic
from benchmarks.common.tables import NONE, Grid, markdown, number
from benchmarks.common.workers import keep_freed_memory
from benchmarks.grid.cells import git_revision, versions
from benchmarks.report.style import png
from benchmarks.speed.clock import release
from benchmarks.speed.compare import Line
from benchmarks.speed.figure import draw
from benchmarks.speed.machine import cpu, problem_of

MODULES = (  # quick ones first
    *("scoring", "audio", "growth", "store", "tpavi"),
    *("commands", "repro", "steps", "floor", "encoder", "workers"),
)
INTRODUCTION = """\
# Speed

Written by `python -m benchmarks speed`. A line is two ways to one result, run in turn on the same
inputs in one process: first their outputs, which must agree within the bound, then their times. The
ratio is the median over pairs of the reference's time over ours, the spread the least and the
greatest. Other machines, and busy ones, give other ratios. What this machine lacks isn't measured.
"""
log = logging.getLogger(__name__)


def run(
    names: Sequence[str],
    results: Path,
    minutes: float,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Measure all modules and write `speed.md` and `speed.png` after each line, or print the named.

    After `minutes` no further line is begun. Returns False if a measured line isn't reached, or one
    failed or had no time. The figure isn't in `results/figures`: that folder is an output of the
    report, and DVC would make it again.

    Raises:
        ValueError: no such module, no minutes.
    """
    if unknown := set(names) - set(MODULES):
        raise ValueError(f"no speed of {sorted(unknown)}; known: {', '.join(MODULES)}")
    if not minutes > 0:
        raise ValueError(f"--minutes {minutes:g}: expected more than 0")
    keep_freed_memory()
    torch.set_num_threads(1)  # as a worker has
    measured: list[Line] = []
    whole = True
    with tqdm(disable=None, unit="line") as bar:
        for line, failed in _lines(names or MODULES, clock() + 60 * minutes, clock):
            measured.append(line)
            whole = whole and not failed
            bar.update()
            bar.set_description(line.what)
            if not names:
                text = "\n".join([INTRODUCTION, table(measured), "", about()])
                write_atomic(results / "speed.md", text)
                write_atomic(results / "speed.png", png(draw(measured)))
    if names:
        print(table(measured))
    return whole and all(line.reached is not False for line in measured)


def _lines(
    names: Sequence[str], end: float, clock: Callable[[], float]
) -> Iterator[tuple[Line, bool]]:
    """Lines of the modules, and whether one has failed, with its reason; the others go on."""
    for name in names:
        lines = import_module(f"{__name__}.{name}").lines()
        while True:
            if clock() >= end:
                yield Line(name, NONE, None, remark="no time left for its lines"), True
                break
            try:
                yield next(lines), False
            except StopIteration:
                break
            except Exception as error:  # the other lines are still measured
                log.warning("%s: %s", name, problem_of(error), exc_info=True)
                yield Line(name, NONE, None, remark=problem_of(error)), True
                break
        del lines  # and with it, its inputs and folders
        release()


def table(lines: Sequence[Line]) -> str:
    """Markdown grid of the lines."""
    header = ["what", "against", "at least", "ratio", "spread", "ours", "reference"]
    header += ["difference", "at most", "reached", "remark"]
    rows = [
        [
            line.what,
            line.against,
            _times(line.wanted),
            _times(line.ratio),
            NONE if math.isnan(line.spread[0]) else " to ".join(map(_times, line.spread)),
            *(map(_seconds, line.seconds) if line.seconds else (NONE, NONE)),
            _small(line.difference),
            _small(line.bound),
            {True: "yes", False: "**no**", None: "not run"}[line.reached],
            line.remark,
        ]
        for line in lines
    ]
    return markdown(Grid(header, rows, "ll" + "r" * 7 + "ll"))


def _times(ratio: float | None) -> str:
    return number(ratio, decimals=2 if ratio is None or not ratio >= 10 else 0)


def _small(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.1g}" if value < 0.01 else f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def about() -> str:
    """Sentence on the machine and the versions; no name of a machine, no path."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"Machine: {cpu()}, {memory:.0f} GiB; {torch.get_num_threads()} thread(s). "
        f"Versions: {named}. Code: {git_revision()}.\n"
    )
