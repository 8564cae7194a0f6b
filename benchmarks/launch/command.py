"""Command `python -m benchmarks launch`: launch unfinished jobs, show their states, or end them."""

import argparse
import logging
import os
import platform
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from benchmarks.common.memory import GIB
from benchmarks.common.remedy import RUN, is_default, spelled
from benchmarks.launch import local, slurm
from benchmarks.launch.job import Command
from benchmarks.launch.jobs import Job, Progress, jobs_of, recipe, unfinished
from benchmarks.launch.state import LaunchError, State
from benchmarks.params import TABLES, Params, load
from benchmarks.preflight.nominal import FIGURES, Figures, NominalCosts

PATIENCE = 60  # seconds that a launch has to end
STATES = ("done", "running", "queued", "failed", "to launch")
log = logging.getLogger(__name__)


def launch(args: argparse.Namespace) -> int:
    """Run the command; returns the exit status.

    Raises:
        LaunchError: saying what to change before jobs can be launched.
    """
    params = load(args.params)
    if args.jobs is not None and args.jobs < 1:
        raise LaunchError(f"--jobs {args.jobs}: expected a whole number of at least 1")
    for table in args.tables:
        params.table_rows(table)  # an unknown one is an error
    state = State(params.work / "launch")
    fields = {field: getattr(args, field) for field in ("row", "benchmark", "seed")}
    only = {field: value for field, value in fields.items() if value is not None}
    if args.cancel:
        if only or args.dry_run:
            refused = ", ".join(f"--{name}" for name in [*only, *["dry-run"] * args.dry_run])
            raise LaunchError(f"--cancel ends the jobs of whole tables; it doesn't take {refused}")
        return _cancel(state, args.tables)
    if args.on is None and not args.status:
        raise LaunchError("say where: --on local or --on slurm")
    at_once = args.jobs or (params.workers if args.on == "local" else params.cluster.jobs)
    progress = Progress(params)
    if args.status or args.dry_run:
        places = state.active()
        jobs = planned(params, args.tables, places, bool(only))
        selected = _selected(jobs, args.tables, only)
        if args.status:
            print(status_page(selected, progress, state))
        else:
            print(listing(params, _to_launch(jobs, selected, progress, places), at_once))
        return 0
    with state.claim():
        places = state.active()
        jobs = planned(params, args.tables, places, bool(only))
        refuse_other_recipes(params, jobs, places)
        selected = _selected(jobs, args.tables, only)
        todo = _to_launch(jobs, selected, progress, places)
        counts = (len(todo), len(selected), len(places))
        log.info("%d of %d jobs to launch, %d waiting or running", *counts)
        copy = state.copy_params(args.params)
        commands = {job.name: _command(params, args.params, copy, job) for job in todo}
        if args.on == "slurm":
            _submit(params, todo, commands, at_once, state, places)
            print(status_page(selected, progress, state))
            return 0
        logs = state.folder / "logs"
        failures = local.run(params.cluster, todo, commands, at_once, logs, state.note)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    progress = Progress(params)  # data and features may be new
    progress.record(selected)
    print(status_page(selected, progress, state))
    return 1 if failures else 0


def planned(
    params: Params, tables: list[str], places: dict[str, dict[str, str]], finest: bool = False
) -> list[Job]:
    """List the jobs of these tables, or of all, and of tables with active jobs.

    An active job keeps the models that it trains.
    """
    chosen = {*tables, *(name.split("-")[0] for name in places)} if tables else set(TABLES)
    return jobs_of(params, [table for table in TABLES if table in chosen], finest)


