"""SAM's image encoder: segment_anything's ViT with blocks that compute the same in half the time.

Parameters, their names and the values are the original's; only the order of the arithmetic is not.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from segment_anything.modeling import image_encoder as original
from segment_anything.modeling.image_encoder import window_partition, window_unpartition
from torch import Tensor, nn

CHUNK_ROWS = 2048  # of the MLP: a tenth of its time is the memory of the whole hidden layer
CHUNK_QUERIES = 512  # of global attention on a CPU: 8 MB of scores at a time


class ImageEncoder(original.ImageEncoderViT):
    """segment_anything's `ImageEncoderViT` with `EncoderBlock`s; same arguments."""

    def __init__(
        self,
        img_size: int,
        patch_size: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        out_chans: int,
        norm_layer: Callable[[int], nn.Module],
        window_size: int,
        global_attn_indexes: tuple[int, ...],
    ) -> None:
        super().__init__(img_size, patch_size, 3, embed_dim, depth=0, out_chans=out_chans)
        grid = img_size // patch_size
        self.blocks.extend(
            EncoderBlock(
                embed_dim,
                num_heads,
                mlp_ratio,
                norm_layer=norm_layer,
                use_rel_pos=window_size > 0,
                window_size=0 if i in global_attn_indexes else window_size,
                input_size=(grid, grid),
            )
            for i in range(depth)
        )


class EncoderBlock(original.Block):
    """segment_anything's `Block`, whose `Attention` here only holds the parameters."""

    def forward(self, x: Tensor, adapter: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Tokens (N, h, w, D) -> (N, h, w, D); `adapter`: of the MLP's output, before its add."""
        x = x.contiguous()  # the patches' convolution leaves channels first
        y = self.norm1(x)
        if self.window_size > 0:
            y, padded = window_partition(y, self.window_size)
            y = window_unpartition(self._attend(y), self.window_size, padded, x.shape[1:3])
        else:
            y = self._attend(y)
        y = linear(y, self.attn.proj.weight, self.attn.proj.bias)
        x = x + y
        y = self._mlp(self.norm2(x).to(y.dtype))  # autocast's, which x is not in
        return x + (y if adapter is None else adapter(y))

    def _mlp(self, x: Tensor) -> Tensor:
        w1, b1, w2, b2 = (p.to(x.dtype) for p in self.mlp.parameters())  # not once a chunk
        rows = pieces(x.flatten(0, 2))
        return torch.cat([linear(F.gelu(linear(r, w1, b1)), w2, b2) for r in rows]).view_as(x)

    def _attend(self, x: Tensor) -> Tensor:
        """Attention without its last projection: (B, h, w, D), B images or windows."""
        attn = self.attn
        qkv = linear(x, attn.qkv.weight, attn.qkv.bias).flatten(1, 2)  # (B, hw, 3 D)
        qkv = qkv.unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv  # (B, heads, hw, d)
        if attn.use_rel_pos:
            bias = relative_positions(q.unflatten(2, x.shape[1:3]), attn.rel_pos_h, attn.rel_pos_w)
            y = biased_attention(q, k, v, *bias)
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        return y.transpose(1, 2).reshape(x.shape)


def pieces(rows: Tensor) -> Sequence[Tensor]:
    """Rows (n, D) as an MLP takes them: on a CPU in pieces whose activations fit its cache.

    A GPU takes them whole: pieces doubled the encoder's time in bf16 (results/gpu.md).
    """
    return rows.split(CHUNK_ROWS) if rows.is_cpu else (rows,)


def relative_positions(q: Tensor, table_h: Tensor, table_w: Tensor) -> tuple[Tensor, Tensor]:
    """Terms that a query adds to the scores of each row and of each column of keys.

    Args:
        q: (B, heads, h, w, d), before it is scaled.
        table_h, table_w: (2 h - 1, d) and (2 w - 1, d), by the distance from key to query.

    Returns:
        (B, heads, hw, h) and (B, heads, hw, w).
    """
    h, w = q.shape[2:4]
    down = table_h.unfold(0, h, 1).flip(-1)  # (h, d, h): of query row, key row
    across = table_w.unfold(0, w, 1).flip(-1)  # (w, d, w)
    rows = torch.einsum("bnhwd,hdk->bnhwk", q, down)
    columns = torch.einsum("bnhwd,wdk->bnhwk", q, across)
    return rows.flatten(2, 3), columns.flatten(2, 3)


def biased_attention(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d) + bias) v for keys on a grid, (B, heads, L, d).

    Args:
        rows, columns: (B, heads, L, h) and (B, heads, L, w), for L = h w keys; their sum is the
            bias, which is as large as all scores.
    """
    if not q.is_cpu:
        bias = (rows[..., None] + columns[..., None, :]).flatten(-2)  # (B, heads, L, L)
        return F.scaled_dot_product_attention(q, k, v, bias.to(q.dtype))
    # On a CPU, piece by piece in the cache: half of scaled_dot_product_attention's time.
    q = q * q.shape[-1] ** -0.5
    if len(k[0, 0]) <= CHUNK_QUERIES:  # windows: all heads of one are a piece
        return torch.stack([_attend(*one) for one in zip(q, k, v.mT, rows, columns, strict=True)])
    heads = [x.flatten(0, 1).contiguous() for x in (q, k, v.mT, rows, columns)]
    outputs = [
        _attend(queries, key, value, *bias)
        for q, key, value, *bias in zip(*heads, strict=True)
        for queries, *bias in zip(*(x.split(CHUNK_QUERIES) for x in (q, *bias)), strict=True)
    ]
    return torch.cat(outputs).view(q.shape)


def _attend(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """One piece: q (heads, L, d) or (L, d), k (..., n, d), v (..., d, n), the bias's two parts."""
    product = linear if q.dim() == 2 else _batched
    scores = product(q, k)  # (..., L, hw)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    grid = scores.unflatten(-1, (rows.shape[-1], columns.shape[-1]))
    grid.add_(rows[..., None]).add_(columns[..., None, :])
    return product(scores.softmax(-1).to(v.dtype), v)  # (..., L, d)


def _batched(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight.mT


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.linear`; on a CPU as a 1x1 convolution.

    PyTorch leaves matrices in single precision to MKL, convolutions to oneDNN, which on AMD takes
    half as long. Without the dilation, which means nothing to a 1x1 kernel, it would be MKL too.
    """
    single = x.is_cpu and x.dtype == torch.float32 and x.numel() > 20_480
    if not (single and torch.backends.mkldnn.is_available()):
        return F.linear(x, weight, bias)
    image = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)  # (1, D, rows, 1)
    y = F.conv2d(image, weight[:, :, None, None], bias, dilation=2)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
