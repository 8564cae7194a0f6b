"""Speed on a GPU, into results/gpu.md: `python -m benchmarks speed --device cuda --minutes 8`.

Each module of this folder has one table; its `tasks` are the rows. The page is written after each
row, important rows first, so that nothing is lost when the machine goes; the same command
continues. With `--device cpu` the same code runs at tiny sizes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.speed.clock import release
from benchmarks.speed.gpu import drift, extraction, loader, paths, training
from benchmarks.speed.gpu.page import Page, Task, machine_of
from benchmarks.speed.gpu.scale import published, tiny
from benchmarks.speed.machine import problem_of

MODULES = (extraction, drift, training, paths, loader)
INTRODUCTION = """\
# On a GPU

Written by `python -m benchmarks speed --device cuda`. Weights are random unless a row says
otherwise: times and memory don't depend on them, drift does. Medians after warm-up, each call
waited for; memory is the most that tensors took, weights included.
"""
log = logging.getLogger(__name__)


def run(
    params: Path,
    results: Path,
    device: str,
    minutes: float,
    names: Sequence[str] = (),
) -> bool:
    """Measure rows that the page lacks, for about `minutes`; returns False if a row failed.

    Args:
        names: of tables, to measure no others.

    Raises:
        ValueError: no such device here, no such table, no minutes.
    """
    if not minutes > 0:
        raise ValueError(f"--minutes {minutes:g}: expected more than 0")
    end = time.monotonic() + 60 * minutes
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("speed --device cuda needs a CUDA device; this PyTorch sees none")
    known = [module.TABLE.name for module in MODULES]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"no table of the GPU's page {unknown}; known: {', '.join(known)}")
    torch.set_float32_matmul_precision("highest")  # fp32 is fp32: no TF32
    torch.backends.cudnn.allow_tf32 = False
    scale = (published if place.type == "cuda" else tiny)(params)
    tasks = [task for module in MODULES for task in module.tasks(scale, place)]
    page = Page(results, machine_of(place))
    measure(tasks, page, end, names)
    print(page.markdown)
    return not any("problem" in page.rows.get(t.key, {}) for t in tasks if selected(t, names))


def selected(task: Task, names: Sequence[str]) -> bool:
    """Whether a task's table is named, or none is."""
    return not names or task.section in names


def measure(
    tasks: Sequence[Task],
    page: Page,
    end: float,
    names: Sequence[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Measure rows by rank and write the page after each; a failed row has the reason."""
    todo = [task for task in tasks if selected(task, names) and not page.measured(task)]
    with tqdm(total=len(todo), disable=None, unit="row") as bar:
        for task in sorted(todo, key=lambda task: task.rank):
            if end - clock() < task.seconds:
                page.add(task, problem=f"no time left: takes about {task.seconds:.0f} s")
            else:
                start = clock()
                try:
                    page.add(task, figures=task.measure())
                except Exception as error:  # the other rows are still measured
                    log.warning("%s: %s", task.key, problem_of(error), exc_info=True)
                    page.add(task, problem=problem_of(error))
                release()
                log.info("%s: %.1f s, %s", task.key, clock() - start, page.rows[task.key])
            page.write([module.TABLE for module in MODULES], list(tasks), INTRODUCTION)
            bar.update()
