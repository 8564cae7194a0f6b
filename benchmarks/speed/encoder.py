"""Speed of SAM ViT-B's image encoder at 1024, against segment_anything's with its parameters."""

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
from gavs.sam import build_sam
from gavs.sizes import SAM_SIZES, SamSize

SHARE = 0.6  # of the matrix product's rate: enough, whatever the ratio
WHAT = "SAM ViT-B's encoder on a frame at 1024"
MATRICES = (4096, 768, 3072)  # of the product whose rate is measured: the first of an MLP


def lines() -> Iterator[Line]:
    """Measure one frame in fp32 and bf16."""
    size = SAM_SIZES["vit_b"]
    with torch.inference_mode():
        ours, theirs = pair(size)
        frame = torch.randn(1, 3, size.img_size, size.img_size)
        flops = operations(theirs, frame)
        # our precision, least ratio, greatest relative difference
        for precision, ratio, bound in (("fp32", 1.6, 1e-4), ("bf16", 5.0, None)):
            what, against = f"{WHAT}, CPU {precision}", "segment_anything's own in fp32"
            if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
                yield Line.not_run(what, against, ratio, "needs a CPU with bf16")
                continue
            line = compare(
                what,
                against,
                partial(run, ours, frame, precision),
                partial(run, theirs, frame, "fp32"),
                wanted=ratio,
                bound=bound,
                relative=True,
                repeats=3,
            )
            rate = matmul_rate("cpu", precision)
            share = flops / line.seconds[0] / rate if line.seconds else 0.0
            drift = "" if bound else "; the difference is bf16's drift; its mIoU: dispersion.md"
            rates = f"{share:.0%} of the {precision} matmul rate, {rate / 1e9:.0f} GF/s{drift}"
            fast = line.ratio >= ratio or share >= SHARE if precision == "fp32" else None
            yield replace(line, remark="; ".join(filter(None, [line.remark, rates])), fast=fast)


def pair(size: SamSize) -> tuple[nn.Module, nn.Module]:
    """Build our encoder and segment_anything's with the same parameters, none of them zero."""
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
    """Count the floating point operations of a pass, without computing it."""
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(encoder).to("meta")(frame.to("meta"))
    return counter.get_total_flops()


def run(encoder: Callable[[Tensor], Tensor], frame: Tensor, precision: str) -> Tensor:
    """Embed a frame in the precision that `features.precision` names."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    with torch.autocast(frame.device.type, dtype, enabled=precision != "fp32"):
        return encoder(frame)


def matmul_rate(device: str, precision: str) -> float:
    """Measure the operations per second of PyTorch's matrix product at the encoder's size."""
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