def _selected(jobs: list[Job], tables: list[str], only: Mapping[str, object]) -> list[Job]:
    """Select the jobs of these tables, or all, or of one row, benchmark or seed, with those that
    they need: another table's active jobs keep the models that they train.

    Raises:
        LaunchError: no job has this row, benchmark and seed.
    """
    chosen = [j for j in jobs if not tables or not j.cells or j.cells[0].table in tables]
    wanting = [
        job
        for job in chosen
        if not only or job.cells and all(getattr(job.cells[0], k) == v for k, v in only.items())
    ]
    if only and not wanting:
        asked = ", ".join(f"--{field} {value}" for field, value in only.items())
        known = sorted({f"{j.cells[0].row} {j.cells[0].benchmark}" for j in chosen if j.cells})
        raise LaunchError(f"no job of {asked}; there are {', '.join(known)}")
    by_name = {job.name: job for job in jobs}
    names = {job.name for job in wanting}
    while more := {need for name in names for need in by_name[name].needs} - names:
        names |= more
    return [job for job in jobs if job.name in names]


def _to_launch(
    jobs: list[Job], selected: list[Job], progress: Progress, places: dict[str, dict[str, str]]
) -> list[Job]:
    """List the unfinished jobs among the selected that neither wait nor run."""
    names = {job.name for job in selected} - {*places}
    return [job for job in unfinished(jobs, progress) if job.name in names]


def refuse_other_recipes(
    params: Params, jobs: list[Job], places: dict[str, dict[str, str]]
) -> None:
    """Refuse to launch beside jobs of other parameters, whose data and models would be mixed.

    Raises:
        LaunchError: an active job is none of `jobs`, or has another recipe.
    """
    recipes = {job.name: recipe(params, job) for job in jobs if job.name in places}
    others = [name for name, place in places.items() if place["recipe"] != recipes.get(name)]
    if others:
        raise LaunchError(
            f"{others[0]} (and {len(others) - 1} more) runs or waits with other parameters than "
            "params.yaml has now, or in other parts than --row, --benchmark and --seed make: let "
            "it end, or `launch --cancel` first"
        )


def _submit(
    params: Params,
    todo: list[Job],
    commands: dict[str, list[str]],
    at_once: int,
    state: State,
    places: dict[str, dict[str, str]],
) -> None:
    """Submit one array per wave and stage, to start after the arrays that it needs."""
    slurm.check(params.cluster, list(dict.fromkeys(job.stage for job in todo)))
    submitted = dict(places)
    for (_, stage), group in groupby(todo, lambda job: (job.wave, job.stage)):
        array = list(group)
        needs = [{n: submitted[n] for n in job.needs if n in submitted} for job in array]
        made = [
            Command(
                commands[job.name],
                params.cluster.retries,
                {name: Path(place["result"]) for name, place in needed.items()},
            )
            for job, needed in zip(array, needs, strict=True)
        ]
        after = {place["id"].split("_")[0] for needed in needs for place in needed.values()}
        title, folder = f"{params.profile}-{stage}", state.folder / "jobs"
        with local.held():  # else an array that nobody knows of would wait in the queue
            entries = slurm.submit(params.cluster, stage, title, made, at_once, after, folder)
            for job, entry in zip(array, entries, strict=True):
                submitted[job.name] = entry | {"recipe": recipe(params, job)}
            state.add({job.name: submitted[job.name] for job in array})
        log.info("%s: array %s of %d jobs", stage, entries[0]["id"].split("_")[0], len(array))


def _command(params: Params, path: Path, copy: Path, job: Job) -> list[str]:
    """Make the command of a job, on as many workers or ranks as its resources allow."""
    resources = params.cluster.resources(job.stage)
    program = [sys.executable, "-m", "benchmarks", "--verbose", "--params", str(copy)]
    program += ["--copy-of", str(path)]
    program += job.arguments
    if resources.gpus <= 1:
        return [*program, "--workers", str(resources.cpus)]
    ranks = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(resources.gpus), "-m"]
    return [*program[:2], *ranks, *program[2:]]


def listing(params: Params, jobs: list[Job], at_once: int) -> str:
    """List every command, wave by wave, and their numbers."""
    lines = []
    for (wave, stage), group in groupby(jobs, lambda job: (job.wave, job.stage)):
        array = list(group)
        lines.append(
            f"wave {wave}, {stage}: {len(array)} jobs, {min(at_once, len(array))} at a time, "
            f"each {params.cluster.resources(stage)}"
        )
        lines += [spelled(f"  {RUN}{' '.join(job.arguments)}") for job in array]
    cells = sum(len(job.cells) for job in jobs)
    trainings = sum(
        not params.row(model.row, model.benchmark).method_config.oracle
        for job in jobs
        for model in job.trains
    )
    lines.append(f"in all: {len(jobs)} jobs, {cells} cells, {trainings} trainings")
    lines += _totals(params, jobs)
    return "\n".join(lines) if jobs else "nothing to launch"


