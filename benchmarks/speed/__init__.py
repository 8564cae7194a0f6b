"""`python -m benchmarks speed`: each fast path against its reference, on this machine.

A module of this folder is a concern; its `lines()` yields what it has measured. Nothing here is a
test with a clock: the tests hold the references against ours, the ratios are for reading.
"""

import math
import os
import platform
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.common.files import write_atomic
from benchmarks.common.tables import NONE, Grid, markdown, number
from benchmarks.common.workers import keep_freed_memory
from benchmarks.grid.cells import git_revision, versions
from benchmarks.report.style import png
from benchmarks.speed.compare import Line
from benchmarks.speed.figure import draw

MODULES = ("scoring", "tpavi", "encoder", "audio", "steps", "store", "pipeline")
INTRODUCTION = """\
# Speed

Written by `python -m benchmarks speed`. A line is two ways to one result, run in turn on the same
inputs in one process: first their outputs, which must agree within the bound, then their times. The
ratio is the median over pairs of the reference's time over ours, the spread the least and the
greatest; what a line says of another machine or a busy one is little.
"""


def run(names: Sequence[str], results: Path, whole: bool = False) -> bool:
    """Measure all and write `speed.md` and `speed.png` after each module, or print what the named
    ones have measured; False if a line that was measured isn't reached.

    Not in `results/figures`, which belongs to the report: DVC would make that again.

    Raises:
        ValueError: no such module.
    """
    if unknown := set(names) - set(MODULES):
        raise ValueError(f"no speed of {sorted(unknown)}; known: {', '.join(MODULES)}")
    keep_freed_memory()
    torch.set_num_threads(1)  # as a worker has
    found: list[Line] = []
    with tqdm(disable=None, unit="line") as bar:
        for name in names or MODULES:
            lines = import_module(f"{__name__}.{name}").lines
            bar.set_description(name)
            for line in lines(whole) if name == "pipeline" else lines():
                found.append(line)
                bar.update()
            if not names:
                text = "\n".join([INTRODUCTION, table(found), "", machine()])
                write_atomic(results / "speed.md", text)
                write_atomic(results / "speed.png", png(draw(found)))
    if names:
        print(table(found))
    return all(line.reached is not False for line in found)


def table(lines: Sequence[Line]) -> str:
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
    return NONE if value is None else f"{value:.1g}"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def machine() -> str:
    """What the figures were measured on and with; no name of a machine, no path."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    if model:  # ARM has no such line
        processor = model[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    return (
        f"Machine: {processor.strip()}, {os.cpu_count()} cores, {memory:.0f} GiB, {device}; "
        f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}. "
        f"Versions: {named}. Code: {git_revision()}.\n"
    )
