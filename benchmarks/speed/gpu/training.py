"""Training step of every method at the paper profile's sizes, on random inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from benchmarks.params import Row
from benchmarks.preflight.trial import UntrainedEncoders, random_batch
from benchmarks.speed.clock import release, timed
from benchmarks.speed.gpu.page import Figures, GpuTable, Task
from benchmarks.speed.gpu.scale import Scale
from benchmarks.training.loop import OPTIMIZERS, count_parameters

SECONDS = 10  # of a clip of V2
TEXT = """\
Of the paper profile's configuration, batch and optimiser on V2 (clips of 10 frames for methods
that see whole clips, else single frames; the localisers: frames of VGG-Sound), all phases thawed,
deterministic algorithms as the trainer asks for; inputs are on the GPU already. Random weights
and inputs of true shapes. The row's own precision first: `amp` is bf16 autocast."""
TABLE = GpuTable(
    "training",
    "One training step",
    TEXT,
    {
        "samples": 0,
        "frames": 0,
        "ms": 1,
        "frames/s": 0,
        "GiB": 1,
        "trained, million": 2,
    },
)


def rows_of(scale: Scale) -> list[Row]:
    """List the rows of Table 1 and the localisers, without the oracle and rows of equal cost."""
    tables = scale.params.tables
    names = [*tables.table1.gavs, *tables.table1.published, *tables.table1.controlled]
    rows = [scale.params.row(name, "v2") for name in names if name != "gavs_released_fixed"]
    rows += [scale.params.row(name, "vggss") for name in tables.table3.in_set]
    return [row for row in rows if not row.method_config.oracle]


def tasks(scale: Scale, device: torch.device) -> list[Task]:
    """List two tasks per row: in its precision, then in the other."""
    return [
        Task(
            TABLE.name,
            f"{row.name}, {'amp' if amp else 'fp32'}",
            2 if amp == row.training.amp else 6,
            10,
            partial(_measure, scale, row, amp, device),
        )
        for row in rows_of(scale)
        for amp in (row.training.amp, not row.training.amp)
    ]


def _measure(scale: Scale, row: Row, amp: bool, device: torch.device) -> Figures:
    with torch.device(device):
        encoders = UntrainedEncoders(scale.params.encoders, scale.params.audio)
        method = row.cls(row.method_config, encoders)
    method.to(device).train()
    method.start_epoch(row.training.epochs - 1)  # the last phase
    seconds = SECONDS if row.by_clip else 1
    whole = row.training.batch_samples(row.by_clip, seconds)
    samples = min(whole, scale.batch or whole)
    groups = method.parameter_groups()
    for group in groups:
        group.pop("lr_scale", None)
    optimizer = OPTIMIZERS[row.training.optimizer](groups, lr=0.0)  # the same step every time

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            loss: Any = sum(method.loss(method(batch), batch).values())
        loss.backward()
        if row.training.clip_grad:
            torch.nn.utils.clip_grad_norm_(method.parameters(), row.training.clip_grad)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step()
        loss.item()  # as the trainer, which watches it

    remark = ""
    with as_the_trainer():
        while True:
            with torch.device(device):
                batch = random_batch(scale.params, method, samples, seconds).to(device)
            try:
                timing = timed(step, device, scale.calls)
                break
            except torch.OutOfMemoryError:
                if samples == 1:
                    raise
            del batch
            optimizer.zero_grad()
            release()
            samples, remark = samples // 2, f"{whole} samples don't fit"
    return {
        "samples": samples,
        "frames": samples * seconds,
        "ms": 1000 * timing.seconds,
        "frames/s": samples * seconds / timing.seconds,
        "GiB": timing.gib,
        "trained, million": count_parameters(method)[0] / 1e6,
        "remark": remark,
    }


@contextmanager
def as_the_trainer() -> Iterator[None]:
    """Use deterministic algorithms where there are any, as `grid.models.trained` does."""
    before = torch.are_deterministic_algorithms_enabled()
    settings: Any = torch.utils.deterministic
    filled = settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = filled
