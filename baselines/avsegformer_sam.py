"""AVSegFormer's head on frozen SAM embeddings (Gao et al., AAAI 2024), track C.

The head of `avsegformer` on the image embedding and the mask grid of GAVS.
"""

from torch import Tensor

from baselines._pyramid import SAMPyramid, mask_size
from baselines._segformer_head import SegFormerHead, segformer_loss
from baselines.configs.avsegformer_sam import AVSegFormerSAMConfig
from gavs.method import METHODS, Batch, Encoders, Method, Prediction


@METHODS.register_module(name="avsegformer_sam")
class AVSegFormerSAM(Method):
    Config = AVSegFormerSAMConfig

    def __init__(self, config: AVSegFormerSAMConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        sam = encoders.sam()
        self.target_size = mask_size(sam)
        self.pyramid = SAMPyramid(sam)
        self.head = SegFormerHead(
            self.pyramid.channels, config, self.target_size, encoders.audio_dim
        )

    def forward(self, batch: Batch) -> Prediction:
        maps = self.pyramid(batch.features["sam"].flatten(0, 1))
        return self.head(maps, batch.audio)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return segformer_loss(prediction, batch, self.config)
