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


class Attempt(NamedTuple):
    """A training: under which of the study's parameters, and the model."""

    key: float  # of the workbench: a rate, or times the updates
    model: Model


@dataclass
class Outcome:
    """Validation scores by attempt (NaN: diverged), and the reasons of failures."""

    scores: dict[Attempt, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


_benches: dict[float, Workbench] = {}  # inherited by the forked workers


def attempt_of(key: float, row: str, benchmark: str, seed: int) -> Attempt:
    """Attempt of Table 1's training of a row."""
    return Attempt(key, model_of(Cell("table1", row, row, benchmark, "train", seed)))


def validate_all(
    title: str,
    benches: Mapping[float, Workbench],
    attempts: Sequence[Attempt],
    more: Callable[[Outcome, Attempt], Sequence[Attempt]] = lambda outcome, attempt: (),
) -> Outcome:
    """Train every attempt, the longest first, and whatever `more` asks for after one has ended.

    A finished training costs nothing.

    Raises:
        ParamsError: a training is not validated.
    """
    _benches.clear()
    _benches.update(benches)
    for attempt in attempts:
        params = benches[attempt.key].params
        if training_of(params, attempt.model)[1].selection == "last":
            raise ParamsError(
                f"{attempt.model.row} on {attempt.model.benchmark}: training.selection is 'last': "
                "no validation"
            )
        benches[attempt.key].fingerprints.model(
            attempt.model
        )  # errors before work, and before forking
    outcome, started, done = Outcome(), time.monotonic(), 0.0
    workers = min(next(iter(benches.values())).params.workers, len(attempts))
    with worker_pool(workers) as pool:
        waiting: dict[Future, Attempt] = {}

        def submit(asked: Sequence[Attempt]) -> None:
            for attempt in sorted(asked, key=lambda attempt: -_cost(attempt)):
                waiting[pool.submit(_validated, attempt, _name(title, attempt))] = attempt

        submit(attempts)
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                attempt = waiting.pop(future)
                name, done = _name(title, attempt), done + _cost(attempt)
                try:
                    outcome.scores[attempt] = future.result()
                except Exception as error:  # a failing training must not stop the others
                    log.error("%s: FAILED: %s", name, error)
                    outcome.failures.append(f"{name}: {error}")
                    continue
                submit(more(outcome, attempt))
                left = sum(map(_cost, waiting.values())) * (time.monotonic() - started) / done
                score = 100 * outcome.scores[attempt]
                text = "%s: val mIoU %.1f; %d to go, about %.0f min"
                log.info(text, name, score, len(waiting), left / 60)
    return outcome


def _validated(attempt: Attempt, name: str) -> float:
    """Train in a worker; returns the selected mIoU (NaN: diverged)."""
    try:
        _, facts = trained(_benches[attempt.key], attempt.model, name)
    except Diverged as error:
        log.warning("%s", error)
        return np.nan
    return facts["selection"]["validation"]


def _cost(attempt: Attempt) -> float:
    return training_cost(_benches[attempt.key], attempt.model)


def _name(title: str, attempt: Attempt) -> str:
    """Name of a training in the log."""
    model = attempt.model
    return f"{title.format(attempt.key)} {model.row} {model.benchmark} seed {model.seed}"
