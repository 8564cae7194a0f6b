"""Pretraining of the small SAM: masks of any visible thing from a click, a box or a coarse mask.

Recipe of Segment Anything (Kirillov et al. 2023), except for BCE in place of the focal term, no
iterated clicks, and one addition: a 1x1 head on the image embedding names shape and texture of the
object under each cell and is dropped afterwards. It stands for the semantics that SAM's encoder has
from its MAE pretraining, without which prompts by sound find little to hold on to.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.miniature.pretrain.common import (
    HELD_OUT,
    LEAST_AREA,
    SIZE,
    PretrainConfig,
    fit,
    render_scenes,
    turned,
    write_half,
)
from benchmarks.miniature.scenes import SHAPES, TEXTURES
from gavs.sam import PIXEL_MEAN, PIXEL_STD, build_sam, decode

CONFIG = PretrainConfig(
    pool=20_000, steps=8_000, batch=8, lr=1e-3, semantic_weight=0.3, bfloat16=True
)
PER_IMAGE = 3  # prompts
SHARES = (0.55, 0.25)  # of the prompts that are clicks and boxes; the rest are masks
HELD_OUT_SCENES = 320
MASK = SIZE // 2  # side of the predicted masks: four times that of the embedding


def normalised(images: Tensor) -> Tensor:
    """Normalise (N, 3, 96, 96) uint8 RGB as SAM's input."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    return (images - mean) / std


