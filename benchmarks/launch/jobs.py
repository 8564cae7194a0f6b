"""Jobs of a launch: one per command, in the order that trained models need.

A model belongs to the first job that scores it; the other jobs that score it, and those that
continue its training, wait for that job.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from benchmarks.common.files import sha256
from benchmarks.data.index import DataError
from benchmarks.features.store import StoreError
from benchmarks.grid.cells import run_cell
from benchmarks.grid.needs import cells_in
from benchmarks.grid.progress import cost, run_folder
from benchmarks.grid.protocol import Cell, Model, model_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params
from benchmarks.params.cluster import SPLIT, Stage


@dataclass(frozen=True)
class Job:
    """Command of `python -m benchmarks`, with the cells and trainings that it has."""

    name: str
    stage: Stage
    arguments: tuple[str, ...]
    cells: tuple[Cell, ...] = ()
    trains: tuple[Model, ...] = ()
    needs: tuple[str, ...] = ()  # names of the jobs that it waits for
    wave: int = 0  # length of the longest chain of jobs before it


class _Part(NamedTuple):
    """Part of a table's stage that a job has; None is all."""

    table: str
    stage: str
    row: str | None
    benchmark: str | None
    seed: int | None

    @property
    def name(self) -> str:
        """Name of the job."""
        row = None if self.row == self.stage else self.row
        seed = None if self.seed is None else f"seed{self.seed}"
        return "-".join(filter(None, [self.table, self.stage, row, self.benchmark, seed]))

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of the command `run`."""
        arguments = ["run", self.table, self.stage]
        arguments += [self.benchmark] if self.benchmark else []
        arguments += ["--row", self.row] if self.row else []
        arguments += [] if self.seed is None else ["--seed", str(self.seed)]
        return tuple(arguments)


DATA = Job("data", "data", ("data",))
FEATURES = Job("features", "features", ("features",), needs=("data",), wave=1)


def jobs_of(params: Params, tables: list[str], finest: bool = False) -> list[Job]:
    """List every job of these tables, finished or not, in the order of waves.

    Args:
        finest: one job per row, benchmark and seed, whatever `cluster.stages` says.
    """
    cells = cells_in(params, *tables) if tables else []
    kinds: dict[tuple[str, str], set[Stage]] = {}
    for job in _grouped(cells, lambda cell: SPLIT):
        kinds.setdefault((job.cells[0].table, job.cells[0].stage), set()).add(job.stage)

    def split(cell: Cell) -> Collection[str]:
        mixed = kinds[cell.table, cell.stage]
        if finest or len(mixed) > 1:  # a coarser command couldn't select those of one kind
            return SPLIT
        return params.cluster.stages[next(iter(mixed))].split

    return sorted([DATA, FEATURES, *_grouped(cells, split)], key=lambda job: job.wave)


def _grouped(cells: list[Cell], split: Callable[[Cell], Collection[str]]) -> list[Job]:
    """Make one job per group of cells that agree in table, stage and the fields of `split`."""
    groups: dict[_Part, list[Cell]] = {}
    for cell in cells:
        fields = (getattr(cell, field) if field in split(cell) else None for field in SPLIT)
        groups.setdefault(_Part(cell.table, cell.stage, *fields), []).append(cell)
    scored = {part: [model_of(cell) for cell in group] for part, group in groups.items()}
    owners: dict[Model, _Part] = {}
    for part, models in scored.items():
        for model in models:
            owners.setdefault(model, part)
    for part, models in scored.items():
        for model in models:
            if model.parent:
                owners.setdefault(model.parent, part)
    waves = {FEATURES.name: FEATURES.wave}
    jobs = []
    for part in sorted(groups, key=lambda part: any(model.parent for model in scored[part])):
        lineage = [m for model in scored[part] for m in (model, model.parent) if m]
        trains = tuple(dict.fromkeys(m for m in lineage if owners[m] == part))
        others = {owners[m].name for m in lineage if owners[m] != part}
        needs = (FEATURES.name, *sorted(others))
        job = Job(
            name=part.name,
            stage="few_shot" if any(m.parent for m in trains) else "train" if trains else "score",
            arguments=part.arguments,
            cells=tuple(groups[part]),
            trains=trains,
            needs=needs,
            wave=1 + max(waves[name] for name in needs),
        )
        waves[job.name] = job.wave
        jobs.append(job)
    return jobs


def recipe(params: Params, job: Job) -> str:
    """Checksum of the parameters behind a job's numbers; it needs no data."""
    blocks = {"data", "world", "protocol", "encoders", "audio", "features", "few_shot", "scoring"}
    rows = sorted({(cell.row, cell.home or cell.benchmark) for cell in job.cells})
    parts = [
        [params.row(*row).model_dump(mode="json", exclude=_NO_NUMBER) for row in rows],
        params.model_dump(mode="json", include=blocks),
    ]
    return sha256(json.dumps(parts, sort_keys=True).encode())[:16]


_NO_NUMBER = {"training": {"checkpoint_seconds"}}


class Progress:
    """State of the jobs, by the files that finished ones leave, and the work of each."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.bench = Workbench(params)
        self.indexed = (params.shared / "index.csv").is_file()
        self.encoded = self.indexed and self._encoded()

    def _encoded(self) -> bool:
        try:
            for cover, names in self.params.stores.items():
                for name in names:
                    self.bench.store(name, cover)
        except (StoreError, DataError):
            return False
        return True

    def finished(self, job: Job) -> bool:
        """Whether nothing of a job remains to be run."""
        if job.stage in ("data", "features"):
            return self.indexed if job.stage == "data" else self.encoded
        return self.encoded and all(self._known(cell) for cell in job.cells)

    def _known(self, cell: Cell) -> bool:
        folder = run_folder(self.params, self.bench.fingerprints.record(cell))
        return (folder / "record.json").is_file()

    def record(self, jobs: Sequence[Job]) -> None:
        """Note finished runs down in this profile's records: no job has run the cells that another
        profile's runs had finished."""
        for cell in (cell for job in jobs for cell in job.cells if self.encoded):
            if self._known(cell):
                run_cell(self.bench, cell)

    def cost(self, job: Job) -> float:
        """Estimate the frames that pass through the methods; 0 before the clips are indexed."""
        return sum(cost(self.bench, cell) for cell in job.cells) if self.indexed else 0.0


def unfinished(jobs: list[Job], progress: Progress) -> list[Job]:
    """List the unfinished jobs, without needs that are met; the longest of a stage first."""
    left = {job.name: job for job in jobs if not progress.finished(job)}
    jobs = [replace(j, needs=tuple(n for n in j.needs if n in left)) for j in left.values()]
    return sorted(jobs, key=lambda job: (job.wave, job.stage, -progress.cost(job)))
