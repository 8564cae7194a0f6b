"""Jobs on this machine: child processes, as many at a time as its limits allow."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import torch

from benchmarks.launch.job import AGAIN
from benchmarks.launch.ledger import LaunchError, Ledger
from benchmarks.launch.plan import Job
from benchmarks.params.cluster import ClusterParams

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Machine:
    """What jobs share: places side by side, GPUs by their number, memory."""

    jobs: int
    gpus: tuple[str, ...]
    memory_gb: float


def this_machine(jobs: int) -> Machine:
    """With the GPUs that CUDA_VISIBLE_DEVICES leaves, or all."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = range(torch.cuda.device_count()) if visible is None else visible.split(",")
    gpus = tuple(str(number) for number in numbers if number != "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(jobs, gpus, memory)


def check(params: ClusterParams, jobs: list[Job], machine: Machine) -> None:
    """Raises:
    LaunchError: naming every stage whose jobs this machine could never run.
    """
    problems = []
    for stage in dict.fromkeys(job.stage for job in jobs):
        own = params.resources(stage)
        if own.gpus > len(machine.gpus):
            problems.append(f"{stage}.gpus: {own.gpus}, and {len(machine.gpus)} are here")
        if own.memory_gb > machine.memory_gb:
            problems.append(
                f"{stage}.memory_gb: {own.memory_gb:g}, and {machine.memory_gb:.0f} are here"
            )
    if problems:
        raise LaunchError(f"too much for this machine: cluster.stages.{'; '.join(problems)}")


def run(
    params: ClusterParams, jobs: list[Job], machine: Machine, ledger: Ledger, array: str
) -> list[str]:
    """Run jobs until none is left, each after those that it needs; the reasons of the failed.

    A failed job takes those that need it along, and no other. However this ends, no child is left.
    """
    waiting = dict(enumerate(jobs))
    running: dict[int, tuple[subprocess.Popen, tuple[str, ...]]] = {}
    total, failures = len(jobs), []
    try:
        while waiting or running:
            ended = [i for i, (child, _) in running.items() if child.poll() is not None]
            for index in ended:
                child, _ = running.pop(index)
                job, outcome = jobs[index], ledger.outcome(jobs[index].name)
                if child.returncode == AGAIN:
                    waiting[index] = job
                    log.info("%s: again: %s", job.name, outcome["reason"])
                    continue
                count = f"[{total - len(waiting) - len(running)}/{total}]"
                if child.returncode == 0:
                    log.info("%s %s: %.0f s", count, job.name, outcome["seconds"])
                else:
                    reason = failure(ledger, job.name)
                    log.error("%s %s: FAILED: %s", count, job.name, reason)
                    failures.append(f"{job.name}: {reason}")
            left = {jobs[i].name for i in (*waiting, *running)}
            for index, job in list(waiting.items()):
                gpus = _place(params, job, jobs, running, machine)
                if gpus is not None and not left & set(job.needs):
                    del waiting[index]
                    running[index] = _start(ledger, array, index, gpus), gpus
            if not ended:
                time.sleep(0.1)
    finally:
        for child, _ in running.values():
            child.send_signal(signal.SIGTERM)
        for child, _ in running.values():
            child.wait()
    return failures


def failure(ledger: Ledger, name: str) -> str:
    """Why a job failed: its own words where it had any, and where to read more."""
    outcome = ledger.outcome(name)
    if not outcome.get("array"):
        return outcome.get("reason") or "it didn't start"
    where = outcome["array"], outcome["index"]
    said = ledger.last_line(*where)
    reason = "" if outcome["reason"] in said else f"{outcome['reason']}: "
    return f"{reason}{said} ({ledger.log(*where)})"


def _place(
    params: ClusterParams,
    job: Job,
    jobs: list[Job],
    running: dict[int, tuple[subprocess.Popen, tuple[str, ...]]],
    machine: Machine,
) -> tuple[str, ...] | None:
    """The GPUs that a job gets beside those that run; None while there is no room."""
    own = params.resources(job.stage)
    memory = own.memory_gb + sum(params.resources(jobs[i].stage).memory_gb for i in running)
    taken = {gpu for _, gpus in running.values() for gpu in gpus}
    free = [gpu for gpu in machine.gpus if gpu not in taken]
    if len(running) >= machine.jobs or memory > machine.memory_gb or own.gpus > len(free):
        return None
    return tuple(free[: own.gpus])


def _start(ledger: Ledger, array: str, index: int, gpus: tuple[str, ...]) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.launch.job", str(ledger.folder), array, str(index)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    environment.pop("SLURM_JOB_ID", None)  # of an interactive allocation: not this job's to requeue
    with ledger.log(array, index).open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the launch, which then ends its jobs
        )
