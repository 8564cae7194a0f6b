"""Costs of the stages in hours, disk and memory: from trials on this machine, or as a base."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.common.memory import GIB
from benchmarks.features.extract import bytes_to_write, listed_and_stored, passes
from benchmarks.features.fill import FillPlan, ShardJob, pace
from benchmarks.features.layout import covered
from benchmarks.features.store import Header
from benchmarks.grid.budget import shortened
from benchmarks.grid.needs import cells_in
from benchmarks.grid.protocol import Cell, Model, evaluations_of, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import TABLES, Params, Row
from benchmarks.preflight.trial import Kind, Trial, kind_of, outline
from benchmarks.training.clips import Samples
from benchmarks.training.config import TrainingParams
from benchmarks.training.loop import updates
from gavs.method import Method

Line = dict[str, Any]  # stage, work, hours, disk GiB, GiB per process


def encoding(
    bench: Workbench, headers: Mapping[str, Header], places: Sequence[torch.device]
) -> list[Line]:
    """Cost of the features not encoded yet, one line per pass over the frames.

    Hours are NaN where the trial failed; `work` says why.
    """
    params = bench.params
    folder, options, lines = params.shared / "features", params.features, []
    for cover, names in params.stores.items():
        for group in passes(names):
            keyed = {f"{cover}/{name}": headers[f"{cover}/{name}"] for name in group}
            listed, stored = listed_and_stored(folder, keyed, bench.needed)
            missing = {key: set(range(h.shards)) - set(listed[key]) for key, h in keyed.items()}
            unfinished = [h for key, h in keyed.items() if missing[key]]  # the others cost nothing
            jobs = [
                ShardJob(
                    cover,
                    tuple(unfinished or keyed.values()),
                    shard,
                    {name: stored[f"{cover}/{name}"][shard] for name in group},
                )
                for shard in sorted(set.union(*missing.values())) or [0]
            ]
            job = jobs[0]
            rows = sum(len(job.rows) for job in jobs) if any(missing.values()) else 0
            gpu = job.by_sam and places[0].type == "cuda"
            device = places[0] if gpu else torch.device("cpu")
            processes = len(places) if gpu else params.workers
            seconds, memory, work = 0.0, math.nan, "done"
            if rows:
                part = {cover: covered(bench.index, cover)}
                readers = params.workers if gpu else 1
                plan = FillPlan(
                    folder, part, bench.encoders, options.batch_size, options.precision, readers
                )
                try:
                    seconds, memory = pace(jobs, plan, device)
                    work = f"{rows} rows, {1 / seconds:.3g}/s with each of {processes}"
                except (RuntimeError, MemoryError) as error:  # of memory, most likely
                    seconds, work = math.nan, f"failed: {error}".splitlines()[0]
            lines.append(
                {
                    "stage": f"features {job.kind}",
                    "work": work,
                    "hours": rows * seconds / processes / 3600,
                    "disk GiB": bytes_to_write(folder, keyed, listed, stored) / GIB,
                    "GiB per process": memory,
                }
            )
    return lines


def models_of(params: Params) -> dict[str, list[Model]]:
    """List the trainings that each table's cells ask for, parents first."""
    return {
        table: [
            model
            for cell in cells_in(params, table)
            for model in (model_of(cell).parent, model_of(cell))
            if model
        ]
        for table in TABLES
    }


def kinds_of(params: Params) -> dict[Kind, Row]:
    """Pick one row per kind of training."""
    rows: dict[Kind, Row] = {}
    models = [model for models in models_of(params).values() for model in models]
    for name, benchmark in dict.fromkeys((model.row, model.benchmark) for model in models):
        row = params.row(name, benchmark)
        if not row.method_config.oracle:
            rows.setdefault(kind_of(row, benchmark), row)
    return rows


