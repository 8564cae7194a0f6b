"""Speed of each fast path against its reference on this machine: `python -m benchmarks speed`.

Each module of this folder has one topic; its `lines()` yields lines as they are measured. Tests
compare the outputs of both, never the times: the ratios are for reading.
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

MODULES = ("scoring", "tpavi", "encoder", "audio", "steps", "floor", "store", "pipeline")
INTRODUCTION = """\
# Speed

Written by `python -m benchmarks speed`. A line is two ways to one result, run in turn on the same
inputs in one process: first their outputs, which must agree within the bound, then their times. The
ratio is the median over pairs of the reference's time over ours, the spread the least and the
greatest. Other machines, and busy ones, give other ratios.
"""


def run(names: Sequence[str], results: Path, whole: bool = False) -> bool:
    """Measure all modules and write `speed.md` and `speed.png` after each, or print the named ones.

    Returns False if a measured line isn't reached. The figure isn't in `results/figures`: that
    folder is an output of the report, and DVC would make it again.

    Raises:
        ValueError: no such module.
    """
    if unknown := set(names) - set(MODULES):
        raise ValueError(f"no speed of {sorted(unknown)}; known: {', '.join(MODULES)}")
    keep_freed_memory()
    torch.set_num_threads(1)  # as a worker has
    measured: list[Line] = []
    with tqdm(disable=None, unit="line") as bar:
        for name in names or MODULES:
            lines = import_module(f"{__name__}.{name}").lines
            bar.set_description(name)
            for line in lines(whole) if name == "pipeline" else lines():
                measured.append(line)
                bar.update()
            if not names:
                text = "\n".join([INTRODUCTION, table(measured), "", machine()])
                write_atomic(results / "speed.md", text)
                write_atomic(results / "speed.png", png(draw(measured)))
    if names:
        print(table(measured))
    return all(line.reached is not False for line in measured)


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
    return NONE if value is None else f"{value:.1g}"


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def machine() -> str:
    """Sentence on the machine and the versions; no name of a machine, no path."""
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
