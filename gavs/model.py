"""GAVS: prompting segmentation with sound (Wang et al., AAAI 2024, arXiv 2309.07929).

The released code (GeWu-Lab/Generalizable-Audio-Visual-Segmentation) differs from the paper in most
of the switches below; `gavs_released` is this method with that code's values.
"""

import copy
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from gavs.adapter import ColA, encoder_adapters
from gavs.configs.gavs import GavsConfig
from gavs.losses import alignment, frame_bce, supervised_mean
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.prompt import SemanticAudioPrompt
from gavs.sam import continue_from_tokens, decode, output_tokens, thaw_decoder


@METHODS.register_module(name="gavs")
class GAVS(Method):
    """Frozen SAM, prompted by sound; see `GavsConfig` for its variants."""

    Config = GavsConfig

    def __init__(self, config: GavsConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = encoders.sam()
        if config.decoder == "full" or config.encoder_adapters.train_norms:
            self.sam = copy.deepcopy(self.sam)  # other methods hold the same frozen SAM

        self.prompt = SemanticAudioPrompt(
            config.prompt, encoders.audio_dim, output_tokens(self.sam).detach()
        )
        self.cola = ColA(config.cola, self.sam.mask_decoder) if config.cola.enabled else None
        self.encoder_adapters = None
        if config.encoder_adapters.from_block is not None:
            encoder = self.sam.image_encoder
            dim, depth = encoder.patch_embed.proj.out_channels, len(encoder.blocks)
            self.encoder_adapters = encoder_adapters(config.encoder_adapters, dim, depth)
        self._thaw()
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]
        if config.loss_resolution == "input":
            self.target_size = self.sam.image_encoder.img_size

    def _thaw(self) -> None:
        """Makes the parts of SAM that the config trains trainable, as far as the loss sees them."""
        if self.config.decoder == "full":
            thaw_decoder(self.sam)
            if self.config.prompt.slots == "six":
                self.sam.mask_decoder.iou_token.requires_grad_(False)
                self.sam.mask_decoder.mask_tokens.requires_grad_(False)
        if self.config.encoder_adapters.train_norms:
            for block in self.sam.image_encoder.blocks[
                self.config.encoder_adapters.from_block + 1 :
            ]:
                block.norm1.requires_grad_(True)
                block.norm2.requires_grad_(True)

    def forward(self, batch: Batch) -> Prediction:
        audio = batch.audio  # (B, T, A)
        if self.config.prompt.audio == "post_relu":
            audio = F.relu(audio)
        embedding = self._embed(batch.features)  # (B, T, C, h, w)
        tokens, cue = self.prompt(audio, embedding, batch.valid)  # (B, T, K, C), (B, T, A)
        slot = "tokens" if self.config.prompt.slots == "six" else "sparse"
        logits, _ = decode(
            self.sam,
            embedding.flatten(0, 1),
            adapters=self.cola,
            **{slot: tokens.flatten(0, 1)},
        )  # (B * T, 1, 4h, 4w)
        logits = logits.view(*audio.shape[:2], *logits.shape[-2:])
        if self.config.loss_resolution == "input":
            logits = F.interpolate(logits, self.target_size, mode="bilinear", align_corners=False)
        return Prediction(logits, {} if cue is None else {"cue": cue, "audio": audio})

    def _embed(self, features: Mapping[str, Tensor]) -> Tensor:
        if self.encoder_adapters is None:
            return features["sam"]
        tokens = features["tokens"]  # (B, T, h, w, D)
        embedding = continue_from_tokens(
            self.sam,
            tokens.flatten(0, 1),
            self.config.encoder_adapters.from_block,
            self.encoder_adapters,
            self.config.encoder_adapters.recompute,
        )
        return embedding.unflatten(0, tokens.shape[:2])

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        terms = {"bce": supervised_mean(frame_bce(prediction.logits, batch), batch)}
        config = self.config.alignment
        if config.loss != "none":
            cue, audio = prediction.aux["cue"], prediction.aux["audio"]
            terms["alignment"] = config.weight * alignment(
                cue, audio, batch.video, batch.classes, config
            )
        return terms
