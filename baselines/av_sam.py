"""AV-SAM: SAM meets audio-visual localization and segmentation (Mo and Tian, 2023, 2305.01836).

A re-creation: no code is public. Published (abstract, and the GAVS paper's table): audio features
of a ResNet-18 and the pixels of SAM's image embedding are fused pixel by pixel; the result goes
into SAM's prompt encoder and mask decoder; ViT-B. Second-hand: the fusion is a similarity at every
pixel; log-spectrograms as in the first author's SLAVC; prompt encoder and mask decoder fine-tuned.
Our choice: the similarity is SLAVC's (a linear map of each side, cosine over 0.03, the audio pooled
by its maximum), in the range of the mask logits that SAM's prompt encoder reads; it enters as that
mask prompt; VGGish's log-mel of the frame's second in place of their spectrogram; the audio encoder
from scratch; binary cross-entropy.
"""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from pydantic import Field
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn

from gavs.losses import frame_bce, supervised_mean
from gavs.method import METHODS, Batch, Config, Encoders, Method, Prediction
from gavs.sam import decode


class AvSamConfig(Config):
    blocks: tuple[int, int, int, int] = (2, 2, 2, 2)  # of each stage: ResNet-18
    channels: tuple[int, int, int, int] = (64, 128, 256, 512)
    temperature: float = Field(0.03, gt=0)  # SLAVC's


@METHODS.register_module(name="av_sam")
class AvSam(Method):
    Config = AvSamConfig
    paradigm = "prompt"  # "both models utilize prompts", the GAVS paper says of it and Audio-SAM
    recreated = True

    def __init__(self, config: AvSamConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = copy.deepcopy(encoders.sam())  # other methods hold the same frozen SAM
        self.sam.prompt_encoder.mask_downscaling.requires_grad_(True)
        decoder = self.sam.mask_decoder.requires_grad_(True)
        decoder.iou_prediction_head.requires_grad_(False)  # what the loss doesn't see
        decoder.output_hypernetworks_mlps[1:].requires_grad_(False)

        dim = self.sam.prompt_encoder.embed_dim
        self.audio = ResNet(
            BasicBlock,
            config.blocks,
            num_classes=0,
            in_chans=1,
            global_pool="max",
            stem_width=config.channels[0],
            channels=config.channels,
        )
        self.hear = nn.Linear(config.channels[-1], dim)
        self.see = nn.Conv2d(dim, dim, 1)
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    @classmethod
    def inputs(cls, config: AvSamConfig) -> Mapping[str, str]:
        return {"sam": "sam_rgb", "logmel": "logmel"}

    def forward(self, batch: Batch) -> Prediction:
        image = batch.features["sam"].flatten(0, 1)  # (N, C, h, w)
        similar = self.similarity(image, batch.features["logmel"].flatten(0, 1))
        prompt = F.interpolate(similar, (self.target_size,) * 2, mode="bilinear")
        dense = self.sam.prompt_encoder.mask_downscaling(prompt)  # (N, C, h, w)
        logits, _ = decode(self.sam, image, dense=dense)
        return Prediction(logits.view(*batch.audio.shape[:2], *logits.shape[-2:]))

    def similarity(self, image: Tensor, log_mel: Tensor) -> Tensor:
        """Image embedding (N, C, h, w) and log-mel (N, 96, 64) -> (N, 1, h, w)."""
        heard = F.normalize(self.hear(self.audio(log_mel[:, None])), dim=1)  # (N, C)
        seen = F.normalize(self.see(image), dim=1)
        return torch.einsum("nc,nchw->nhw", heard, seen)[:, None] / self.config.temperature

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"bce": supervised_mean(frame_bce(prediction.logits, batch), batch)}
