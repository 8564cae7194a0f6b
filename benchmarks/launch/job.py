"""Job as a cluster's worker runs it; cheap to import, since each job imports it."""

import signal
import subprocess
import sys
from pathlib import Path

from submitit.helpers import Checkpointable

from benchmarks.common.workers import AGAIN


class LaunchError(ValueError):
    """Error of jobs that can't be launched; the message says what to change."""


class Command(Checkpointable):
    """Command that submitit runs in a job, and requeues before its time is over.

    A repeated command continues from its last checkpoint. A command that lost a process is repeated
    at once, `retries` times; Slurm puts a preempted job back into the queue.
    """

    def __init__(self, arguments: list[str], retries: int, needs: dict[str, Path]) -> None:
        """`needs`: the file that each job leaves behind when it is done, by the job's name."""
        self.arguments, self.retries, self.needs = arguments, retries, needs

    def __call__(self) -> None:
        """Run the command to its end.

        Raises:
            SystemExit: it failed, or a job that it needs did, or it wasn't put back. An exception
                would make submitit write a result, as if the job were done.
        """
        for name, result in self.needs.items():
            if not result.exists():
                sys.exit(f"it needs {name}, which failed")
        for attempt in range(self.retries + 1):
            try:
                status = subprocess.call(self.arguments)  # killed when a signal ends this process
            except Exception as error:  # of submitit's handler of signals
                sys.exit(f"{error} See cluster.stages.*.hours and cluster.retries")
            if status == 0:
                return
            if not lost_process(status):
                break
            print(lost_text(attempt + 1), file=sys.stderr, flush=True)
        sys.exit(status if status > 0 else 128 - status)


def lost_process(status: int) -> bool:
    """Whether a command ended because it, or a worker of it, was killed (SIGTERM doesn't count)."""
    return status == AGAIN or (status < 0 and status != -signal.SIGTERM)


def lost_text(times: int) -> str:
    """Explain a lost process."""
    return (
        f"one of its processes was killed, as when memory runs out, for the {times}. time; "
        "see cluster.stages.*.memory_gb and cluster.retries"
    )


def last_line(log: Path) -> str:
    """Last line of a job's log, and the log's path."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "(empty log)")
    return f"{last[:200]} ({log})"
