"""AVSegFormer: audio queries and a deformable transformer (Gao et al., AAAI 2024).

After the paper and vvvb-github/AVSegFormer. Other than there, a batch of a single frame works and
silent frames teach by default (`empty_frames`).
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from baselines._segformer_head import SegFormerConfig, SegFormerHead, segformer_loss
from gavs.method import METHODS, Batch, Encoders, Method, Prediction


class AVSegFormerConfig(SegFormerConfig):
    backbone: Literal["pvt", "resnet"] = "pvt"
    image_size: int = Field(224, gt=0, multiple_of=32)  # as in the paper; released code: 512
    freeze_epochs: int = Field(5, ge=0)  # backbone frozen before this epoch; released: 10 on V1M
    backbone_lr_scale: float = Field(0.1, ge=0)  # released: 1


@METHODS.register_module(name="avsegformer")
class AVSegFormer(Method):
    Config = AVSegFormerConfig
    geometry = "squash"

    def __init__(self, config: AVSegFormerConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.target_size = config.image_size
        self.backbone = encoders.backbone(config.backbone)
        self.head = SegFormerHead(
            self.backbone.channels, config, config.image_size, encoders.audio_dim
        )

    @classmethod
    def inputs(cls, config: AVSegFormerConfig) -> Mapping[str, str]:
        return {"pixels": f"pixels{config.image_size}"}

    @classmethod
    def encoders(cls, config: AVSegFormerConfig) -> list[str]:
        return [config.backbone]

    def forward(self, batch: Batch) -> Prediction:
        return self.head(self.backbone(batch.features["pixels"].flatten(0, 1)), batch.audio)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return segformer_loss(prediction, batch, self.config)

    def parameter_groups(self) -> list[dict[str, Any]]:
        # Also while the backbone is frozen: the optimiser is made once, before it thaws.
        return [
            {"params": list(self.head.parameters()), "lr_scale": 1.0},
            {"params": list(self.backbone.parameters()), "lr_scale": self.config.backbone_lr_scale},
        ]

    def start_epoch(self, epoch: int) -> None:
        self.backbone.requires_grad_(epoch >= self.config.freeze_epochs)
