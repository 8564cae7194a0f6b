"""Multi-scale backbones of timm's classes: PVT-v2 (Wang et al. 2022), ResNet (He et al. 2016).

Swin is in `swin.py`; all are built here, from the public files that `key_maps.py` knows.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.pvt_v2 import PyramidVisionTransformerV2
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from gavs import key_maps
from gavs.swin import Swin, swin_base
from gavs.weights import load_weights, read_weights

_PVT_MINI = partial(
    PyramidVisionTransformerV2,
    depths=(2, 2, 2, 2),
    embed_dims=(24, 48, 80, 112),
    num_heads=(1, 2, 4, 4),
    mlp_ratios=(4, 4, 3, 3),
)
_PVT_B5 = partial(  # as AVSBench: drop path rising to 0.1
    PyramidVisionTransformerV2,
    depths=(3, 6, 40, 3),
    embed_dims=(64, 128, 320, 512),
    num_heads=(1, 2, 5, 8),
    mlp_ratios=(4, 4, 4, 4),
    drop_path_rate=0.1,
)
_basic: Any = BasicBlock  # timm's annotations ask for instances
_bottleneck: Any = Bottleneck
_RESNET_MINI = partial(
    ResNet, _basic, (1, 1, 1, 1), channels=(24, 48, 96, 160), stem_type="deep", stem_width=12
)
_RESNET_18 = partial(ResNet, _basic, (2, 2, 2, 2))
_RESNET_50 = partial(ResNet, _bottleneck, (3, 4, 6, 3))


class TiledConv(nn.Conv2d):
    """A convolution whose windows don't overlap, as one matrix product.

    On a CPU that takes half the time for its gradient.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h / k, w / k), k a divisor of both sides."""
        k = self.kernel_size[0]
        tiles = input.permute(0, 2, 3, 1).unflatten(2, (-1, k)).unflatten(1, (-1, k))
        tiles = tiles.transpose(2, 3).flatten(3)  # (N, h / k, w / k, k k C)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)  # (C', k k C)
        return F.linear(tiles, weight, self.bias).permute(0, 3, 1, 2)


class PVT(nn.Module):
    """PVT-v2 without its classifier; `channels` at strides 4, 8, 16, 32."""

    key_maps = key_maps.PVT
    net: Any

    def __init__(self, make: Callable[..., PyramidVisionTransformerV2]) -> None:
        super().__init__()
        self.net = make(num_classes=0)
        for part in self.net.modules():
            if isinstance(part, nn.Conv2d) and part.stride == part.kernel_size != (1, 1):
                part.__class__ = TiledConv  # of the keys' and values' reduction
        self.channels: list[int] = [info["num_chs"] for info in self.net.feature_info]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.net.patch_embed(x)
        maps = []
        for stage in self.net.stages:
            x = stage(x)
            maps.append(x)  # (N, channels[i], H / 4 / 2^i, W / 4 / 2^i)
        return maps


class MultiScaleResNet(nn.Module):
    """ResNet without its classifier; `channels` at strides 4, 8, 16, 32."""

    key_maps = key_maps.RESNET
    net: Any

    def __init__(self, make: Callable[..., ResNet]) -> None:
        super().__init__()
        self.net = make(num_classes=0)
        self.channels: list[int] = [info["num_chs"] for info in self.net.feature_info[1:]]

    def forward(self, x: Tensor) -> list[Tensor]:
        net = self.net
        x = x.contiguous(memory_format=torch.channels_last)  # a quarter less time on a CPU
        x = net.maxpool(net.act1(net.bn1(net.conv1(x))))
        maps = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            maps.append(x)  # (N, channels[i], H / 4 / 2^i, W / 4 / 2^i)
        return maps


Backbone = PVT | MultiScaleResNet | Swin
BACKBONES: dict[str, Callable[[], Backbone]] = {
    "pvt_v2_mini": partial(PVT, _PVT_MINI),
    "pvt_v2_b5": partial(PVT, _PVT_B5),
    "resnet_mini": partial(MultiScaleResNet, _RESNET_MINI),
    "resnet18": partial(MultiScaleResNet, _RESNET_18),
    "resnet50": partial(MultiScaleResNet, _RESNET_50),
    "swin_base": swin_base,
}


def build_backbone(arch: str, weights: Path | None = None) -> Backbone:
    """A trainable backbone: (N, 3, H, W), ImageNet-normalised RGB -> maps at strides 4, 8, 16, 32.

    Args:
        arch: a key of `BACKBONES`.
        weights: a state dict by one of the names of `key_maps.py`; a classifier is left out.

    Raises:
        KeyError: unknown `arch`.
        FileNotFoundError, WeightsError: if the file is absent or holds other weights.
    """
    if arch not in BACKBONES:
        raise KeyError(f"unknown backbone {arch!r}, expected one of {', '.join(BACKBONES)}")
    backbone = BACKBONES[arch]()
    if weights is not None:
        load_weights(backbone.net, read_weights(weights), weights, backbone.key_maps)
    return backbone