class Costs:
    """Costs of the tables from nothing; a training counts in the first table that needs it.

    Subclasses say what a step and a scored frame cost, and how many there are.
    """

    def __init__(self, params: Params, processes: int) -> None:
        self.params, self.processes = params, processes

    def _row(self, model: Model) -> Row:
        return self.params.row(model.row, model.benchmark)

    def trial(self, model: Model) -> Trial | None:
        """Cost of a step and of a scored frame of a model; None for the oracle's."""
        raise NotImplementedError

    def steps(self, model: Model, name: str, training: TrainingParams) -> int:
        """Optimiser steps of a training on the clip set `name`."""
        raise NotImplementedError

    def frames(self, model: Model, name: str) -> int:
        """Frames of the clip set `name` that are scored."""
        raise NotImplementedError

    def lines(self) -> list[Line]:
        """Costs of the tables that have cells."""
        lines, before = [], set()
        for table, models in models_of(self.params).items():
            new = [model for model in dict.fromkeys(models) if model not in before]
            before.update(new)
            cells = cells_in(self.params, table)
            costs = [*map(self.training, new), *map(self.scoring, cells)]
            trained = [model for model in new if not self._row(model).method_config.oracle]
            tried = [trial for model in models if (trial := self.trial(model))]
            lines.append(
                {
                    "stage": f"run {table}",
                    "work": f"{len(cells)} cells, {len(trained)} trainings",
                    "hours": sum(seconds for seconds, _ in costs) / self.processes / 3600,
                    "disk GiB": sum(size for _, size in costs) / GIB,
                    "GiB per process": max((trial.gib for trial in tried), default=math.nan),
                }
            )
        return lines

    def training(self, model: Model) -> tuple[float, float]:
        """Estimate the seconds and bytes of a training, with its validations."""
        trial = self.trial(model)
        if trial is None:
            return 0.0, 0.0
        _, training = training_of(self.params, model)
        whole = model.full if self.params.protocol.fraction_budget == "steps" else None
        name = whole or model.train
        seconds = self.steps(model, name, shortened(training, name)) * trial.step_seconds
        if training.selection != "last":
            epochs = range(training.validate_from, training.epochs)
            due = sum((epoch + 1) % training.validate_every == 0 for epoch in epochs)
            validations = max(1, due) if training.steps is None else 1
            validations = training.validations or validations
            frames = self.frames(model, model.val)  # type: ignore[arg-type]  # all who select have
            seconds += validations * frames * trial.score_seconds
        return seconds, trial.trained_bytes

    def scoring(self, cell: Cell) -> tuple[float, float]:
        """Estimate the seconds and bytes of a cell's evaluations, stored in its run and record."""
        model = model_of(cell)
        trial = self.trial(model)
        if trial is None:
            return 0.0, 0.0
        frames = sum(self.frames(model, test.clips) for test in evaluations_of(self.params, cell))
        return frames * trial.score_seconds, 2 * frames * trial.score_bytes


class Tables(Costs):
    """Costs by the indexed clips and by trials on this machine."""

    def __init__(self, bench: Workbench, trials: Mapping[Kind, Trial], processes: int) -> None:
        super().__init__(bench.params, processes)
        self.bench, self.trials = bench, trials
        self._methods: dict[tuple[str, str], Method] = {}
        self._clips: dict[tuple[bool, bool, str, str], Samples] = {}

    def trial(self, model: Model) -> Trial | None:
        return self.trials.get(kind_of(self._row(model), model.benchmark))

    def steps(self, model: Model, name: str, training: TrainingParams) -> int:
        return updates(self._set(model, name, training), training)

    def frames(self, model: Model, name: str) -> int:
        return sum(len(frames) for _, frames in self._set(model, name).samples)

    def _method(self, model: Model) -> Method:
        key = model.row, model.benchmark
        if key not in self._methods:
            self._methods[key] = outline(self.params, self.params.row(*key))
        return self._methods[key]

    def _set(self, model: Model, name: str, training: TrainingParams | None = None) -> Samples:
        """The clips of a set: those that are learned from, as `training` says, or are scored."""
        method = self._method(model)
        whole = method.config.temporal() or bool(training and training.whole_clips)
        copied = bool(training and training.first_mask == "copied")
        key = whole, copied, name, "labelled" if training else "scored"
        if key not in self._clips:
            self._clips[key] = self.bench.clips(method, name, "own", key[-1], training)
        return self._clips[key]
