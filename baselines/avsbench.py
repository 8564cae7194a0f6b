"""AVSBench: temporal pixel-wise audio-visual interaction, TPAVI (Zhou et al., ECCV 2022).

After the paper and OpenNLPLab/AVSBench, with PVT-v2 or ResNet-50. Left out, since nothing reads
them: the second copy of ResNet's last two stages (22.06 M) and the weights named in `TPAVIHead`.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from baselines._tpavi import TPAVIHead, tpavi_loss
from gavs.method import METHODS, Batch, Config, Encoders, Method, Prediction


class AVSBenchConfig(Config):
    backbone: Literal["pvt", "resnet"] = "pvt"
    image_size: int = Field(224, gt=0, multiple_of=32)  # the coarsest map is 1/32 of it
    channels: int = Field(256, gt=0, multiple_of=8)
    avm_weight: float = Field(0.0, ge=0)  # audio-visual matching; published: 0.5 on V1M, else 0
    backbone_lr_scale: float = Field(0.1, ge=0)  # published: 1


@METHODS.register_module(name="avsbench")
class AVSBench(Method):
    Config = AVSBenchConfig
    geometry = "squash"
    temporal = True

    def __init__(self, config: AVSBenchConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.target_size = config.image_size
        self.backbone = encoders.backbone(config.backbone)
        self.head = TPAVIHead(
            self.backbone.channels, config.channels, config.image_size, encoders.audio_dim
        )

    @classmethod
    def inputs(cls, config: AVSBenchConfig) -> Mapping[str, str]:
        return {"pixels": f"pixels{config.image_size}"}

    @classmethod
    def encoders(cls, config: AVSBenchConfig) -> list[str]:
        return [config.backbone]

    def forward(self, batch: Batch) -> Prediction:
        maps = self.backbone(batch.features["pixels"].flatten(0, 1))
        return self.head(maps, batch.audio, avm=self.config.avm_weight > 0)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return tpavi_loss(prediction, batch, self.config.avm_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [
            {"params": list(self.head.parameters()), "lr_scale": 1.0},
            {"params": list(self.backbone.parameters()), "lr_scale": self.config.backbone_lr_scale},
        ]
