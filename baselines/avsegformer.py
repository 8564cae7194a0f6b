"""AVSegFormer: audio queries and a deformable transformer (Gao et al., AAAI 2024).

After the paper and vvvb-github/AVSegFormer. Other than there, a batch of a single frame works and
silent frames teach by default (`empty_frames`).
"""

from torch import Tensor

from baselines._backbone_method import BackboneMethod
from baselines._segformer_head import SegFormerHead, segformer_loss
from baselines.configs.avsegformer import AVSegFormerConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


@METHODS.register_module(name="avsegformer")
class AVSegFormer(BackboneMethod):
    Config = AVSegFormerConfig

    def __init__(self, config: AVSegFormerConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.head = SegFormerHead(
            self.backbone.channels, config, config.image_size, encoders.audio_dim
        )

    def forward(self, batch: Batch) -> Prediction:
        return self.head(self.maps(batch), batch.audio)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return segformer_loss(prediction, batch, self.config)

    def start_epoch(self, epoch: int) -> None:
        self.backbone.requires_grad_(epoch >= self.config.freeze_epochs)