def _totals(params: Params, jobs: list[Job]) -> list[str]:
    """GPU hours and disk of the jobs, where the clips are published and the steps measured."""
    if params.world is not None or not FIGURES.is_file():
        return []
    figures = Figures()
    costs = NominalCosts(params, figures)
    try:
        parts = [costs.training(model) for job in jobs for model in job.trains]
        parts += [costs.scoring(cell) for job in jobs for cell in job.cells]
        if any(job.stage == "features" for job in jobs):
            parts += [(3600 * f["hours"], f["disk GiB"] * GIB) for f in costs.features()]
    except KeyError as error:
        return [f"GPU hours: not known: {error.args[0]}"]
    hours, disk = (sum(column) for column in zip(*parts, strict=True)) if parts else (0, 0)
    return [
        f"≈ {hours / 3600:,.1f} GPU hours on one {figures.machine.split(',')[0]}, "
        f"{disk / GIB:,.1f} GiB of disk (docs/paper-profile.md)"
    ]


def status_page(jobs: list[Job], progress: Progress, state: State) -> str:
    """Table of jobs by stage and state, reasons of waiting, failed jobs with their last line."""
    places = state.active()
    counts: Counter[tuple[str, str]] = Counter()
    waits: Counter[str] = Counter()
    notes = [f"running: {holder}" for holder in [state.holder()] if holder]
    for job in jobs:
        if place := places.get(job.name):
            kind = "queued" if place["state"] == "PENDING" else "running"
            waits[place["reason"]] += kind == "queued"
        elif progress.finished(job):
            kind = "done"
        elif line := state.failure(job.name):
            kind = "failed"
            notes.append(f"failed: {job.name}: {line}")
        else:
            kind = "to launch"
        counts[job.stage, kind] += 1
    lines = [f"{'':<10}" + "".join(f"{kind:>11}" for kind in STATES)]
    for stage in dict.fromkeys(job.stage for job in jobs):
        row = "".join(f"{counts[stage, kind] or '–':>11}" for kind in STATES)
        lines.append(f"{stage:<10}{row}")
    if any(waits.values()):
        lines.append("queued: " + ", ".join(f"{n} × {why}" for why, n in waits.items() if n))
    remaining = sum(n for (_, kind), n in counts.items() if kind != "done")
    last = f"{remaining} of {len(jobs)} jobs remain"
    if not remaining:
        last = "all is done: `dvc repro` records it and writes the tables"
        if not is_default():
            last = spelled("all is done: `python -m benchmarks report` writes the tables")
    return "\n".join([*lines, *notes, last])


def _cancel(state: State, tables: list[str]) -> int:
    """End a launch on this machine, then the jobs of these tables, or all, in Slurm's queue.

    Raises:
        LaunchError: the launch runs on another machine, only some tables are to end, or it doesn't
            end; nothing is cancelled then.
    """
    if holder := state.holder():
        if tables:  # it may run others' jobs too
            raise LaunchError(f"{holder} is running: it ends only whole, --cancel without TABLE")
        if holder.host != platform.node():
            raise LaunchError(f"{holder} is running: cancel it there")
        os.kill(holder.process, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while state.holder() == holder:  # it may be submitting arrays
            if time.monotonic() > until:
                raise LaunchError(f"{holder} hasn't ended {PATIENCE} s after it was told to")
            time.sleep(0.1)
        print(f"{holder} has ended")
    with state.claim():
        names = [n for n in state.active() if not tables or n.split("-")[0] in tables]
        if names:
            slurm.cancel([state.jobs[name]["id"] for name in names])
            state.drop(names)
    print(f"{len(names)} jobs cancelled")
    return 0
