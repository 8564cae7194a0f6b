"""One training, scoring or extraction over several processes, the ranks of torchrun or srun.

The batch stays what params.yaml says: each rank predicts its share of it, the predictions are put
together, and every rank takes the loss of the whole. So contrast between clips, averages over
frames and matching are what one process computes, and batch norms take the whole batch's
statistics. What differs is rounding, and the draws of dropout, noise and augmentation, which every
rank makes for its own share.

With one process everything here does nothing.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine import dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.common.ranks import this_rank
from gavs.method import Batch, Method, Prediction

Item = TypeVar("Item")
Result = TypeVar("Result")
PATIENCE = timedelta(days=7)  # a rank may wait for another job that trains the same model


@contextmanager
def ranks(device: str) -> Iterator[None]:
    """Join the other processes, if torchrun or srun started several on this machine.

    Args:
        device: of params.yaml. On CUDA each rank takes the GPU of its number.

    Raises:
        ValueError: srun started them on several machines.
    """
    rank = this_rank()
    if rank.size == 1:
        yield
        return
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank.gpu())
    torch.distributed.init_process_group(
        "nccl" if cuda else "gloo",
        init_method=_meeting_place(),
        rank=rank.number,
        world_size=rank.size,
        timeout=PATIENCE,
    )
    if not first():
        logging.getLogger().setLevel(logging.WARNING)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _meeting_place() -> str:
    if "MASTER_ADDR" in os.environ:  # torchrun's
        return "env://"
    if int(os.environ.get("SLURM_STEP_NUM_NODES", 1)) > 1:
        raise ValueError("srun over several machines: one training has one, see docs/cluster.md")
    return f"tcp://127.0.0.1:{20_000 + int(os.environ['SLURM_JOB_ID']) % 10_000}"


def several() -> bool:
    """True if more than one process trains this model."""
    return dist.get_world_size() > 1


def size() -> int:
    """Number of processes that train this model."""
    return dist.get_world_size()


def first() -> bool:
    """True on the rank that writes the files."""
    return dist.get_rank() == 0


def own_draws() -> list[int]:
    """Numbers that this rank adds to the seeds of its share's random draws."""
    return [dist.get_rank()] if several() else []


def wait() -> None:
    """Wait until every rank has come here."""
    dist.barrier()


def share(items: np.ndarray) -> np.ndarray:
    """This rank's part of a batch; the parts of all ranks in order make the whole.

    Raises:
        ValueError: there isn't an item for every rank.
    """
    if not several():
        return items
    if len(items) < dist.get_world_size():
        raise ValueError(
            f"a batch of {len(items)} can't be shared by {dist.get_world_size()} processes: start "
            "fewer, or raise training.batch_clips (of methods that see clips) or batch_frames"
        )
    return np.array_split(items, dist.get_world_size())[dist.get_rank()]


def spread(items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """`work` of every item, in their order, on every rank; each does its part of it.

    An item is worked on whole, so the results are those of one process, bit for bit.
    """
    size = dist.get_world_size()
    parts = dist.all_gather_object([work(item) for item in items[dist.get_rank() :: size]])
    return [parts[i % size][i // size] for i in range(len(items))]


def whole(
    method: Method, prediction: Prediction, batch: Batch, size: int
) -> tuple[Prediction, Batch]:
    """All ranks' predictions and batches as one of `size` samples, without its features."""
    if not several():
        return prediction, batch
    counts = [len(part) for part in np.array_split(range(size), dist.get_world_size())]
    tensors = {k: _gather(v, counts, 0) for k, v in vars(batch).items() if isinstance(v, Tensor)}
    aux = {k: _gather(v, counts, int(k in method.layered)) for k, v in prediction.aux.items()}
    logits = _gather(prediction.logits, counts, 0)
    return Prediction(logits, aux), replace(batch, features={}, **tensors)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over ranks: of a loss that all share, by way of `whole`, that is its gradient."""
    if not several():
        return
    trained = [p for p in parameters if p.requires_grad]
    used = torch.tensor([p.grad is not None for p in trained], device=trained[0].device).byte()
    dist.all_reduce(used, "max")
    trained = [p for p, anywhere in zip(trained, used.tolist(), strict=True) if anywhere]
    for p in trained:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    dist.all_reduce_params([p.grad for p in trained], op="mean")


def sync_batch_norms(module: nn.Module) -> None:
    """Batch norms in training mode take all ranks' statistics; torch's own do so on CUDA only."""
    for norm in module.modules():
        if several() and isinstance(norm, _BatchNorm):
            norm.forward = partial(_normalise, norm)  # type: ignore[method-assign]  # its own


def _normalise(norm: Any, x: Tensor) -> Tensor:
    """(N, C, ...) by the mean and variance over every dimension but C, and over ranks."""
    if not norm.training:
        return type(norm).forward(norm, x)
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    dims = [d for d in range(x.dim()) if d != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    count = wide.new_full((1,), wide.numel() / wide.shape[1])
    sums = _Sum.apply(torch.cat([wide.sum(dims), count]))  # (C + 1,)
    count = sums[-1]
    mean = sums[:-1] / count
    centred = wide - mean.view(shape)
    variance = _Sum.apply(centred.square().sum(dims)) / count
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
    out = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.weight is not None:
        out = out * norm.weight.view(shape) + norm.bias.view(shape)
    return out.to(x.dtype)


class _Sum(torch.autograd.Function):
    """Sum over ranks; the gradient sums what all ranks do with it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class _Gather(torch.autograd.Function):
    """All ranks' tensors one after the other along a dimension."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, sizes: list[int], dim: int) -> Tensor:
        ctx.place = dim, sum(sizes[: dist.get_rank()]), part.shape[dim]
        shape = list(part.shape)
        shape[dim] = sum(sizes)
        full = part.new_zeros(shape)
        full.narrow(*ctx.place).copy_(part)
        dist.all_reduce(full)
        return full

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # Every rank takes the same loss of the same tensor: the sum over ranks is a multiple.
        return dist.get_world_size() * gradient.narrow(*ctx.place), None, None


def _gather(part: Tensor, counts: list[int], dim: int) -> Tensor:
    """`counts` are the ranks' clips; the dimension may count the frames of each."""
    each = part.shape[dim] // counts[dist.get_rank()]
    if part.dtype == torch.bool:
        return _gather(part.byte(), counts, dim).bool()
    return _Gather.apply(part, [each * count for count in counts], dim)
