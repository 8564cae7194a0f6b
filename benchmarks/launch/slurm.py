"""Jobs on a Slurm cluster: one array for each wave and stage, by submitit's batch scripts.

submitit's own `submit` pickles a Python function. Here a job is a line of the ledger, so only its
lower half is used: it turns resources into a batch script, hands that to sbatch and reads the
number of the job.
"""

import math
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launch.ledger import LaunchError, Ledger
from benchmarks.params.cluster import ClusterParams, Resources, Stage

WARNING_SECONDS = 120  # before the time is over: to ask for another go


@dataclass(frozen=True)
class Queued:
    """A job in Slurm's queue."""

    array_id: str  # its array's number
    state: str  # PENDING, RUNNING, ...
    reason: str  # why it waits


@dataclass(frozen=True)
class Array:
    """Jobs of one stage that may run at the same time."""

    name: str
    stage: Stage
    size: int
    at_once: int
    needs: tuple[str, ...]  # numbers of the arrays that come before it


def queue() -> dict[tuple[str, int], Queued]:
    """The user's array jobs that wait or run, by the array's name and their index.

    Raises:
        LaunchError: squeue isn't here or doesn't answer.
    """
    lines = _ask("squeue", "--me", "--array", "--noheader", "--format=%j|%K|%F|%T|%r")
    rows = [line.rsplit("|", 4) for line in lines.splitlines()]  # a name may hold a bar
    return {
        (name, int(index)): Queued(array_id, state, reason)
        for name, index, array_id, state, reason in rows
        if index.isdigit()
    }


def cancel(ids: list[str]) -> None:
    _ask("scancel", *ids)


def check(params: ClusterParams, stages: list[Stage], ledger: Ledger) -> None:
    """Ask Slurm whether it would take a job of each stage, before any is submitted.

    Raises:
        LaunchError: naming every stage that it refuses, and why.
    """
    problems = []
    for stage in stages:
        resources = params.resources(stage)
        script = _executor(params, Array("check", stage, 1, 1, ()), ledger)
        text = script._make_submission_file_text("true", "check")
        asked = subprocess.run(
            ["sbatch", "--test-only"], input=text, capture_output=True, text=True
        )
        if asked.returncode:
            problems.append(f"cluster.stages.{stage} ({resources}): {_reason(asked.stderr)}")
        else:
            problems += _over_limit(stage, resources)
    if problems:
        partitions = sorted(set(_ask("sinfo", "--noheader", "--format=%R").split()))
        raise LaunchError(
            f"Slurm refuses {'; '.join(problems)} [partitions here: {', '.join(partitions)}]"
        )


def submit(params: ClusterParams, array: Array, ledger: Ledger) -> str:
    """Submit an array; its number.

    Raises:
        LaunchError: sbatch refuses it.
    """
    import submitit

    executor = _executor(params, array, ledger)
    job = [sys.executable, "-m", "benchmarks.launch.job", str(ledger.folder), array.name]
    try:
        return executor._submit_command(f'exec {shlex.join(job)} "$SLURM_ARRAY_TASK_ID"').job_id
    except submitit.core.utils.FailedJobError as error:
        raise LaunchError(
            f"cluster.stages.{array.stage}: sbatch says: {_reason(str(error))}"
        ) from None


def _executor(params: ClusterParams, array: Array, ledger: Ledger):
    """submitit's executor with everything that goes into the batch script."""
    try:
        import submitit

        executor = submitit.SlurmExecutor(ledger.folder / "scripts")
    except ModuleNotFoundError:
        raise LaunchError("submitit isn't installed: pip install -e .") from None
    except RuntimeError as error:
        raise LaunchError(f"no Slurm here ({error}); go to a login node, or --on local") from None
    executor.folder.mkdir(parents=True, exist_ok=True)
    own = params.resources(array.stage)
    given: dict[str, object] = {
        "job_name": array.name,
        "time": math.ceil(60 * own.hours),
        "cpus_per_task": own.cpus,
        "mem": f"{math.ceil(1024 * own.memory_gb)}M",
        "array_parallelism": array.at_once,
        "setup": params.setup,
        "use_srun": False,  # one process a job; the warning goes to the batch shell's
        "stderr_to_stdout": True,
        "additional_parameters": {
            "requeue": True,
            "chdir": Path.cwd(),
            "output": ledger.log(array.name, "%a").absolute(),
            "signal": f"B:USR2@{WARNING_SECONDS}",
            **own.options,
        },
    }
    if own.gpus:
        given["gpus_per_node"] = own.gpus
    if own.partition:
        given["partition"] = own.partition
    if array.needs:
        given["dependency"] = ":".join(["afterany", *array.needs])
    executor.update_parameters(**given)
    executor.parameters["map_count"] = array.size
    return executor


def _over_limit(stage: Stage, resources: Resources) -> list[str]:
    """Slurm accepts a job over its partition's time limit, and never starts it."""
    asked = ["--partition", resources.partition] if resources.partition else []
    lines = _ask("sinfo", "--noheader", "--format=%P|%l", *asked).splitlines()
    limits = {
        name.rstrip("*"): _hours(limit)
        for name, limit in (line.split("|") for line in lines)
        if resources.partition or name.endswith("*")
    }
    if not limits or max(limits.values()) >= resources.hours:  # of several, one will do
        return []
    stops = ", ".join(f"{name} stops at {hours:g}" for name, hours in limits.items())
    return [f"cluster.stages.{stage}.hours: {resources.hours:g}, but partition {stops}"]


def _hours(limit: str) -> float:
    """Slurm's [days-]hours:minutes:seconds (the front may be missing), or infinite."""
    if not limit[0].isdigit():
        return math.inf
    days, _, rest = limit.rpartition("-")
    parts = [float(part) for part in rest.split(":")]
    seconds = sum(part * 60**i for i, part in enumerate(reversed(parts)))
    return 24 * float(days or 0) + seconds / 3600


def _ask(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise LaunchError(f"no Slurm here: {program} not found; go to a login node") from None
    if done.returncode:
        raise LaunchError(f"{program}: {_reason(done.stderr)}")
    return done.stdout


def _reason(stderr: str) -> str:
    """Slurm's complaint on one line."""
    lines = [line.split("error: ", 1)[-1].strip() for line in stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines)) or "no reason given"
