"""How far a run of cells is: the work of each, and the time that is left by those that are done.

It decides no number, so it stands outside the closures of `fingerprint`.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.protocol import Cell, Model, evaluations_of, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a cell costs: roughly, frames that pass through its method; 0 if it is done."""

    method: str
    cost: float


def run_folder(params: Params, record: Any) -> Path:
    """Folder of the run with this identity (`Fingerprints.record`)."""
    return params.shared / "runs" / fingerprint(record)[:16]


def model_folder(params: Params, model: Any) -> Path:
    """Folder of the trained model with this identity (`Fingerprints.model`)."""
    return params.shared / "models" / fingerprint(model)[:16]


def cost(bench: Workbench, cell: Cell) -> float:
    """Cost of a cell that trains its own model, by nothing that was done before."""
    return training_cost(bench, model_of(cell)) + _tests(bench, cell)


def remaining(bench: Workbench, cells: Iterable[Cell]) -> dict[Cell, Work]:
    """The work that is left of each cell: runs and models that are there cost nothing, and the
    first of the cells that share a model trains it."""
    params, there, work = bench.params, set(), {}
    for cell in cells:
        model: Model | None = model_of(cell)
        assert model
        frames = 0.0
        if not (run_folder(params, bench.fingerprints.record(cell)) / "record.json").is_file():
            frames = _tests(bench, cell)
            while model and model not in there:
                there.add(model)
                folder = model_folder(params, bench.fingerprints.model(model))
                if (folder / "model.json").is_file():
                    break
                frames += training_cost(bench, model)
                model = model.parent
        work[cell] = Work(params.row(cell.row, model_of(cell).benchmark).method, frames)
    return work


def training_cost(bench: Workbench, model: Model) -> float:
    """Frames, roughly, that pass through a method in a training, there and back."""
    row, training = training_of(bench.params, model)
    whole = model.full if bench.params.protocol.fraction_budget == "steps" else None
    frames = bench.clip_sets[whole or model.train].frames
    learned = frames.sum() * training.epochs
    if training.steps is not None:
        batch = row.samples(model.benchmark) * (frames.mean() if row.by_clip else 1)
        learned = training.steps * batch
    return learned * (4 if row.temporal else 2)


def _tests(bench: Workbench, cell: Cell) -> float:
    tests = evaluations_of(bench.params, cell)
    return float(sum(bench.clip_sets[test.clips].frames.sum() for test in tests))


class TimeLeft:
    """Estimate of the time until the last of some tasks ends, by those that have ended.

    A task takes as many seconds per cost as those of its method took, or all that ended where
    none is of its method; ended ones without a cost count for nothing.
    """

    def __init__(self, work: Mapping[Any, Work], workers: int) -> None:
        self._left, self._workers = dict(work), workers
        self._ended: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._busy = 0.0

    def end(self, task: Any, seconds: float | None) -> None:
        """Note that a task has ended, and how long it took; None for one that failed."""
        work = self._left.pop(task)
        if seconds is None:
            return
        self._busy += seconds
        if work.cost:
            self._ended[work.method].append((seconds, work.cost))

    def seconds(self, elapsed: float) -> float | None:
        """Seconds from now on, `elapsed` after the start; None before a task with a cost ended."""
        every = [pair for pairs in self._ended.values() for pair in pairs]
        if not every:
            return None
        whole = sum(
            work.cost * _pace(self._ended.get(work.method) or every) for work in self._left.values()
        )
        workers = min(self._workers, max(1, len(self._left)))
        running = max(0.0, elapsed * self._workers - self._busy)  # spent on tasks that still run
        return max(0.0, whole - running) / workers


def _pace(pairs: Iterable[tuple[float, float]]) -> float:
    """Seconds per cost of (seconds, cost)."""
    seconds, costs = zip(*pairs, strict=True)
    return sum(seconds) / sum(costs)


class CellLog:
    """A line on the log for each cell that ends, and on a terminal a bar."""

    def __init__(self, work: Mapping[Cell, Work], workers: int, bar: tqdm) -> None:
        self._left, self._bar = TimeLeft(work, workers), bar
        self._done, self._clock = 0, time.monotonic()

    def end(self, cell: Cell, line: str, seconds: float | None) -> None:
        """Log how a cell ended, and the time left; `seconds` is None for one that failed."""
        self._left.end(cell, seconds)
        self._done += 1
        done, total = self._done, self._bar.total
        left = self._left.seconds(time.monotonic() - self._clock)
        text = f"about {duration(left)} left" if left is not None and done < total else ""
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()  # nothing but on a terminal
        level = logging.ERROR if seconds is None else logging.INFO
        more = f"; {text}" if text and self._bar.disable else ""
        log.log(level, "[%d/%d] %s: %s%s", done, total, cell, line, more)


@contextmanager
def cell_log(work: Mapping[Cell, Work], workers: int) -> Iterator[CellLog]:
    """Keep the log of cells while they run."""
    form = "{n}/{total} cells |{bar}| {elapsed}{postfix}"
    with (
        logging_redirect_tqdm(),
        tqdm(total=len(work), disable=None, bar_format=form) as bar,
    ):
        yield CellLog(work, workers, bar)


def duration(seconds: float) -> str:
    """A time in words: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
