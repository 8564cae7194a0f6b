"""`python -m benchmarks launch`."""

import argparse
import logging
import os
import platform
import signal
import sys
import uuid
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.launch.ledger import Ledger
    from benchmarks.launch.plan import Job
    from benchmarks.launch.status import Active
    from benchmarks.params import Params

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="default: all")
    parser.add_argument("--on", choices=["local", "slurm"], help="this machine, or a cluster")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be launched")
    parser.add_argument("--jobs", type=int, help="at the same time; default: params.yaml's")
    parser.add_argument("--status", action="store_true", help="what is done, running, failed")
    parser.add_argument("--cancel", action="store_true", help="end what was launched")


def launch(args: argparse.Namespace) -> int:
    """Launch what has no finished run and isn't in a queue; or --status, or --cancel."""
    from benchmarks.launch import status
    from benchmarks.launch.ledger import LaunchError, Ledger
    from benchmarks.launch.plan import Progress, unfinished
    from benchmarks.params import load

    params = load(args.params)
    ledger = Ledger(params.work / "launch")
    active = status.active(ledger)
    jobs = _planned(params, args.tables, active)
    asked = [job for job in jobs if _is_asked(job, args.tables)]
    if args.cancel:
        return _cancel(ledger, active, {job.name for job in asked} if args.tables else None)
    progress = Progress(params)
    here = args.on == "local" or ledger.holder()
    side_by_side = args.jobs or (params.workers if here else params.cluster.jobs)
    if args.status:
        print(status.page(asked, progress, ledger, side_by_side))
        return 0
    if args.on is None:
        raise LaunchError("say where: --on local or --on slurm")
    if args.dry_run:
        left = [job for job in unfinished(jobs, progress) if _is_asked(job, args.tables)]
        todo = [job for job in left if job.name not in active]
        print("\n".join(_listing(params, todo, side_by_side)))
        return 0
    ledger.prepare()
    with ledger.claim() as token:
        active = status.active(ledger)  # again: another launch may just have ended
        jobs = _planned(params, args.tables, active)
        left = [job for job in unfinished(jobs, progress) if _is_asked(job, args.tables)]
        todo = [job for job in left if job.name not in active]
        _refuse_other_recipes(params, jobs, active)
        log.info(
            "%d of %d jobs to launch, %d in hand", len(todo), len(asked), len(left) - len(todo)
        )
        if todo and args.on == "local":
            return _launch_local(params, args.params, todo, ledger, token, side_by_side)
        if todo:
            _launch_slurm(params, args.params, todo, active, ledger, side_by_side)
    print(status.page(asked, progress, ledger, side_by_side))
    return 0


def _planned(params: "Params", tables: list[str], active: dict[str, "Active"]) -> list["Job"]:
    """Jobs of the tables asked for, or of all, and of those with jobs in hand, which keep the
    models that they are training."""
    from benchmarks.launch.plan import plan
    from benchmarks.params import TABLES

    for table in tables:
        params.table_rows(table)  # an unknown one is an error
    chosen = {*tables, *(name.split("-")[0] for name in active)} if tables else set(TABLES)
    return plan(params, [table for table in TABLES if table in chosen])


def _is_asked(job: "Job", tables: list[str]) -> bool:
    return not tables or not job.cells or job.cells[0].table in tables


