"""The block `cluster` of params.yaml: what one job of each stage gets."""

from typing import Literal, get_args

from pydantic import Field

from gavs.method import Config

Stage = Literal["data", "features", "train", "score", "few_shot"]
Part = Literal["row", "benchmark", "seed"]  # of a table's stage, as `run` selects it
SPLIT = get_args(Part)


class Resources(Config):
    """Of one job: a command of a stage."""

    gpus: int = Field(ge=0)  # above 1: one training, or extraction, over as many processes
    cpus: int = Field(gt=0)  # also how many cells, clips or shards a job has side by side
    memory_gb: float = Field(gt=0)
    hours: float = Field(gt=0)  # Slurm's limit; what isn't ready by then continues in another go
    split: list[Part] = list(SPLIT)  # a job for each combination; [] is one for a table's stage
    partition: str | None = None  # null: the cluster's default
    options: dict[str, str | int | bool] = {}  # further sbatch options, over the common ones

    def __str__(self) -> str:
        return f"{self.gpus} GPUs, {self.cpus} CPUs, {self.memory_gb:g} GB, {self.hours:g} h"


class ClusterParams(Config):
    """How `python -m benchmarks launch` spreads the cells."""

    jobs: int = Field(gt=0)  # of one array at the same time
    retries: int = Field(ge=0)  # of a job that ran out of its hours or lost a process
    setup: list[str] = []  # shell lines before a command: modules, a virtual environment
    options: dict[str, str | int | bool] = {}  # sbatch options of every job: account, constraint
    stages: dict[Stage, Resources]

    def resources(self, stage: Stage) -> Resources:
        """Of a stage, with the common options under its own."""
        own = self.stages[stage]
        return own.model_copy(update={"options": self.options | own.options})
