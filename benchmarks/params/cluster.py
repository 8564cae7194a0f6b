"""Block `cluster` of params.yaml: the resources of one job of each stage."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, field_validator

from gavs.configs import Config

Stage = Literal["data", "features", "train", "score", "few_shot"]
Part = Literal["row", "benchmark", "seed"]  # of a table's stage, as `run` selects it
SPLIT = get_args(Part)
# Options that a launch sets and reads again: it couldn't find a job with another value.
RESERVED = (
    *("array", "chdir", "dependency", "error", "no-requeue"),
    *("open-mode", "output", "signal", "time"),
)


def _sbatch_options(options: dict[str, str | int | bool | None]) -> dict:
    """Refuse options that would break a line of the batch script, or the launch.

    Raises:
        ValueError: naming the option.
    """
    for name, value in options.items():
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"{name!r}: expected the long name of an sbatch option, as qos")
        if name in RESERVED:
            raise ValueError(
                f"'{name}' is set by launch: time by `hours`, no-requeue by requeue: false"
            )
        if isinstance(value, str) and not re.fullmatch(r"[!-~]+", value):
            raise ValueError(
                f"{name}: {value!r}: expected printable characters without spaces; "
                "null or false leaves an option out"
            )
    return options


Options = Annotated[dict[str, str | int | bool | None], AfterValidator(_sbatch_options)]


class Resources(Config):
    """Resources of one job: one command."""

    gpus: int = Field(ge=0, le=64)  # above 1: one training, or extraction, over as many processes
    cpus: int = Field(gt=0, le=1024)  # also how many cells, clips or shards are made at once
    memory_gb: float = Field(gt=0, le=100_000, allow_inf_nan=False)
    hours: float = Field(gt=0, le=8760, allow_inf_nan=False)  # then it is queued again
    split: list[Part] = list(SPLIT)  # one job per combination; []: one per stage of a table
    partition: str | None = Field(None, pattern=r"^[!-~]+$")  # null: the cluster's default
    options: Options = {}  # further sbatch options, over the common ones

    def __str__(self) -> str:
        return f"{self.gpus} GPUs, {self.cpus} CPUs, {self.memory_gb:g} GB, {self.hours:g} h"


class ClusterParams(Config):
    """Parameters of `python -m benchmarks launch`: how it spreads the cells over jobs."""

    jobs: int = Field(gt=0, le=10_000)  # of one array at the same time
    retries: int = Field(ge=0, le=1000)  # of a job that ran out of its hours or lost a process
    setup: list[str] = []  # shell lines before a command: modules, a virtual environment
    options: Options = {}  # sbatch options of every job: account, constraint
    stages: dict[Stage, Resources]

    @field_validator("stages")
    @classmethod
    def _all_stages(cls, stages: dict[Stage, Resources]) -> dict[Stage, Resources]:
        if missing := [stage for stage in get_args(Stage) if stage not in stages]:
            raise ValueError(f"{', '.join(missing)} missing; expected {', '.join(get_args(Stage))}")
        return stages

    def resources(self, stage: Stage) -> Resources:
        """Resources of a stage, with the common options under its own."""
        resources = self.stages[stage]
        return resources.model_copy(update={"options": self.options | resources.options})
