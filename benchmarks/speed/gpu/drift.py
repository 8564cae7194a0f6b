"""Drift of the image encoder in bf16 and fp16: of its embeddings, and of a clicked mask."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from benchmarks.miniature.scenes import random_scene
from benchmarks.speed.encoder import run
from benchmarks.speed.gpu.page import Figures, GpuTable, Task
from benchmarks.speed.gpu.scale import Scale
from gavs.sam import build_sam, decode, preprocess

MINIATURE = Path(__file__).parents[3] / "weights/miniature/sam.safetensors"
TEXT = """\
Embeddings of the miniature's scenes, stored in fp16 as in a feature store, against fp32 with TF32
off; differences as % of the fp32 range (greatest less least). Flipped: % of the pixels whose mask
changes, with one click on the foremost object and the decoder in fp32; the mask's share of the
pixels beside it. Random weights draw masks of noise, whose edges are everywhere: trained ones are
what counts."""
TABLE = GpuTable(
    "drift",
    "Drift of half precision",
    TEXT,
    {
        "greatest difference, %": 3,
        "mean difference, %": 4,
        "flipped, %": 4,
        "mask, %": 1,
        "frames": 0,
    },
)


def tasks(scale: Scale, device: torch.device) -> list[Task]:
    """List one task per encoder and half precision."""
    weights = scale.params.encoders.sam.weights
    published = weights if scale.sam != "mini" and weights.is_file() else None
    encoders = {
        f"{scale.sam}, {'its published' if published else 'random'} weights": (
            scale.sam,
            published,
        ),
        "mini, the miniature's trained weights": ("mini", MINIATURE),
    }
    return [
        Task(
            TABLE.name,
            f"{name}, {precision}",
            1,
            10,
            partial(_measure, size, path, precision, scale.looks, device),
        )
        for name, (size, path) in encoders.items()
        for precision in ("bf16", "fp16")
    ]


@torch.inference_mode()
def _measure(
    size: str, weights: Path | None, precision: str, frames: int, device: torch.device
) -> Figures:
    torch.manual_seed(0)
    with torch.device(device):
        sam = build_sam(size)
        if weights is None:  # relative positions would start at zero
            for p in sam.parameters():
                p.add_(0.02 * torch.randn_like(p))
    if weights is not None:
        sam = build_sam(size, weights).to(device)
    images, clicks = scenes(frames, sam.image_encoder.img_size)
    exact, drifted = (
        torch.cat([run(sam.image_encoder, x[None].to(device), p).half().float() for x in images])
        for p in ("fp32", precision)
    )
    masks = [_mask(sam, x, clicks.to(device)) for x in (exact, drifted)]
    return {**drift(exact, drifted, *masks), "frames": frames}


def drift(exact: Tensor, drifted: Tensor, mask: Tensor, other: Tensor) -> Figures:
    """Compute differences in % of the range of `exact`, flipped and lit pixels in % of all."""
    difference, spread = (drifted - exact).abs(), exact.max() - exact.min()
    return {
        "greatest difference, %": 100 * (difference.max() / spread).item(),
        "mean difference, %": 100 * (difference.mean() / spread).item(),
        "flipped, %": 100 * (mask != other).float().mean().item(),
        "mask, %": 100 * mask.float().mean().item(),
    }


def scenes(count: int, img_size: int) -> tuple[Tensor, Tensor]:
    """Render frames for SAM (N, 3, S, S), with a click (N, 1, 2) x, y on each foremost object, in
    SAM's pixels."""
    rng = np.random.default_rng(0)
    drawn = [random_scene(rng).frame(rng) for _ in range(count)]
    visible = [np.argwhere(frame.visible[-1]) for frame in drawn]  # (y, x); not a ring's middle
    clicks = np.stack([pixels[len(pixels) // 2] + 0.5 for pixels in visible])[:, None, ::-1]
    scale = img_size / len(drawn[0].owner)
    images = preprocess([frame.image for frame in drawn], img_size)
    return images, torch.tensor(clicks * scale, dtype=torch.float32)


def _mask(sam: Sam, embedding: Tensor, clicks: Tensor) -> Tensor:
    """Decode clicked masks, (N, G, G) bool."""
    labels = torch.ones(clicks.shape[:2], device=clicks.device)
    sparse, _ = sam.prompt_encoder(points=(clicks, labels), boxes=None, masks=None)
    return decode(sam, embedding, sparse)[0][:, 0] > 0
