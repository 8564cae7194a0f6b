"""Segment Anything (Kirillov et al., ICCV 2023): segment_anything's modules, batched over images.

The original decoder takes one image and many prompt sets. Here each of N images has its own prompt
set, so a training step is one pass and no image embedding is repeated.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from segment_anything.modeling import (
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gavs.image_encoder import ImageEncoder
from gavs.sizes import SAM_SIZES, SamSize
from gavs.weights import load_weights, read_weights

PIXEL_MEAN = (123.675, 116.28, 103.53)  # RGB, 0..255
PIXEL_STD = (58.395, 57.12, 57.375)

# decode's `adapters(place, layer, x)`: place is "attention", "mlp" or "context", x is (N, K, C)
TokenAdapters = Callable[[str, int, Tensor], Tensor]


def build_sam(size: str | SamSize, weights: Path | None = None) -> Sam:
    """A frozen SAM in eval mode, with the weights of a `.safetensors` or `.pth` file if given.

    Raises:
        KeyError: for a size that isn't in `SAM_SIZES`.
        ValueError: for weights of another architecture, naming the file and the first wrong key.
    """
    s = SAM_SIZES[size] if isinstance(size, str) else size
    sam = Sam(
        image_encoder=ImageEncoder(
            img_size=s.img_size,
            patch_size=s.patch,
            embed_dim=s.dim,
            depth=s.depth,
            num_heads=s.heads,
            mlp_ratio=s.mlp_ratio,
            out_chans=s.out,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            window_size=s.window,
            global_attn_indexes=s.global_blocks,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=s.out,
            image_embedding_size=(s.grid, s.grid),
            input_image_size=(s.img_size, s.img_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=s.out,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=s.out, num_heads=s.decoder_heads, mlp_dim=s.decoder_mlp
            ),
            iou_head_hidden_dim=s.out,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )
    if weights is not None:
        load_weights(sam, read_weights(weights), weights)
    return sam.eval().requires_grad_(False)


def input_size(native_size: tuple[int, int], img_size: int) -> tuple[int, int]:
    """(H, W) of a frame once its longest side is `img_size`; the rest of the square is padding."""
    scale = img_size / max(native_size)
    height, width = native_size
    return int(height * scale + 0.5), int(width * scale + 0.5)


def thaw_decoder(sam: Sam) -> None:
    """Makes the mask decoder trainable, as far as a loss on one mask reaches."""
    decoder = sam.mask_decoder.requires_grad_(True)
    decoder.iou_prediction_head.requires_grad_(False)
    decoder.output_hypernetworks_mlps[1:].requires_grad_(False)


def valid_cells(native_size: tuple[int, int], grid: int) -> Tensor:
    """(G, G), 1 where a cell of the padded square shows the frame, 0 in the padding."""
    height, width = input_size(native_size, grid)
    valid = torch.zeros(grid, grid)
    valid[:height, :width] = 1
    return valid


def preprocess(
    images: Sequence[np.ndarray], img_size: int, colour: Literal["rgb", "bgr"] = "rgb"
) -> Tensor:
    """RGB frames (H, W, 3) uint8 of any sizes -> (N, 3, S, S) as segment_anything's predictor does.

    `bgr` swaps the channels but keeps RGB's statistics, as the released GAVS code feeds its frames.
    """
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    batch = torch.zeros(len(images), 3, img_size, img_size)
    for square, image in zip(batch, images, strict=True):
        height, width = input_size(image.shape[:2], img_size)
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1)
        if colour == "bgr":
            pixels = pixels.flip(0)
        square[:, :height, :width] = (pixels - mean) / std
    return batch


def postprocess(
    logits: Tensor, input_size: tuple[int, int], native_size: tuple[int, int]
) -> Tensor:
    """Mask logits (N, M, G, G) on SAM's padded square -> (N, M, H, W) at the native size."""
    side = max(input_size)
    square = F.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
    frame = square[..., : input_size[0], : input_size[1]]
    return F.interpolate(frame, native_size, mode="bilinear", align_corners=False)


def tokens(sam: Sam, images: Tensor, cut: int) -> Tensor:
    """Preprocessed images (N, 3, S, S) -> tokens (N, h, w, D) after the first `cut` blocks."""
    encoder = sam.image_encoder
    x = encoder.patch_embed(images) + encoder.pos_embed
    for block in encoder.blocks[:cut]:
        x = block(x)
    return x


