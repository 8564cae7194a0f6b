"""Comparisons of two ways to one result on the device: outputs, then times in turn."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.speed import tpavi
from benchmarks.speed.compare import Line, compare
from benchmarks.speed.encoder import pair
from benchmarks.speed.gpu.page import Figures, GpuTable, Task
from benchmarks.speed.gpu.scale import Scale
from benchmarks.speed.steps import EXACT, RELEASED, Step
from gavs import image_encoder
from gavs.sam import build_sam
from gavs.sizes import SAM_SIZES

PAIRS = 5
paired = partial(compare, "", wanted=None)  # of a row that has its name already
TEXT = """\
In fp32 with TF32 off, random weights; in turn on the same inputs. The difference is the greatest
of all outputs over the greatest magnitude of that output; above the bound nothing is timed. The
bound is ten times the CPU's where sums over a million pixels are taken in another order each
time."""
TABLE = GpuTable(
    "paths",
    "Two ways to one result",
    TEXT,
    {
        "against": None,
        "ratio": 2,
        "from": 2,
        "to": 2,
        "ms": 2,
        "reference, ms": 2,
        "difference": None,
        "bound": None,
    },
)


def tasks(scale: Scale, device: torch.device) -> list[Task]:
    """List the tasks: stored features, frames at once, TPAVI, both devices, the encoder's MLP."""
    n, name = scale.frames, scale.sam
    comparisons: list[tuple[str, Callable[..., Line], float]] = [
        (f"GAVS step of {n} frames on stored features, {name}", stored_features, 15),
        (f"GAVS step of {n} frames at once, the same loss, {name}", same_loss, 15),
        (f"GAVS step of {n} frames at once, the default loss, {name}", default_loss, 15),
        (f"TPAVI of {tpavi.FRAMES} frames of {scale.tpavi_side}² in low rank", low_rank, 10),
        (f"GAVS's forward of {n} frames, {name}", other_device, 15),
        (f"{name}'s encoder, each MLP whole", whole_mlp, 15),
    ]
    return [
        Task(TABLE.name, label, 3, seconds, partial(_measure, measure, scale, device))
        for label, measure, seconds in comparisons
    ]


def _measure(measure: Callable[..., Line], scale: Scale, device: torch.device) -> Figures:
    torch.manual_seed(0)
    line = measure(scale, device)
    least, most = line.spread
    ours, reference = line.seconds or (None, None)
    return {
        "against": line.against,
        "ratio": line.ratio if line.seconds else None,
        "from": least if line.seconds else None,
        "to": most if line.seconds else None,
        "ms": ours and 1000 * ours,
        "reference, ms": reference and 1000 * reference,
        "difference": line.difference,
        "bound": line.bound,
        "remark": line.remark,
    }


def stored_features(scale: Scale, device: torch.device) -> Line:
    """Compare a step on features from a store with the encoder in the loop."""
    with torch.device(device):
        sam = build_sam(scale.sam)
        sam.image_encoder, original = pair(SAM_SIZES[scale.sam])
    step = Step(sam, scale.frames, EXACT, device)
    rows = np.arange(scale.frames)
    with TemporaryDirectory() as folder:
        store = step.stored(Path(folder) / "store")
        return paired(
            "segment_anything's encoder in the loop, frame by frame, as released",
            lambda: step.batched(store, rows)[:1],
            lambda: step.released(original)[:1],
            bound=1e-3,
            relative=True,
            repeats=3,
            remark="of the losses; features in fp16, read from the system's cache",
        )


def same_loss(scale: Scale, device: torch.device) -> Line:
    """Compare a step with the released code's, with its loss."""
    step = _step(scale, EXACT, device)
    return paired(
        RELEASED,
        step.batched,
        step.released,
        bound=1e-3,
        relative=True,
        repeats=PAIRS,
        remark="of the loss and every gradient",
    )


def default_loss(scale: Scale, device: torch.device) -> Line:
    """Compare a step with the released code's, with the default loss."""
    default, exact = _step(scale, {}, device), _step(scale, EXACT, device)
    return paired(
        RELEASED,
        lambda: default.batched()[:1],
        lambda: exact.released()[:1],
        bound=None,
        repeats=PAIRS,
        remark="losses on different grids: not the same number",
    )


def _step(scale: Scale, config: dict, device: torch.device) -> Step:
    with torch.device(device):
        sam = build_sam(scale.sam)
    return Step(sam, scale.frames, config, device)


@torch.inference_mode()
def low_rank(scale: Scale, device: torch.device) -> Line:
    """Compare TPAVI in low rank with the affinity matrix."""
    block, *inputs = tpavi.example(scale.tpavi_side)
    block, (x, audio) = block.to(device), (value.to(device) for value in inputs)
    return paired(
        "the affinity of every pixel to every other, in blocks of rows",
        lambda: block(x, audio),
        lambda: tpavi.naive(block, x, audio),
        bound=1e-4,
        relative=True,
        repeats=PAIRS,
    )


@torch.inference_mode()
def other_device(scale: Scale, device: torch.device) -> Line:
    """Compare the device with the CPU, same weights and inputs."""
    here = _step(scale, {}, device)
    there, batch = copy.deepcopy(here.method).cpu(), here.batch.to("cpu")
    return paired(
        f"the same on {torch.get_num_threads()} CPU thread(s)",
        lambda: here.method(here.batch).logits,
        lambda: there(batch).logits,
        bound=1e-4,
        relative=True,
        repeats=2,
        remark="of the mask logits",
    )


@torch.inference_mode()
def whole_mlp(scale: Scale, device: torch.device) -> Line:
    """Compare whole MLPs with pieces of rows, which fit a CPU's cache and slow a GPU."""
    with torch.device(device):
        encoder, _ = pair(SAM_SIZES[scale.sam])
        side: Any = encoder.img_size
        images = torch.randn(scale.compiled, 3, side, side)

    def whole() -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return encoder(images).float()

    def in_pieces() -> torch.Tensor:
        rule = image_encoder.pieces
        image_encoder.pieces = lambda rows: rows.split(image_encoder.CHUNK_ROWS)
        try:
            return whole()
        finally:
            image_encoder.pieces = rule

    return paired(
        f"in pieces of {image_encoder.CHUNK_ROWS} rows, as on a CPU",
        whole,
        in_pieces,
        bound=5e-2,
        relative=True,
        repeats=PAIRS,
        remark=f"bf16, {scale.compiled} images at once",
    )
