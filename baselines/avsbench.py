"""AVSBench: temporal pixel-wise audio-visual interaction, TPAVI (Zhou et al., ECCV 2022).

After the paper and OpenNLPLab/AVSBench, with PVT-v2 or ResNet-50. Left out, since nothing reads
them: the second copy of ResNet's last two stages (22.06 M) and the weights named in `TPAVIHead`.
"""

from torch import Tensor

from baselines._backbone_method import BackboneMethod
from baselines._tpavi import TPAVIHead, tpavi_loss
from baselines.configs.avsbench import AVSBenchConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


@METHODS.register_module(name="avsbench")
class AVSBench(BackboneMethod):
    Config = AVSBenchConfig

    def __init__(self, config: AVSBenchConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.head = TPAVIHead(
            self.backbone.channels, config.channels, config.image_size, encoders.audio_dim
        )

    def forward(self, batch: Batch) -> Prediction:
        return self.head(self.maps(batch), batch.audio, batch.decoded, self.config.avm_weight > 0)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return tpavi_loss(prediction, batch, self.config.avm_weight)