def continue_from_tokens(
    sam: Sam,
    tokens: Tensor,
    cut: int,
    adapters: Iterable[nn.Module] = (),
    recompute: bool = False,
) -> Tensor:
    """Tokens (N, h, w, D) after the first `cut` blocks -> image embedding (N, C, h, w).

    Args:
        adapters: of the last blocks, one each, of the output of its MLP before the residual add.
        recompute: keep no activations for the gradient (`recomputed`).
    """
    blocks = sam.image_encoder.blocks[cut:]
    last = list(adapters)
    each: list[nn.Module | None] = [*[None] * (len(blocks) - len(last)), *last]
    for block, adapter in zip(blocks, each, strict=True):
        tokens = recomputed(recompute, block, tokens, adapter)
    return sam.image_encoder.neck(tokens.permute(0, 3, 1, 2))


def recomputed(saving: bool, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """`block(*inputs)`; if wanted, it runs again for the gradient instead of keeping activations.

    The same values for a third more time: a global block of ViT-B at 1024 keeps 0.8 GB a frame.
    """
    if saving and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)


def output_tokens(sam: Sam) -> Tensor:
    """SAM's five learned tokens (5, C): the IoU token, then the tokens of mask 0 and masks 1-3."""
    return torch.cat([sam.mask_decoder.iou_token.weight, sam.mask_decoder.mask_tokens.weight])


def decode(
    sam: Sam,
    image_embeddings: Tensor,
    sparse: Tensor | None = None,
    dense: Tensor | None = None,
    adapters: TokenAdapters | None = None,
    tokens: Tensor | None = None,
    multimask: bool | None = False,
) -> tuple[Tensor, Tensor]:
    """SAM's mask decoder for N images with one prompt set each.

    Args:
        image_embeddings: (N, C, h, w).
        sparse: (N, K, C) prompt tokens, put behind SAM's five; none if omitted.
        dense: (N, C, h, w) or broadcastable; SAM's no-mask embedding if omitted.
        adapters: applied in each two-way block to the tokens x of a place: "attention" (output of
            the token-to-image attention), "mlp" (output of the token MLP), both before the residual
            add, and "context" (what the image then attends to).
        tokens: (N, 5 + K, C), in place of SAM's five and `sparse`.
        multimask: False for mask 0, True for masks 1-3, None for all four.

    Returns:
        Mask logits (N, M, 4h, 4w) and predicted IoU (N, M), M = 1, 3 or 4.
    """
    decoder = sam.mask_decoder
    n, c, h, w = image_embeddings.shape
    if tokens is None:
        tokens = output_tokens(sam).expand(n, -1, -1)  # (N, 5, C)
        if sparse is not None:
            tokens = torch.cat([tokens, sparse], dim=1)  # (N, 5 + K, C)
    if dense is None:
        dense = sam.prompt_encoder.no_mask_embed.weight.view(1, c, 1, 1)
    keys = (image_embeddings + dense).flatten(2).transpose(1, 2)  # (N, hw, C)
    key_pe = sam.prompt_encoder.get_dense_pe().flatten(2).transpose(1, 2)  # (1, hw, C)

    queries, keys = _two_way(decoder.transformer, tokens, keys, key_pe, adapters or _unchanged)

    masks = {False: slice(0, 1), True: slice(1, None), None: slice(None)}[multimask]
    hypernetworks = decoder.output_hypernetworks_mlps[masks]
    mask_queries = queries[:, 1 : 1 + decoder.num_mask_tokens][:, masks].unbind(1)
    kernels = [net(q) for net, q in zip(hypernetworks, mask_queries, strict=True)]
    logits = _masks(decoder, keys, torch.stack(kernels, dim=1), (h, w))
    return logits, decoder.iou_prediction_head(queries[:, 0])[:, masks]


