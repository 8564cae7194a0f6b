"""Jobs on a Slurm cluster, as arrays of submitit."""

import math
import subprocess
from pathlib import Path
from typing import NamedTuple

import submitit

from benchmarks.launch.job import Command, LaunchError
from benchmarks.params.cluster import ClusterParams, Stage

WARNING_SECONDS = 120  # before the time is over: submitit then requeues the job


class Queued(NamedTuple):
    """Job in Slurm's queue."""

    state: str  # PENDING, RUNNING, ...
    reason: str  # why it waits


def queue() -> dict[str, Queued]:
    """List the user's jobs that wait or run, by their ids.

    Raises:
        LaunchError: squeue isn't here or doesn't answer.
    """
    lines = _ask("squeue", "--me", "--array", "--noheader", "--format=%i|%T|%r").splitlines()
    return {job_id: Queued(*place) for job_id, *place in (line.split("|", 2) for line in lines)}


def cancel(ids: list[str]) -> None:
    """Cancel jobs."""
    _ask("scancel", *ids)


def check(params: ClusterParams, stages: list[Stage]) -> None:
    """Ask Slurm whether it would accept a job of each stage, before any is submitted.

    Raises:
        LaunchError: naming every stage that it refuses, and why.
    """
    problems = []
    for stage in stages:
        try:
            options = {"time": _minutes(params, stage)} | _options(params, stage)
            flags = [f"--{k}" if v is True else f"--{k}={v}" for k, v in options.items()]
            _ask("sbatch", "--test-only", *flags, "--wrap=true")
        except LaunchError as error:
            problems.append(f"cluster.stages.{stage} ({params.resources(stage)}): {error}")
    if problems:
        partitions = sorted(set(_ask("sinfo", "--noheader", "--format=%R").split()))
        raise LaunchError(f"{'; '.join(problems)} [partitions here: {', '.join(partitions)}]")


def submit(
    params: ClusterParams,
    stage: Stage,
    name: str,
    commands: list[Command],
    at_once: int,
    after: set[str],
    folder: Path,
) -> list[dict[str, str]]:
    """Submit one array of commands, to start when the arrays `after` have ended.

    Returns:
        Each job's `id`, its `log`, and the `result`: the file that it leaves when it is done.

    Raises:
        LaunchError: sbatch refuses it.
    """
    try:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=params.retries)
        executor.update_parameters(
            job_name=name,
            time=_minutes(params, stage),
            setup=params.setup,
            array_parallelism=at_once,
            dependency=":".join(["afterany", *sorted(after)]) if after else None,
            signal_delay_s=WARNING_SECONDS,
            stderr_to_stdout=True,
            wckey=None,  # submitit's own is refused where workload keys are enforced
            # srun doesn't inherit them.
            srun_args=[f"--cpus-per-task={params.resources(stage).cpus}"],
            additional_parameters=_options(params, stage) | {"chdir": Path.cwd()},
        )
        submitted = executor.submit_array(commands)
    except RuntimeError as error:
        raise LaunchError(f"cluster.stages.{stage}: sbatch: {_reason(str(error))}") from None
    return [
        {"id": j.job_id, "log": str(j.paths.stdout), "result": str(j.paths.result_pickle)}
        for j in submitted
    ]


def _minutes(params: ClusterParams, stage: Stage) -> int:
    """Time limit of a stage's jobs."""
    return math.ceil(60 * params.resources(stage).hours)


def _options(params: ClusterParams, stage: Stage) -> dict[str, str | int | bool]:
    """Options of sbatch for a stage's jobs; null and false leave one out."""
    resources = params.resources(stage)
    options = {
        "requeue": True,
        "cpus-per-task": resources.cpus,
        "mem": f"{math.ceil(1024 * resources.memory_gb)}M",
        "gpus-per-node": resources.gpus or None,
        "partition": resources.partition,
        **resources.options,
    }
    options["no-requeue"] = options["requeue"] is False  # a cluster's default may be either
    return {k: v for k, v in options.items() if v is not None and v is not False}


def _ask(program: str, *arguments: str) -> str:
    """Run a program of Slurm; returns its output.

    Raises:
        LaunchError: it isn't here, or it fails.
    """
    try:
        process = subprocess.run([program, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise LaunchError(f"no Slurm here: {program} not found; go to a login node") from None
    if process.returncode:
        raise LaunchError(f"{program}: {_reason(process.stderr)}")
    return process.stdout


def _reason(stderr: str) -> str:
    """Put Slurm's error on one line."""
    lines = [line.split("error: ", 1)[-1].strip() for line in stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines)) or "no reason given"
