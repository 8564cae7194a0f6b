"""Several processes that share one command, as torchrun or srun starts them, and their devices."""

import os
from dataclasses import dataclass

import torch

_VARIABLES = (  # srun's: not those that a batch script sees, which is alone
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
)


class DeviceError(ValueError):
    """A device is asked for that this machine lacks."""


@dataclass(frozen=True)
class Rank:
    """One of `size` processes; `local` is its number on its machine."""

    number: int = 0
    size: int = 1
    local: int = 0

    def gpu(self) -> int:
        """Number of its GPU on its machine; srun may show each process its own alone."""
        return self.local % torch.cuda.device_count()


def this_rank() -> Rank:
    """This process's rank by the environment; one process alone if it says nothing."""
    for names in _VARIABLES:
        if all(name in os.environ for name in names):
            return Rank(*(int(os.environ[name]) for name in names))
    return Rank()


def devices(device: str, rank: Rank) -> list[torch.device]:
    """The devices to encode on: every GPU for a process alone, else one for each of a machine's.

    CUDA is not initialised: a worker couldn't be forked any more.

    Raises:
        DeviceError: a GPU is asked for that isn't there.
    """
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    if device == "cpu" or (device == "auto" and not gpus):
        return [torch.device("cpu")]
    number = torch.device("cuda" if device == "auto" else device).index
    if not gpus or (number or 0) >= gpus:
        raise DeviceError(
            f"device: {device}, but this machine has {gpus} GPUs; cpu and auto will do"
        )
    if number is not None:
        numbers = [number]
    else:
        numbers = [rank.gpu()] if rank.size > 1 else range(gpus)
    return [torch.device("cuda", n) for n in numbers]
