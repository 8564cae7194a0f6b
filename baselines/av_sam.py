"""AV-SAM: SAM meets audio-visual localization and segmentation (Mo and Tian, 2023, 2305.01836).

A re-creation: no code is public. Published (abstract, and the GAVS paper's table): audio features
of a ResNet-18 and the pixels of SAM's image embedding are fused pixel by pixel; the result goes
into SAM's prompt encoder and mask decoder; ViT-B. Second-hand: the fusion is a similarity at every
pixel; log-spectrograms as in the first author's SLAVC; prompt encoder and mask decoder fine-tuned.
Our choice: the similarity is SLAVC's (its audio trunk from scratch, a linear map of each side, the
cosine) but over 0.1, not 0.03: it enters as the mask prompt, and SAM's prompt encoder reads mask
logits of about +-10; VGGish's log-mel of the frame's second in place of their spectrogram; binary
cross-entropy.
"""

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from baselines._localiser import audio_trunk, own_cosines
from baselines.configs.av_sam import AvSamConfig
from gavs.losses import frame_bce, supervised_mean
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.sam import decode, thaw_decoder


@METHODS.register_module(name="av_sam")
class AvSam(Method):
    Config = AvSamConfig

    def __init__(self, config: AvSamConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = copy.deepcopy(encoders.sam())  # other methods hold the same frozen SAM
        self.sam.prompt_encoder.mask_downscaling.requires_grad_(True)
        thaw_decoder(self.sam)

        dim = self.sam.prompt_encoder.embed_dim
        self.ear = audio_trunk(config.blocks, config.channels)
        self.hear = nn.Linear(config.channels[-1], dim)
        self.see = nn.Conv2d(dim, dim, 1)
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    def forward(self, batch: Batch) -> Prediction:
        image = batch.features["sam"].flatten(0, 1)  # (N, C, h, w)
        similar = self.similarity(image, batch.audio.flatten(0, 1))
        prompt = F.interpolate(similar, (self.target_size,) * 2, mode="bilinear")
        dense = self.sam.prompt_encoder.mask_downscaling(prompt)  # (N, C, h, w)
        logits, _ = decode(self.sam, image, dense=dense)
        return Prediction(logits.view(*batch.audio.shape[:2], *logits.shape[-2:]))

    def similarity(self, image: Tensor, log_mel: Tensor) -> Tensor:
        """Image embedding (N, C, h, w) and log-mel (N, 96, 64) -> (N, 1, h, w)."""
        heard = F.normalize(self.hear(self.ear(log_mel[:, None])), dim=1)  # (N, C)
        seen = F.normalize(self.see(image), dim=1)
        return own_cosines(seen, heard)[:, None] / self.config.temperature

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"bce": supervised_mean(frame_bce(prediction.logits, batch), batch)}
