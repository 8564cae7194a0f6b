"""Speed of TPAVI at full size, against the affinity matrix that AVSBench computes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from baselines.sam_fusion import TPAVI
from benchmarks.speed.compare import Line, compare

FRAMES, CHANNELS, AUDIO, SIDE = 10, 256, 128, 56


def lines() -> Iterator[Line]:
    """Measure one clip, and the largest tensor."""
    with torch.inference_mode():
        block, x, audio = example(SIDE)
        line = compare(
            f"TPAVI of {FRAMES} frames of {SIDE} × {SIDE}, {CHANNELS} channels",
            "the naive attention, in blocks of rows",
            lambda: block(x, audio),
            lambda: naive(block, x, audio),
            wanted=20,
            bound=1e-5,
            repeats=3,
        )
        whole, quarter = (
            largest_tensor(block, *inputs) for block, *inputs in (example(SIDE), example(SIDE // 2))
        )
        matrix = (FRAMES * SIDE * SIDE) ** 2 * x.element_size()
        said = (
            f"largest tensor {whole / 1e6:.0f} MB, of a quarter of the pixels "
            f"{quarter / 1e6:.0f} MB, the matrix {matrix / 1e6:.0f} MB"
        )
        linear = whole <= 1.1 * 4 * quarter  # memory, in pixels
        fast = linear and line.ratio >= (line.wanted or 0)
        yield replace(line, remark="; ".join(filter(None, [line.remark, said])), fast=fast)


def example(side: int) -> tuple[TPAVI, Tensor, Tensor]:
    """Build a block with a trained one's gain; returns inputs (1, T, C, h, w), (1, T, A) too."""
    torch.manual_seed(0)
    block = TPAVI(CHANNELS, AUDIO).eval()
    torch.nn.init.ones_(block.out_norm.weight)  # the published 0 would hide the audio path
    shape = (1, FRAMES, CHANNELS, side, side)
    return block, torch.randn(shape), torch.randn(1, FRAMES, AUDIO)


def naive(block: TPAVI, x: Tensor, audio: Tensor, rows: int = 4096) -> Tensor:
    """Compute the published form: the affinity of every pixel of a clip to every other, their sum.

    Args:
        rows: rows of the matrix in memory at a time.
    """
    B, T, C, h, w = x.shape
    n = T * h * w
    pixels = x.permute(0, 1, 3, 4, 2).reshape(B, n, C)
    spread = block.audio(audio)[:, :, None, None].expand(B, T, h, w, C).reshape(B, n, C)
    key, value = block.phi(spread).transpose(1, 2), block.g(pixels)
    read = [q @ key / n @ value for q in block.theta(pixels).split(rows, dim=1)]
    y = block.out_norm(block.out(torch.cat(read, dim=1)).transpose(1, 2)).transpose(1, 2)
    return block.norm(pixels + y).view(B, T, h, w, C).permute(0, 1, 4, 2, 3)


def largest_tensor(function: Callable[..., Tensor], *inputs: Tensor) -> int:
    """Bytes of the largest tensor that a call makes."""
    with _Largest() as largest:
        function(*inputs)
    return largest.bytes


class _Largest(TorchDispatchMode):
    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        out = func(*args, **(kwargs or {}))
        sizes = [t.numel() * t.element_size() for t in tree_leaves(out) if isinstance(t, Tensor)]
        self.bytes = max([self.bytes, *sizes])
        return out
