"""Runs one job where a scheduler has put it: `python -m benchmarks.launch.job LEDGER ARRAY INDEX`.

The command is a child process. A child that was killed, or a warning that the job's time is nearly
over, ends in another go, which continues from the last checkpoint; so does a preempted job, which
the scheduler puts back by itself.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.launch.ledger import Ledger

AGAIN = 75  # EX_TEMPFAIL: what `python -m benchmarks run` returns when it lost a worker process
WARNING = signal.SIGUSR2  # from Slurm, before the time is over


def run(ledger: Ledger, array: str, index: int) -> int:
    """Run a job to its end; the exit status: 0 done, 75 to be started again, else failed."""
    launched = ledger.array(array)
    job = launched["jobs"][index]
    before = ledger.outcome(job["name"])
    start, parent = time.time(), os.getppid()
    tries = before.get("tries", 0)

    def note(state: str, reason: str = "") -> None:
        ledger.set_outcome(
            job["name"],
            {
                "state": state,
                "reason": reason,
                "seconds": round(before.get("seconds", 0) + time.time() - start, 1),
                "tries": tries,
                "array": array,
                "index": index,
            },
        )

    def fail(reason: str) -> int:
        note("failed", reason)
        print(reason, flush=True)  # the log's last line
        return 1

    for name in job["needs"]:
        if ledger.outcome(name).get("state") == "failed":
            return fail(f"it needs {name}, which failed")
    signals: list[int] = []
    for number in (signal.SIGTERM, WARNING):
        signal.signal(number, lambda number, _: signals.append(number))
    note("running")
    child = subprocess.Popen(job["command"])
    while child.poll() is None and WARNING not in signals:
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            if signal.SIGTERM in signals or os.getppid() != parent:
                child.terminate()
    if child.returncode == 0:
        note("done")
        return 0
    if signal.SIGTERM in signals or os.getppid() != parent:
        note("stopped")  # cancelled or preempted
        return 128 + signal.SIGTERM
    if WARNING in signals:
        why = "it ran out of its hours"
    elif child.returncode == AGAIN or child.returncode < 0:
        why = "one of its processes was killed, as when memory runs out"
    else:
        note("failed", f"exit status {child.returncode}")
        return 1
    tries += 1
    if tries > launched["retries"]:
        key = "hours" if WARNING in signals else "memory_gb"
        return fail(f"{why}, for the {tries}. time; see cluster.stages.*.{key} or .retries")
    note("again", why)
    if "SLURM_JOB_ID" in os.environ:
        asked = ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.returncode:
            return fail(f"{why}, and {' '.join(asked)} says: {done.stderr.strip()}")
    return AGAIN


if __name__ == "__main__":
    sys.exit(run(Ledger(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
