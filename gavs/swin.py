"""Swin transformer as a multi-scale backbone (Liu et al., ICCV 2021), timm's."""

from collections.abc import Callable
from functools import partial

from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from gavs import key_maps as _key_maps


class Swin(nn.Module):
    """Swin without its classifier; `channels` at strides 4, 8, 16, 32.

    The classifier's norm goes on the last map; the others pass as they are, since every head's
    projection normalises them.
    """

    key_maps = _key_maps.SWIN

    def __init__(self, make: Callable[..., SwinTransformer]) -> None:
        super().__init__()
        self.net = make(num_classes=0, dynamic_img_size=True, strict_img_size=False)
        self.channels: list[int] = [info["num_chs"] for info in self.net.feature_info]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.net.patch_embed(x)
        maps = []
        for stage in self.net.layers:
            x = stage(x)
            maps.append(x)  # (N, H / 4 / 2^i, W / 4 / 2^i, channels[i])
        maps[-1] = self.net.norm(maps[-1])
        return [m.permute(0, 3, 1, 2) for m in maps]


swin_base = partial(
    Swin, partial(SwinTransformer, embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))
)