def _masks(decoder: MaskDecoder, keys: Tensor, kernels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels (N, hw, C) and mask kernels (N, M, C/8) -> logits (N, M, 4h, 4w).

    `decoder.output_upscaling` with channels last: its deconvolutions don't overlap, so each is a
    matrix product that makes 2 x 2 cells of one, and only the logits need be put in place. In
    training on a CPU that takes 40 % less time.
    """
    up1, norm, act1, up2, act2 = decoder.output_upscaling
    x = F.layer_norm(_quadruple(up1, keys), norm.weight.shape, norm.weight, norm.bias, norm.eps)
    x = act2(_quadruple(up2, act1(x)))  # (N, hw, 4, 4, C/8)
    # In this order the gradient has x's layout: GELU's takes twice as long with another.
    cells = x.flatten(1, 3) @ kernels.transpose(1, 2)  # (N, hw * 16, M)
    h, w = size
    cells = cells.unflatten(1, (h, w, 2, 2, 2, 2)).permute(0, 7, 1, 3, 5, 2, 4, 6)
    return cells.reshape(*kernels.shape[:2], 4 * h, 4 * w)


def _quadruple(deconvolution: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """A 2x2 deconvolution of stride 2: (..., C) -> its cells (..., 4, C'), row by row."""
    assert deconvolution.bias is not None
    weight = deconvolution.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (4 C', C)
    return F.linear(x, weight, deconvolution.bias.repeat(4)).unflatten(-1, (4, -1))


def _unchanged(place: str, layer: int, x: Tensor) -> Tensor:
    return x


def _two_way(
    transformer: TwoWayTransformer,
    tokens: Tensor,
    keys: Tensor,
    key_pe: Tensor,
    adapt: TokenAdapters,
) -> tuple[Tensor, Tensor]:
    queries = tokens  # also their own positional encoding, added at every attention
    for i, block in enumerate(transformer.layers):
        if block.skip_first_layer_pe:
            queries = block.self_attn(queries, queries, queries)
        else:
            q = queries + tokens
            queries = queries + block.self_attn(q, q, queries)
        queries = block.norm1(queries)

        placed = keys + key_pe
        attended = _tokens_see(block.cross_attn_token_to_image, queries + tokens, placed, keys)
        queries = block.norm2(queries + adapt("attention", i, attended))

        queries = block.norm3(queries + adapt("mlp", i, block.mlp(queries)))

        context = adapt("context", i, queries)
        heard = _image_hears(block.cross_attn_image_to_token, placed, context + tokens, context)
        keys = block.norm4(keys + heard)
        queries = context

    attention = transformer.final_attn_token_to_image
    final = _tokens_see(attention, queries + tokens, keys + key_pe, keys)
    return transformer.norm_final_attn(queries + final), keys


# Attention between a few tokens and many pixels. Of the two orders of q (W x) = (q W) x the second
# multiplies a pixel by K x H vectors, 48 of them in ViT-B's decoder, not by a projection's 128: a
# fifth less time for a training step. The softmax over tokens runs across rows of L, not along rows
# of K = 6.


def _tokens_see(attention: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attention(q, k, v)` for few queries: q (N, K, C), k and v (N, L, C) -> (N, K, C)."""
    h = attention.num_heads
    weights = _scores(attention.q_proj(q), attention.k_proj, h, k).softmax(3)  # (N, H, K, L)
    pooled = (weights.flatten(1, 2) @ v).unflatten(1, (h, -1))  # (N, H, K, C)
    to_v = attention.v_proj.weight.unflatten(0, (h, -1))  # (H, d, C)
    values = torch.einsum("nhkc,hdc->nkhd", pooled, to_v).flatten(2)
    return attention.out_proj(values + attention.v_proj.bias)


def _image_hears(attention: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attention(q, k, v)` for few keys: q (N, L, C), k and v (N, K, C) -> (N, L, C)."""
    h, out = attention.num_heads, attention.out_proj
    weights = _scores(attention.k_proj(k), attention.q_proj, h, q).softmax(2)  # (N, H, K, L)
    values = attention.v_proj(v).unflatten(-1, (h, -1))  # (N, K, H, d)
    values = torch.einsum("nkhd,chd->nhkc", values, out.weight.unflatten(1, (h, -1)))
    return weights.flatten(1, 2).transpose(1, 2) @ values.flatten(1, 2) + out.bias


def _scores(tokens: Tensor, projection: nn.Linear, heads: int, pixels: Tensor) -> Tensor:
    """Projected tokens (N, K, H * d) against pixels (N, L, C) before theirs -> (N, H, K, L)."""
    tokens = tokens.unflatten(-1, (heads, -1))  # (N, K, H, d)
    tokens = tokens / math.sqrt(tokens.shape[-1])
    weight, bias = (p.unflatten(0, (heads, -1)) for p in (projection.weight, projection.bias))
    vectors = torch.einsum("nkhd,hdc->nhkc", tokens, weight).flatten(1, 2)
    offset = torch.einsum("nkhd,hd->nhk", tokens, bias)[..., None]
    return (vectors @ pixels.transpose(1, 2)).unflatten(1, (heads, -1)) + offset
