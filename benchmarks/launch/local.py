"""Jobs on this machine: child processes, each on GPUs that no other child has."""

import logging
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.common.workers import end_with_parent
from benchmarks.launch.job import LaunchError, last_line, lost_process, lost_text
from benchmarks.launch.jobs import Job
from benchmarks.params.cluster import ClusterParams

ENDING = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C and `launch --cancel`
PATIENCE = 10  # seconds that a process has to end, before it is killed
log = logging.getLogger(__name__)


class Child(NamedTuple):
    """Running job."""

    job: Job
    process: subprocess.Popen
    gpus: list[str]
    started: float  # of the monotonic clock


def run(
    params: ClusterParams,
    jobs: list[Job],
    commands: dict[str, list[str]],
    at_once: int,
    logs: Path,
    note: Callable[[str, str], None],
) -> list[str]:
    """Run jobs, `at_once` side by side, each after those that it needs; returns the failures.

    Jobs that need a failed one fail too, and no others. However this ends, no child is left.

    Args:
        note: called with a job's name and why it failed, and with "" as it starts.

    Raises:
        LaunchError: a job asks for more GPUs than there are.
    """
    gpus = {job.name: params.resources(job.stage).gpus for job in jobs}
    free = _visible_gpus()
    for job in jobs:
        if gpus[job.name] > len(free):
            raise LaunchError(
                f"cluster.stages.{job.stage}.gpus: {gpus[job.name]}, and {len(free)} are here"
            )
    waiting = {job.name: job for job in jobs}
    running: dict[str, Child] = {}
    failures: dict[str, str] = {}
    lost: Counter[str] = Counter()

    def fail(name: str, why: str) -> None:
        failures[name] = f"{name}: {why}"
        note(name, why)

    def say(name: str, text: str) -> None:
        ended = len(jobs) - len(waiting) - len(running)
        log.info("[%d/%d] %s: %s", ended, len(jobs), name, text)

    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # for `launch --cancel`
    try:
        while waiting or running:
            for name, child in list(running.items()):
                status = child.process.poll()
                if status is None:
                    continue
                del running[name]
                free += child.gpus
                lost[name] += lost_process(status)
                if status == 0:
                    say(name, f"{time.monotonic() - child.started:.0f} s")
                elif lost_process(status) and lost[name] <= params.retries:
                    waiting[name] = child.job
                    say(name, f"again: {lost_text(lost[name])}")
                else:
                    reason = lost_text(lost[name]) if lost_process(status) else f"status {status}"
                    fail(name, f"{reason}: {last_line(logs / f'{name}.log')}")
                    say(name, "FAILED")
            for name, job in list(waiting.items()):
                if failed := [need for need in job.needs if need in failures]:
                    del waiting[name]
                    fail(name, f"it needs {failed[0]}, which failed")
                elif (
                    len(running) < at_once
                    and gpus[name] <= len(free)
                    and not any(need in waiting or need in running for need in job.needs)
                ):
                    del waiting[name]
                    note(name, "")
                    child_gpus, free = free[: gpus[name]], free[gpus[name] :]
                    with held():  # else a child that nobody knows of would go on
                        process = _start(commands[name], logs / f"{name}.log", child_gpus)
                        running[name] = Child(job, process, child_gpus, time.monotonic())
            time.sleep(0.1)
    finally:
        _end([child.process for child in running.values()])
        signal.signal(signal.SIGTERM, handler)
    return list(failures.values())


def _visible_gpus() -> list[str]:
    """Numbers of this machine's GPUs, or those that CUDA_VISIBLE_DEVICES names."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = range(torch.cuda.device_count()) if visible is None else visible.split(",")
    return [str(number) for number in numbers if number not in ("", "-1")]  # -1: none


def _start(command: list[str], path: Path, gpus: list[str]) -> subprocess.Popen:
    """Start a child that logs to a file; it ends with this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(gpus)},
            start_new_session=True,  # Ctrl-C is for the launch, which then ends its jobs
            preexec_fn=_end_with_parent,
        )


@contextmanager
def held() -> Iterator[None]:
    """Hold back Ctrl-C and `launch --cancel` until the block has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Let the kernel end this child when the launch is killed; it hears what `held` holds back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    end_with_parent(signal.SIGTERM)


def _end(processes: list[subprocess.Popen]) -> None:
    """End processes with their workers; kill those that don't react, such as stopped ones."""
    for number, patience in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, None)):
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, number)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
