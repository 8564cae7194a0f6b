"""What is done, what runs, what failed, and what remains."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.launch import slurm
from benchmarks.launch.ledger import Ledger
from benchmarks.launch.local import failure
from benchmarks.launch.plan import Job, Progress

STATES = ("done", "running", "queued", "failed", "to launch")


@dataclass(frozen=True)
class Active:
    """A job that some launch still has in hand."""

    on: str  # local or slurm
    state: str  # running or queued
    recipe: str  # that it was launched with
    array_id: str = ""  # Slurm's number of its array
    id: str = ""  # and its own
    detail: str = ""


@dataclass(frozen=True)
class Entry:
    """Where a job stands."""

    job: Job
    state: str  # one of STATES
    detail: str = ""


def active(ledger: Ledger) -> dict[str, Active]:
    """The jobs that some launch still has in hand, by name.

    Raises:
        LaunchError: Slurm, which isn't here, may still have some.
    """
    arrays = ledger.arrays()
    ended = ("done", "failed")
    asked = any(
        array["on"] == "slurm"
        and any(ledger.outcome(job["name"]).get("state") not in ended for job in array["jobs"])
        for array in arrays.values()
    )
    queue = slurm.queue() if asked else {}  # what has ended can be read without Slurm
    holder = ledger.holder()
    found = {}
    for name, array in arrays.items():
        for index, job in enumerate(array["jobs"]):
            if array["on"] == "local":
                state = ledger.outcome(job["name"]).get("state", "queued")
                if holder and holder.token == array["token"] and state not in ended:
                    state = "running" if state == "running" else "queued"
                    found[job["name"]] = Active("local", state, job["recipe"])
            elif place := queue.get((name, index)):
                waits = place.state == "PENDING"
                found[job["name"]] = Active(
                    on="slurm",
                    state="queued" if waits else "running",
                    recipe=job["recipe"],
                    array_id=place.array_id,
                    id=f"{place.array_id}_{index}",
                    detail=place.reason if waits else place.state,
                )
    return found


def entries(jobs: list[Job], progress: Progress, ledger: Ledger) -> list[Entry]:
    """Where every job stands."""
    in_hand, found = active(ledger), []
    for job in jobs:
        if job.name in in_hand:
            found.append(Entry(job, in_hand[job.name].state, in_hand[job.name].detail))
        elif progress.finished(job):
            found.append(Entry(job, "done"))
        elif ledger.outcome(job.name).get("state") in ("failed", "running", "again"):
            found.append(Entry(job, "failed", failure(ledger, job.name)))
        else:
            found.append(Entry(job, "to launch"))
    return found


def page(jobs: list[Job], progress: Progress, ledger: Ledger, side_by_side: int) -> str:
    """A table by stage, the failed jobs, what remains."""
    found = entries(jobs, progress, ledger)
    counts = Counter((entry.job.stage, entry.state) for entry in found)
    lines = [f"{'':<10}" + "".join(f"{state:>11}" for state in STATES)]
    for stage in dict.fromkeys(job.stage for job in jobs):
        row = "".join(f"{counts[stage, state] or '–':>11}" for state in STATES)
        lines.append(f"{stage:<10}{row}")
    waits = Counter(entry.detail for entry in found if entry.state == "queued" and entry.detail)
    if waits:
        lines.append("queued: " + ", ".join(f"{n} × {reason}" for reason, n in waits.items()))
    lines += [f"failed: {e.job.name}: {e.detail}" for e in found if e.state == "failed"]
    lines.append(_remaining(found, progress.work, ledger, side_by_side))
    return "\n".join(lines)


def _remaining(
    found: list[Entry], work: Callable[[Job], float], ledger: Ledger, side_by_side: int
) -> str:
    """An estimate from the jobs that have ended, by their frames; a row's own speed where known."""
    left = [entry.job for entry in found if entry.state != "done"]
    if not left:
        return "all is done: `dvc repro` records it and writes the tables"
    spent: dict[str, list[float]] = {}
    for entry in found:
        outcome = ledger.outcome(entry.job.name)
        if outcome.get("state") == "done" and (frames := work(entry.job)):
            for key in (_row(entry.job), ""):
                seconds, total = spent.setdefault(key, [0.0, 0.0])
                spent[key] = [seconds + outcome["seconds"], total + frames]
    if not spent:
        return f"{len(left)} jobs remain; no estimate before the first has ended"
    seconds = 0.0
    for job in left:
        own, frames = spent.get(_row(job), spent[""])
        seconds += work(job) * own / frames
    wall = seconds / min(side_by_side, len(left))
    return (
        f"{len(left)} jobs remain: about {_hours(seconds)} of jobs, {_hours(wall)} with "
        f"{side_by_side} side by side"
    )


def _row(job: Job) -> str:
    rows = {cell.row for cell in job.cells}
    return rows.pop() if len(rows) == 1 else job.name


def _hours(seconds: float) -> str:
    return f"{math.ceil(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
