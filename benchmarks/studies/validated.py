"""Trainings side by side, of which only the score of the validation clips is read."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from benchmarks.common.workers import worker_pool
from benchmarks.grid.models import trained
from benchmarks.grid.progress import training_cost
from benchmarks.grid.protocol import Cell, Model, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import ParamsError
from benchmarks.training.loop import Diverged

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """A training: under which of the study's parameters, and the model."""

    key: float  # of the workbench: a rate, or times the updates
    model: Model


@dataclass
class Outcome:
    """Validation scores by job (NaN: diverged), and the reasons of failures."""

    scores: dict[Job, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


_benches: dict[float, Workbench] = {}  # inherited by the forked workers


def job_of(key: float, row: str, benchmark: str, seed: int) -> Job:
    """Job of Table 1's training of a row."""
    return Job(key, model_of(Cell("table1", row, row, benchmark, "train", seed)))


def validate_all(
    title: str,
    benches: Mapping[float, Workbench],
    jobs: Sequence[Job],
    more: Callable[[Outcome, Job], Sequence[Job]] = lambda outcome, job: (),
) -> Outcome:
    """Train every job, the longest first, and whatever `more` asks for after one has ended.

    A finished training costs nothing.

    Raises:
        ParamsError: a training is not validated.
    """
    _benches.clear()
    _benches.update(benches)
    for job in jobs:
        params = benches[job.key].params
        if training_of(params, job.model)[1].selection == "last":
            raise ParamsError(
                f"{job.model.row} on {job.model.benchmark}: training.selection is 'last': "
                "no validation"
            )
        benches[job.key].fingerprints.model(job.model)  # errors before work, and before forking
    outcome, started, done = Outcome(), time.monotonic(), 0.0
    workers = min(next(iter(benches.values())).params.workers, len(jobs))
    with worker_pool(workers) as pool:
        waiting: dict[Future, Job] = {}

        def submit(asked: Sequence[Job]) -> None:
            for job in sorted(asked, key=lambda job: -_cost(job)):
                waiting[pool.submit(_validated, job, _name(title, job))] = job

        submit(jobs)
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                job = waiting.pop(future)
                name, done = _name(title, job), done + _cost(job)
                try:
                    outcome.scores[job] = future.result()
                except Exception as error:  # a failing training must not stop the others
                    log.error("%s: FAILED: %s", name, error)
                    outcome.failures.append(f"{name}: {error}")
                    continue
                submit(more(outcome, job))
                left = sum(map(_cost, waiting.values())) * (time.monotonic() - started) / done
                score = 100 * outcome.scores[job]
                text = "%s: val mIoU %.1f; %d to go, about %.0f min"
                log.info(text, name, score, len(waiting), left / 60)
    return outcome


def _validated(job: Job, name: str) -> float:
    """Train in a worker; returns the selected mIoU (NaN: diverged)."""
    try:
        _, facts = trained(_benches[job.key], job.model, name)
    except Diverged as error:
        log.warning("%s", error)
        return np.nan
    return facts["selection"]["validation"]


def _cost(job: Job) -> float:
    return training_cost(_benches[job.key], job.model)


def _name(title: str, job: Job) -> str:
    """Name of a training in the log."""
    return f"{title.format(job.key)} {job.model.row} {job.model.benchmark} seed {job.model.seed}"