def random_clicks(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a pixel of each (N, S, S) mask: (N, 1, 2) x, y in SAM's input pixels."""
    side = masks.shape[-1]
    rank = masks.flatten(1).cumsum(1)  # (N, S S) 1 at the first pixel of a mask, 2 at the second
    target = torch.rand(len(masks), 1, generator=generator) * rank[:, -1:]
    pixel = torch.searchsorted(rank, target, right=True)  # (N, 1)
    return torch.stack([pixel % side, pixel // side], -1) * (SIZE / side)


def boxes(masks: Tensor) -> Tensor:
    """Boxes (N, 4) x0, y0, x1, y1 around each (N, S, S) mask, in SAM's input pixels."""
    side = masks.shape[-1]
    edges = []
    for axis in (-2, -1):  # x, y
        hit = masks.amax(axis)  # (N, S)
        edges.append((hit.argmax(1), side - hit.flip(1).argmax(1)))
    (x0, x1), (y0, y1) = edges
    return torch.stack([x0, y0, x1, y1], 1) * (SIZE / side)


def coarse_masks(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Draw mask prompts (N, 1, 48, 48): masks shifted, scaled, with ragged edges, as logits."""
    n = len(masks)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    zoom, shift = uniform(0.8, 1.25, 1), uniform(-0.08, 0.08, 2)  # shift of half the frame's side
    affine = torch.diag_embed(zoom.expand(-1, 2))
    # Scaling is about the mask's own centre, else it would also move it.
    side = masks.shape[-1]
    axis = (torch.arange(side) + 0.5) / (side / 2) - 1
    area = masks.sum((1, 2))
    centre = torch.stack([(masks.sum(d) * axis).sum(1) / area for d in (1, 2)], 1)
    offset = centre * (1 - zoom) + shift
    grid = F.affine_grid(torch.cat([affine, offset[..., None]], 2), [n, 1, MASK, MASK], False)
    moved = F.grid_sample(masks[:, None], grid, align_corners=False)
    ragged = F.interpolate(uniform(-0.7, 0.7, 1, 12, 12), (MASK, MASK), mode="bicubic")
    return uniform(2, 12, 1, 1, 1) * (2 * moved - 1 + ragged)


def mask_losses(logits: Tensor, target: Tensor) -> Tensor:
    """5 BCE + dice, (N, M), of logits (N, M, h, w) and shares of covered pixels (N, 1, h, w)."""
    target = target.expand_as(logits)
    bce = (F.softplus(logits) - target * logits).mean((2, 3))
    p = logits.sigmoid()
    dice = 1 - (2 * (p * target).sum((2, 3)) + 1) / ((p + target).sum((2, 3)) + 1)
    return 5 * bce + dice


def iou(predicted: Tensor, target: Tensor) -> Tensor:
    """IoU of pairs of bool masks: (..., h, w) -> (...)."""
    intersection, union = (predicted & target).sum((-2, -1)), (predicted | target).sum((-2, -1))
    return intersection / union.clamp(min=1)


def prompt_and_decode(
    sam: nn.Module, embeddings: Tensor, clicks: Tensor, corners: Tensor, coarse: Tensor
) -> tuple[Tensor, Tensor]:
    """Decode masks (N, 4, 48, 48) and IoU estimates for clicks, then boxes, then mask prompts.

    `embeddings` are in this order; any of the three kinds of prompts may be empty.
    """
    encoder: Any = sam.prompt_encoder
    n_sparse = len(clicks) + len(corners)
    ones = torch.ones(len(clicks), 1)
    by_click, _ = encoder(points=(clicks, ones), boxes=None, masks=None)
    by_box, _ = encoder(points=None, boxes=corners, masks=None)
    _, by_mask = encoder(points=None, boxes=None, masks=coarse)
    parts = [
        decode(sam, embeddings[:n_sparse], torch.cat([by_click, by_box]), multimask=None),
        decode(sam, embeddings[n_sparse:], dense=by_mask, multimask=None),
    ]
    logits, estimates = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(estimates)


def semantic_loss(logits: Tensor, owner: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of shape plus texture at the cells whose centre shows an object.

    Args:
        logits: (B, 6 + 4, h, w).
        owner: (B, S, S) thing seen at each pixel, -1 background.
        labels: (B, K) class of each thing, negative for a thing without one.
    """
    cells, side = logits.shape[-1], owner.shape[-1]
    centre = ((torch.arange(cells) + 0.5) * side / cells).long()
    seen = owner[:, centre][:, :, centre].long().flatten(1)  # (B, h w)
    label = labels.gather(1, seen.clamp(min=0)).masked_fill(seen < 0, -1)  # (B, h w)
    objects = label >= 0
    at_objects = logits.flatten(2).transpose(1, 2)[objects]  # (n, 10)
    shape, texture = at_objects.split([len(SHAPES), len(TEXTURES)], 1)
    label = label[objects]
    return F.cross_entropy(shape, label // len(TEXTURES)) + F.cross_entropy(
        texture, label % len(TEXTURES)
    )


def pretrain(out: Path, config: PretrainConfig = CONFIG, name: str = "sam") -> dict[str, float]:
    """Train the small SAM into `out`; returns its figures on held-out scenes."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    pool = render_scenes(config.pool, config.seed)
    sam = build_sam("mini").requires_grad_(True)
    semantic = nn.Conv2d(sam.prompt_encoder.embed_dim, len(SHAPES) + len(TEXTURES), 1)
    promptable = (pool.area >= LEAST_AREA).float()

    n = config.batch * PER_IMAGE
    n_clicks, n_boxes = (round(share * n) for share in SHARES)
    image_of = torch.arange(n) % config.batch

    def loss(index: Tensor) -> Tensor:
        turns = torch.randint(8, (len(index),), generator=generator)
        images, owner = turned(pool.images[index], turns), turned(pool.owner[index], turns)
        thing = torch.multinomial(promptable[index], PER_IMAGE, True, generator=generator)
        thing = thing.T.flatten()  # (n,), in the order of image_of
        masks = (owner[image_of] == thing[:, None, None]).float()  # (n, 128, 128)

        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            embeddings = sam.image_encoder(normalised(images))
        embeddings = embeddings.float()  # positions need more than 8 bits: the decoder stays in 32

        by_box = masks[n_clicks : n_clicks + n_boxes]
        corners = boxes(by_box)
        extent = (corners[:, 2:] - corners[:, :2]).repeat(1, 2)
        corners = corners + 0.05 * extent * torch.randn(corners.shape, generator=generator)
        logits, estimates = prompt_and_decode(
            sam,
            embeddings[image_of],
            random_clicks(masks[:n_clicks], generator),
            corners,
            coarse_masks(masks[n_clicks + n_boxes :], generator),
        )
        target = F.interpolate(masks[:, None], (MASK, MASK), mode="area")
        losses = mask_losses(logits, target)  # (n, 4)
        reached = iou(logits.detach() > 0, target > 0.5)
        value = (losses[:, 0] + losses[:, 1:].amin(1)).mean() + F.mse_loss(estimates, reached)
        if config.semantic_weight:
            named = semantic_loss(semantic(embeddings), owner, pool.labels[index])
            value = value + config.semantic_weight * named
        return value

    fit(name, nn.ModuleList([sam, semantic]), loss, config, generator)
    write_half(out, sam.state_dict())
    return evaluate(out, config.seed + HELD_OUT, HELD_OUT_SCENES)


@torch.inference_mode()
def evaluate(weights: Path, seed: int, scenes: int) -> dict[str, float]:
    """Measure the file as written, at the scenes' full resolution, over their visible things.

    Clicks are uniformly random pixels of the thing; `click_share85` is the share of them with an
    IoU above .85. `mask_prompt_iou` is what the mask prompt itself scores, `mask_iou` the answer.
    """
    generator = torch.Generator().manual_seed(seed)
    pool = render_scenes(scenes, seed)
    sam = build_sam("mini", weights)
    image, thing = torch.nonzero(pool.area >= LEAST_AREA, as_tuple=True)
    embeddings = torch.cat([sam.image_encoder(normalised(x)) for x in pool.images.split(16)])
    parts: dict[str, list[Tensor]] = {k: [] for k in ("click", "box", "mask", "mask_prompt")}
    for part in torch.arange(len(image)).split(32):
        truth = pool.owner[image[part]] == thing[part, None, None]  # (n, 128, 128)
        coarse = coarse_masks(truth.float(), generator)
        clicks, corners = random_clicks(truth.float(), generator), boxes(truth.float())
        logits, _ = prompt_and_decode(
            sam, embeddings[image[part]].repeat(3, 1, 1, 1), clicks, corners, coarse
        )
        answers = torch.cat([logits[:, :1], coarse])
        full = F.interpolate(answers, truth.shape[-2:], mode="bilinear")[:, 0] > 0
        for key, predicted in zip(parts, full.chunk(4), strict=True):
            parts[key].append(iou(predicted, truth))
    scores = {key: torch.cat(values) for key, values in parts.items()}
    furniture = pool.labels[image, thing] < 0
    return {
        "click_iou": float(scores["click"][~furniture].mean()),
        "click_share85": float((scores["click"][~furniture] > 0.85).float().mean()),
        "box_iou": float(scores["box"][~furniture].mean()),
        "mask_iou": float(scores["mask"][~furniture].mean()),
        "mask_prompt_iou": float(scores["mask_prompt"][~furniture].mean()),
        "furniture_click_iou": float(scores["click"][furniture].mean()),
    }
