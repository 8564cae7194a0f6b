"""Methods that read pixels and train a backbone of their own, below everything else."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from baselines.configs._backbone import BackboneConfig
from gavs.method import Batch, Encoders, Method


class BackboneMethod(Method):
    """`self.backbone` turns pixels into four maps, and learns at a rate of its own."""

    Config = BackboneConfig

    def __init__(self, config: BackboneConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.target_size = config.image_size
        self.backbone = encoders.backbone(config.backbone)

    def maps(self, batch: Batch) -> list[Tensor]:
        """The four maps of every frame, (B*T, C_i, h_i, w_i), finest first."""
        return self.backbone(batch.features["pixels"].flatten(0, 1))

    def resize(self, logits: Tensor, batch: Batch) -> Tensor:
        """Mask logits (B*T, h, w) -> (B, T, G, G)."""
        size = (self.target_size,) * 2
        logits = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)
        return logits.view(*batch.audio.shape[:2], *size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone at its own rate, the rest at the full one."""
        # Also of a frozen backbone: the optimiser is made once, before it thaws.
        backbone = list(self.backbone.parameters())
        pretrained = {id(p) for p in backbone}
        rest = [p for p in self.parameters() if id(p) not in pretrained]
        return [
            {"params": rest, "lr_scale": 1.0},
            {"params": backbone, "lr_scale": self.config.backbone_lr_scale},
        ]
