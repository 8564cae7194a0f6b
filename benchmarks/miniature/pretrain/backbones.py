"""Pretraining of the small PVT-v2 and ResNet on class tags of scenes, for ImageNet's labels."""

from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.miniature.pretrain.common import (
    HELD_OUT,
    PretrainConfig,
    fit,
    render_scenes,
    turned,
    write_half,
)
from benchmarks.miniature.scenes import CLASSES
from gavs.backbones import build_backbone

ARCHITECTURES = {"pvt": "pvt_v2_mini", "resnet": "resnet_mini"}
CONFIGS = {
    "pvt": PretrainConfig(pool=16_000, steps=7_000, batch=32, lr=1e-3, weight_decay=0.05),
    "resnet": PretrainConfig(pool=16_000, steps=6_000, batch=32, lr=3e-3, weight_decay=0.05),
}
# Per scene: with up to five, as SAM sees, tags hardly teach a network from scratch.
MOST_OBJECTS = 3
HELD_OUT_SCENES = 800
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(images: Tensor) -> Tensor:
    """Normalise (N, 3, H, W) uint8 RGB as ImageNet's images."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (_MEAN, _STD))
    return (images / 255 - mean) / std


class SceneTagger(nn.Module):
    """Backbone with a linear classifier, dropped afterwards, on the means of its last two maps."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.head = nn.Linear(sum(backbone.channels[-2:]), len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        means = [m.mean((2, 3)) for m in self.backbone(images)[-2:]]
        return self.head(torch.cat(means, 1))  # (N, 24) logits


def pretrain(name: str, out: Path, config: PretrainConfig) -> dict[str, float]:
    """Train the backbone `name` (pvt or resnet) into `out`; returns its held-out figures."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    pool = render_scenes(config.pool, config.seed, MOST_OBJECTS)
    tags = pool.tags
    model = SceneTagger(build_backbone(ARCHITECTURES[name]))

    def loss(index: Tensor) -> Tensor:
        turns = torch.randint(8, (len(index),), generator=generator)
        images = normalised(turned(pool.images[index], turns))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            logits = model(images)
        return F.binary_cross_entropy_with_logits(logits.float(), tags[index])

    fit(name, model, loss, config, generator)
    write_half(out, model.backbone.net.state_dict())
    return evaluate(name, out, model.head, config.seed + HELD_OUT)


@torch.inference_mode()
def evaluate(name: str, weights: Path, head: nn.Linear, seed: int) -> dict[str, float]:
    """Measure the file as written, on scenes never trained on."""
    pool = render_scenes(HELD_OUT_SCENES, seed, MOST_OBJECTS)
    model = SceneTagger(build_backbone(ARCHITECTURES[name], weights).eval())
    model.head = head
    logits = torch.cat([model(normalised(x)) for x in pool.images.split(50)])
    return {"map": float(average_precision_score(pool.tags, logits))}
