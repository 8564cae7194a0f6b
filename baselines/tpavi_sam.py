"""TPAVI on frozen SAM embeddings: AVSBench's fusion (Zhou et al., ECCV 2022), track C.

The head of `avsbench` on the image embedding and the mask grid of GAVS.
"""

from torch import Tensor

from baselines._pyramid import SAMPyramid, mask_size
from baselines._tpavi import TPAVIHead, tpavi_loss
from baselines.configs.tpavi_sam import TPAVISAMConfig
from gavs.method import METHODS, Batch, Encoders, Method, Prediction


@METHODS.register_module(name="tpavi_sam")
class TPAVISAM(Method):
    Config = TPAVISAMConfig

    def __init__(self, config: TPAVISAMConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        sam = encoders.sam()
        self.target_size = mask_size(sam)
        self.pyramid = SAMPyramid(sam)
        self.head = TPAVIHead(
            self.pyramid.channels, config.channels, self.target_size, encoders.audio_dim
        )

    def forward(self, batch: Batch) -> Prediction:
        maps = self.pyramid(batch.features["sam"].flatten(0, 1))
        return self.head(maps, batch.audio, batch.decoded, self.config.avm_weight > 0)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return tpavi_loss(prediction, batch, self.config.avm_weight)
