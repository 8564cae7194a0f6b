"""Speed of SAM ViT-B's image encoder at 1024, against segment_anything's with its parameters."""

import copy
import math
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
from benchmarks.speed.machine import instruction_sets
from gavs.sam import build_sam
from gavs.sizes import SAM_SIZES, SamSize

LEAST = {True: 2.0, False: 1.5}  # ratio in fp32, with AVX-512 and without
SHARE = {"fp32": 0.7, "bf16": 0.65}  # least, of the matrix product's rate
BF16 = ("AVX512-BF16", "AMX-BF16")
AGAINST = "segment_anything's own in fp32"
WHAT = "SAM ViT-B's encoder on a frame at 1024"
MATRICES = (4096, 768, 3072)  # of the product whose rate is measured: the first of an MLP


def lines() -> Iterator[Line]:
    """Measure one frame in fp32 and bf16: the ratio, and the share of the product's rate."""
    size, sets = SAM_SIZES["vit_b"], instruction_sets()
    with torch.inference_mode():
        ours, theirs = pair(size)
        frame = torch.randn(1, 3, size.img_size, size.img_size)
        flops = operations(theirs, frame)
        for precision, bound in (("fp32", 1e-4), ("bf16", None)):
            what = f"{WHAT}, {precision}"
            rate_of = f"the {precision} matmul rate"
            if precision == "bf16" and not {*BF16} & {*sets}:
                yield Line(what, rate_of, SHARE[precision], remark=f"needs {' or '.join(BF16)}")
                continue
            line = compare(
                what,
                AGAINST,
                partial(run, ours, frame, precision),
                partial(run, theirs, frame, "fp32"),
                wanted=LEAST["AVX-512" in sets] if precision == "fp32" else None,
                bound=bound,
                relative=True,
                repeats=3,
                seconds=40,
            )
            drift = "" if bound else "the difference is bf16's drift; its mIoU: dispersion.md"
            yield replace(line, remark="; ".join(filter(None, [line.remark, drift])))
            if not line.seconds:
                continue
            rates = [matmul_rate("cpu", precision) for _ in range(3)]
            shares = [flops / line.seconds[0] / rate for rate in rates]
            remark = f"{median(rates) / 1e9:.0f} GF/s, the better of MKL's and oneDNN's"
            yield replace(
                line,
                against=rate_of,
                wanted=SHARE[precision],
                ratio=median(shares),
                spread=(min(shares), max(shares)),
                seconds=(line.seconds[0], flops / median(rates)),
                remark=remark,
            )


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
    """Measure the operations per second of a matrix product at the encoder's size.

    On a CPU in fp32 it is the better of MKL's and oneDNN's: which one is depends on the CPU.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    rows, inner, columns = MATRICES
    x, weight = (torch.randn(n, inner, device=device, dtype=dtype) for n in (rows, columns))
    products = [lambda: nn.functional.linear(x, weight)]
    if device == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available():
        image, kernel = x.T[None, :, None].contiguous(), weight[:, :, None, None]
        products.append(lambda: nn.functional.conv2d(image, kernel))  # which is oneDNN's
    calls = 1 if device == "cpu" else 20  # a launch takes as long as a GPU's product
    best = math.inf
    for product in products:
        times = []
        for _ in range(7):
            start = perf_counter()
            for _ in range(calls):
                product()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append((perf_counter() - start) / calls)
        best = min(best, median(times))
    return 2 * rows * inner * columns / best
