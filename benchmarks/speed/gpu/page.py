"""Page of `python -m benchmarks speed --device cuda`; its rows are saved as they are measured."""

import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.common.files import write_atomic, write_json
from benchmarks.common.tables import NONE, Grid, markdown, number
from benchmarks.grid.cells import git_revision, versions
from benchmarks.speed.machine import cpu

Figures = dict[str, float | str | None]  # by column; None: unknown on this machine
log = logging.getLogger(__name__)


class GpuTable(NamedTuple):
    """Table of the page; `columns` have their decimals, None for text."""

    name: str
    title: str
    text: str
    columns: Mapping[str, int | None]


@dataclass(frozen=True)
class Task:
    """Row of a table, and how to measure it."""

    section: str
    name: str
    rank: int  # order of importance: the least is measured first
    seconds: float  # about as long as it takes; it isn't begun with less time left
    measure: Callable[[], Figures]

    @property
    def key(self) -> str:
        """Key of the row in the JSON."""
        return f"{self.section}: {self.name}"


class Page:
    """Figures in `gpu.json`, and `gpu.md` for reading.

    Rows of another machine or commit are dropped, those of this one stay.
    """

    def __init__(self, folder: Path, machine: Mapping[str, str]) -> None:
        self.json, self.markdown = folder / "gpu.json", folder / "gpu.md"
        self.machine, self.rows = dict(machine), {}
        if self.json.is_file():
            content = json.loads(self.json.read_text())
            if content["machine"] == self.machine:
                self.rows = content["rows"]
            else:
                log.info("%s: of another machine or commit; all is measured again", self.json)

    def measured(self, task: Task) -> bool:
        """Whether the page has a task's figures."""
        return "figures" in self.rows.get(task.key, {})

    def add(self, task: Task, *, figures: Figures | None = None, problem: str = "") -> None:
        """Add the figures of a task, or the reason why there are none."""
        self.rows[task.key] = {"problem": problem} if figures is None else {"figures": figures}

    def write(self, sections: list[GpuTable], tasks: list[Task], introduction: str) -> None:
        """Write both files, rows in the order of `tasks`."""
        write_json(self.json, {"machine": self.machine, "rows": self.rows})
        parts = [introduction, self._machine()]
        for section in sections:
            rows = [self._row(section, task) for task in tasks if task.section == section.name]
            header = ["", *section.columns, "remark"]
            sides = ["l" if decimals is None else "r" for decimals in section.columns.values()]
            grid = Grid(header, rows, "".join(["l", *sides, "l"]))
            parts.append(f"## {section.title}\n{section.text}\n\n{markdown(grid)}\n")
        write_atomic(self.markdown, "\n".join(parts))

    def _row(self, section: GpuTable, task: Task) -> list[str]:
        row = self.rows.get(task.key, {"problem": "not measured yet"})
        figures = row.get("figures", {})
        cells = [_cell(figures.get(name), digits) for name, digits in section.columns.items()]
        return [task.name, *cells, str(figures.get("remark") or row.get("problem", ""))]

    def _machine(self) -> str:
        return "".join(f"- {name}: {value}\n" for name, value in self.machine.items())


def _cell(value: float | str | None, decimals: int | None) -> str:
    if value is None or isinstance(value, str):
        return value or NONE
    if decimals is None:  # a difference: its order of magnitude counts
        return f"{value:.1e}"
    return number(value, decimals=decimals)


def machine_of(device: torch.device) -> dict[str, str]:
    """Describe the machine and the versions; no name of a machine, no path."""
    machine = {"GPU": "none: a rehearsal on the CPU at tiny sizes, its figures mean nothing"}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        memory = f"{card.total_memory / 2**30:.0f} GiB"
        machine = {
            "GPU": f"{card.name}, {memory}, {card.multi_processor_count} multiprocessors",
            "driver": _driver(),
            "CUDA": f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        }
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    return machine | {
        "CPU": cpu(),
        "versions": named,
        "code": git_revision().rstrip("+"),
    }


def _driver() -> str:
    """Version of the driver by nvidia-smi, if that is installed."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    if shutil.which(command[0]):
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode == 0:
            return process.stdout.splitlines()[0].strip()
    return "unknown"
