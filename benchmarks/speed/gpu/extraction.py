"""Images per second of SAM's image encoder, beside segment_anything's on the same machine."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.clock import Timing, timed
from benchmarks.speed.compare import greatest_difference
from benchmarks.speed.encoder import matmul_rate, operations, pair, run
from benchmarks.speed.gpu.page import Figures, GpuTable, Task
from benchmarks.speed.gpu.scale import Scale
from gavs.sizes import SAM_SIZES

TEXT = """\
Squares at SAM's input size, each way at the number of images at once that is fastest for it; fp32
with TF32 off, bf16 under autocast, as `features.precision`. The share is that of PyTorch's own
product of the MLP's size in the same precision. The difference is between the two encoders'
embeddings, over the greatest. pytorch-labs/segment-anything-fast says 92 images/s of ViT-B on an
A100, compiled, in bf16, the mask decoder included; 12.1 in fp32: theirs, not measured here.
Compiled block by block, once per kind of block."""
TABLE = GpuTable(
    "extraction",
    "Images per second of SAM's encoder",
    TEXT,
    {
        "images/s": 1,
        "at once": 0,
        "GiB": 1,
        "% of the product's rate": 0,
        "segment_anything, images/s": 1,
        "its at once": 0,
        "its GiB": 1,
        "ratio": 2,
        "difference": None,
        "s to compile": 0,
    },
)


def tasks(scale: Scale, device: torch.device) -> list[Task]:
    """List one task per encoder and precision, and the compiled one."""
    variants: list[tuple[str, str, bool, int, float]] = []
    for size, ranks in ((scale.sam, (0, 0, 5)), *((size, (7, 7, 9)) for size in scale.larger)):
        slow = 4.0 if size != scale.sam else 1.0
        variants.append((size, "fp32", False, ranks[0], 15 * slow))
        variants.append((size, "bf16", False, ranks[1], 10 * slow))
        if size == scale.sam:
            variants.append((size, "bf16", True, ranks[2], 60))
    return [
        Task(
            TABLE.name,
            f"{size}, {precision}{', compiled' if compiled else ''}",
            rank,
            seconds,
            partial(_measure, scale, size, precision, compiled, device),
        )
        for size, precision, compiled, rank, seconds in variants
    ]


@torch.inference_mode()
def _measure(
    scale: Scale, size: str, precision: str, compiled: bool, device: torch.device
) -> Figures:
    with torch.device(device):
        ours, theirs = pair(SAM_SIZES[size])
        side = SAM_SIZES[size].img_size
        frame = torch.randn(1, 3, side, side)
    flops = operations(theirs, frame)
    figures: Figures = {}
    if compiled:
        images = frame.expand(scale.compiled, -1, -1, -1).contiguous()
        figures["s to compile"] = compile_blocks(ours, images, precision, scale.backend)
        timing, at_once = timed(lambda: run(ours, images, precision), device), scale.compiled
        rate = at_once / timing.seconds
    else:
        rate, at_once, timing = fastest(ours, frame, precision, scale, device)
    reference = run(theirs, frame, precision).float()
    images = frame.expand(at_once, -1, -1, -1).contiguous()
    embeddings = run(ours, images, precision).float()  # each the same, or an index has run over
    figures |= {
        "difference": greatest_difference(embeddings, reference.expand_as(embeddings), True),
        "images/s": rate,
        "at once": at_once,
        "GiB": timing.gib,
        "% of the product's rate": 100 * flops * rate / matmul_rate(device.type, precision),
    }
    if not compiled:
        their_rate, at_once, timing = fastest(theirs, frame, precision, scale, device)
        figures |= {
            "segment_anything, images/s": their_rate,
            "its at once": at_once,
            "its GiB": timing.gib,
            "ratio": rate / their_rate,
        }
    return figures


def compile_blocks(encoder: Any, images: Tensor, precision: str, backend: str) -> float:
    """Compiles an encoder's blocks in place; the seconds of the first call, which compiles.

    Blocks of a kind share the compiled code: the encoder as a whole would take ten times as long.
    """
    torch.compiler.reset()
    for block in encoder.blocks:
        block.compile(backend=backend, dynamic=False)
    start = time.perf_counter()
    run(encoder, images, precision).float().sum().item()  # waits
    return time.perf_counter() - start


def fastest(
    encoder: Callable[[Tensor], Tensor],
    frame: Tensor,
    precision: str,
    scale: Scale,
    device: torch.device,
) -> tuple[float, int, Timing]:
    """Find the fastest number of images at once; returns images per second, number, timing.

    Stops where more at once is not faster, or doesn't fit.
    """
    best: tuple[float, int, Timing] | None = None
    for at_once in scale.batches:
        images = frame.expand(at_once, -1, -1, -1).contiguous()
        try:
            timing = timed(partial(run, encoder, images, precision), device)
        except torch.OutOfMemoryError:
            if best is None:
                raise
            break
        rate = at_once / timing.seconds
        if best is not None and rate < best[0]:
            break
        best = rate, at_once, timing
    assert best is not None, "scale.batches is never empty"
    return best
