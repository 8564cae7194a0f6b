"""AVSBench: temporal pixel-wise audio-visual interaction, TPAVI (Zhou et al., ECCV 2022).

After the paper and OpenNLPLab/AVSBench, with PVT-v2 or ResNet-50. Left out, since nothing reads
them: the second copy of ResNet's last two stages (22.06 M) and the weights named in `TPAVIHead`.
"""

from pydantic import Field
from torch import Tensor

from baselines._backbone_method import BackboneConfig, BackboneMethod
from baselines._tpavi import TPAVIHead, tpavi_loss
from gavs.method import METHODS, Batch, Encoders, Prediction


class AVSBenchConfig(BackboneConfig):
    backbone_lr_scale: float = Field(1.0, ge=0)  # published: one group
    channels: int = Field(256, gt=0, multiple_of=8)
    avm_weight: float = Field(0.0, ge=0)  # audio-visual matching; published: 0.5 on V1M, else 0


@METHODS.register_module(name="avsbench")
class AVSBench(BackboneMethod):
    Config = AVSBenchConfig

    def __init__(self, config: AVSBenchConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.head = TPAVIHead(
            self.backbone.channels, config.channels, config.image_size, encoders.audio_dim
        )

    @classmethod
    def temporal(cls, config: AVSBenchConfig) -> bool:
        return True

    def forward(self, batch: Batch) -> Prediction:
        return self.head(self.maps(batch), batch.audio, batch.asked, self.config.avm_weight > 0)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return tpavi_loss(prediction, batch, self.config.avm_weight)
