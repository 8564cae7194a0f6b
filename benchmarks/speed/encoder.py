"""SAM ViT-B's image encoder at 1024 against segment_anything's own with the same parameters."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from time import perf_counter

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.compare import Line, compare
from gavs.sam import SAM_SIZES, SamSize, build_sam

# of the matrix product's rate: on a CPU in place of the ratio, on CUDA besides it
CPU_SHARE, CUDA_SHARE = 0.6, 0.5
WHAT = "SAM ViT-B's encoder on a frame at 1024"
MATRICES = (4096, 768, 3072)  # the product whose rate is the measure: the first of an MLP


def lines() -> Iterator[Line]:
    size = SAM_SIZES["vit_b"]
    with torch.inference_mode():
        ours, theirs = pair(size)
        frame = torch.randn(1, 3, size.img_size, size.img_size)
        flops = operations(theirs, frame)
        for device in ("cpu", "cuda"):
            yield from _on(device, ours, theirs, frame, flops)


def _on(
    device: str, ours: nn.Module, theirs: nn.Module, frame: Tensor, flops: int
) -> Iterator[Line]:
    cpu = device == "cpu"
    # ours in, theirs in, least ratio, greatest relative difference
    wanted = [
        ("fp32", "fp32", 1.6 if cpu else None, 1e-4),
        ("bf16", "fp32", 5.0 if cpu else 6.0, None),
    ]
    if not cpu:
        wanted.append(("bf16", "bf16", 2.0, None))
    available = cpu or torch.cuda.is_available()
    if available:
        ours, theirs, frame = (x.to(device) for x in (ours, theirs, frame))
    for mine, other, ratio, bound in wanted:
        what = f"{WHAT}, {device.upper()} {mine}"
        against = f"segment_anything's own in {other}"
        why = None if available else "no CUDA here"
        if cpu and mine == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            why = "no bf16 on this CPU"
        if why:
            yield Line.not_run(what, against, ratio, why)
            continue
        line = compare(
            what,
            against,
            partial(run, ours, frame, mine),
            partial(run, theirs, frame, other),
            wanted=ratio,
            bound=bound,
            relative=True,
            repeats=3 if cpu else 20,
        )
        rate = matmul_rate(device, mine)
        share = flops / line.seconds[0] / rate if line.seconds else 0.0
        drift = "" if bound else "; the difference is bf16's drift; its mIoU: dispersion.md"
        said = f"{share:.0%} of the {mine} matmul rate, {rate / 1e9:.0f} GF/s{drift}"
        fast = None
        if cpu and mine == "fp32":
            fast = line.ratio >= ratio or share >= CPU_SHARE
        elif not cpu and mine == "bf16":
            fast = line.ratio >= ratio and share >= CUDA_SHARE
        yield replace(line, remark="; ".join(filter(None, [line.remark, said])), fast=fast)


def pair(size: SamSize) -> tuple[nn.Module, nn.Module]:
    """Our encoder and segment_anything's with the same parameters, which all matter."""
    torch.manual_seed(0)
    ours = build_sam(size).image_encoder
    for p in ours.parameters():  # relative positions would start at zero
        p.data.add_(0.02 * torch.randn_like(p))
    theirs = ImageEncoderViT(
        size.img_size,
        size.patch,
        embed_dim=size.dim,
        depth=size.depth,
        num_heads=size.heads,
        mlp_ratio=size.mlp_ratio,
        out_chans=size.out,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=size.window > 0,
        window_size=size.window,
        global_attn_indexes=size.global_blocks,
    )
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs.eval().requires_grad_(False)


def operations(encoder: nn.Module, frame: Tensor) -> int:
    """Floating point operations of a pass, without computing it."""
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(encoder).to("meta")(frame.to("meta"))
    return counter.get_total_flops()


def run(encoder: Callable[[Tensor], Tensor], frame: Tensor, precision: str) -> Tensor:
    """The embedding in the precision that `features.precision` names."""
    with torch.autocast(frame.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return encoder(frame)


def matmul_rate(device: str, precision: str) -> float:
    """Floating point operations a second of PyTorch's own product at the encoder's size."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    rows, inner, columns = MATRICES
    x, weight = (torch.randn(n, inner, device=device, dtype=dtype) for n in (rows, columns))
    times, calls = [], 1 if device == "cpu" else 20  # a launch takes as long as a GPU's product
    for _ in range(11):
        start = perf_counter()
        for _ in range(calls):
            nn.functional.linear(x, weight)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((perf_counter() - start) / calls)
    return 2 * rows * inner * columns / median(times)