def _launch_local(
    params: "Params", path: Path, todo: list["Job"], ledger: "Ledger", token: str, jobs: int
) -> int:
    from benchmarks.launch import local

    machine = local.this_machine(jobs)
    local.check(params.cluster, todo, machine)
    array = _array_name(params, "local")
    _record(params, path, todo, ledger, array, on="local", token=token)
    failures = local.run(params.cluster, todo, machine, ledger, array)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _launch_slurm(
    params: "Params",
    path: Path,
    todo: list["Job"],
    active: dict[str, "Active"],
    ledger: "Ledger",
    side_by_side: int,
) -> None:
    from benchmarks.launch import slurm

    groups = [list(group) for _, group in groupby(todo, lambda job: (job.wave, job.stage))]
    slurm.check(params.cluster, list(dict.fromkeys(job.stage for job in todo)), ledger)
    numbers = {name: job.array_id for name, job in active.items()}
    for group in groups:
        needs = {numbers[name] for job in group for name in job.needs if name in numbers}
        name = _array_name(params, group[0].stage)
        array = slurm.Array(name, group[0].stage, len(group), side_by_side, tuple(sorted(needs)))
        _record(params, path, group, ledger, name, on="slurm")
        try:
            number = slurm.submit(params.cluster, array, ledger)
        except BaseException:
            ledger.drop_array(name)
            raise
        numbers |= {job.name: number for job in group}
        log.info("%s: array %s of %d jobs", group[0].stage, number, len(group))


def _record(
    params: "Params", path: Path, jobs: list["Job"], ledger: "Ledger", array: str, **content: str
) -> None:
    from benchmarks.launch.plan import recipe

    kept = ledger.keep_params(path)
    ledger.add_array(
        array,
        retries=params.cluster.retries,
        jobs=[
            {
                "name": job.name,
                "command": _command(params, job, kept),
                "needs": job.needs,
                "recipe": recipe(params, job),
            }
            for job in jobs
        ],
        **content,
    )


def _command(params: "Params", job: "Job", path: Path) -> list[str]:
    own = params.cluster.resources(job.stage)
    ranks = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(own.gpus), "-m"]
    launcher = ranks if own.gpus > 1 else []
    options = [] if own.gpus > 1 else ["--workers", str(own.cpus)]
    program = [sys.executable, "-m", *launcher, "benchmarks", "--params", str(path)]
    return [*program, *job.arguments, *options]


def _array_name(params: "Params", stage: str) -> str:
    return f"{params.profile}-{stage}-{uuid.uuid4().hex[:8]}"


def _refuse_other_recipes(params: "Params", jobs: list["Job"], active: dict[str, "Active"]) -> None:
    """Raises:
    LaunchError: a job in hand is none of these `jobs`, or its numbers would be others.
    """
    from benchmarks.launch.ledger import LaunchError
    from benchmarks.launch.plan import recipe

    known = {job.name: job for job in jobs}
    others = [
        name
        for name, job in active.items()
        if name not in known or job.recipe != recipe(params, known[name])
    ]
    if others:
        raise LaunchError(
            f"{others[0]} (and {len(others) - 1} more) runs or waits with other parameters or "
            "code than today's: let it end, or `launch --cancel` first"
        )


def _listing(params: "Params", jobs: list["Job"], side_by_side: int) -> list[str]:
    lines = []
    for (wave, stage), group in groupby(jobs, lambda job: (job.wave, job.stage)):
        found, own = list(group), params.cluster.resources(stage)
        lines.append(
            f"wave {wave}, {stage}: {len(found)} jobs, "
            f"{min(side_by_side, len(found))} at a time, each {own}"
        )
        lines += [f"  python -m benchmarks {' '.join(job.arguments)}" for job in found]
    return lines or ["nothing to launch"]


def _cancel(ledger: "Ledger", active: dict[str, "Active"], names: set[str] | None) -> int:
    """Cancel these jobs, or all; a local launch ends as a whole."""
    from benchmarks.launch import slurm
    from benchmarks.launch.ledger import LaunchError

    chosen = [job for name, job in active.items() if names is None or name in names]
    holder = ledger.holder()
    if holder and any(job.on == "local" for job in chosen):
        if holder.host != platform.node():
            raise LaunchError(f"it is {holder}: cancel it there")
        os.kill(holder.process, signal.SIGINT)
    if ids := [job.id for job in chosen if job.on == "slurm"]:
        slurm.cancel(ids)
    print(f"{len(chosen)} jobs cancelled")
    return 0
