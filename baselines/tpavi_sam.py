"""TPAVI on frozen SAM embeddings: AVSBench's fusion (Zhou et al., ECCV 2022), track C.

The head of `avsbench` on the image embedding and the mask grid of GAVS.
"""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from baselines._pyramid import SAMPyramid, mask_size
from baselines._tpavi import TPAVIHead, tpavi_loss
from gavs.method import METHODS, Batch, Config, Encoders, Method, Prediction


class TPAVISAMConfig(Config):
    channels: int = Field(256, gt=0, multiple_of=8)
    avm_weight: float = Field(0.0, ge=0)  # as `avsbench`


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

    @classmethod
    def inputs(cls, config: TPAVISAMConfig) -> Mapping[str, str]:
        return {"sam": "sam_rgb"}

    @classmethod
    def temporal(cls, config: TPAVISAMConfig) -> bool:
        return True

    def forward(self, batch: Batch) -> Prediction:
        maps = self.pyramid(batch.features["sam"].flatten(0, 1))
        return self.head(maps, batch.audio, batch.asked, self.config.avm_weight > 0)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return tpavi_loss(prediction, batch, self.config.avm_weight)
