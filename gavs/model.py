"""GAVS: prompting segmentation with sound (Wang et al., AAAI 2024, arXiv 2309.07929).

The code that its authors released (GeWu-Lab/Generalizable-Audio-Visual-Segmentation, at 753b23b)
differs from the paper in most of the switches below, and their second release (at 0013686) from
both: `gavs_released` and `gavs_lora` are this method with those codes' values.
"""

import copy
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from gavs.adapter import ColA, encoder_adapters
from gavs.configs.gavs import GavsConfig
from gavs.lora import adapt_decoder, adapt_encoder
from gavs.losses import alignment, mask_terms
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.prompt import SemanticAudioPrompt
from gavs.sam import (
    continue_from_tokens,
    decode,
    input_size,
    output_tokens,
    postprocess,
    thaw_decoder,
    valid_cells,
)


@METHODS.register_module(name="gavs")
class GAVS(Method):
    """Frozen SAM, prompted by sound; see `GavsConfig` for its variants."""

    Config = GavsConfig

    def __init__(self, config: GavsConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = encoders.sam()
        trains = config.decoder == "full" or config.encoder_adapters.train_norms
        if trains or config.encoder_lora.from_block is not None or config.decoder_lora.enabled:
            self.sam = copy.deepcopy(self.sam)  # other methods hold the same frozen SAM

        self.pca = encoders.pca() if config.prompt.audio == "pca_8bit" else None
        self.prompt = SemanticAudioPrompt(
            config.prompt, encoders.audio_dim, output_tokens(self.sam).detach()
        )
        self.cola = ColA(config.cola, self.sam.mask_decoder) if config.cola.enabled else None
        self.encoder_adapters = None
        if config.encoder_adapters.from_block is not None:
            encoder = self.sam.image_encoder
            dim, depth = encoder.patch_embed.proj.out_channels, len(encoder.blocks)
            self.encoder_adapters = encoder_adapters(config.encoder_adapters, dim, depth)
        if config.encoder_lora.from_block is not None:
            adapt_encoder(self.sam, config.encoder_lora)
        if config.decoder_lora.enabled:
            adapt_decoder(self.sam, config.decoder_lora)
        self._thaw()
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]
        if config.loss_resolution == "input":
            self.target_size = self.sam.image_encoder.img_size
        self.learns_at_frame_size = config.loss_resolution == "frame"

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
        if self.pca is not None:
            audio = self.pca(audio)
        embedding = self._embed(batch.features)  # (B, T, C, h, w)
        valid, at_frame_size = batch.valid, self.training and self.learns_at_frame_size
        if at_frame_size:  # there every pixel is valid; the cue is pooled on the grid
            height, width = batch.masks.shape[-2:]
            cells = valid_cells((height, width), self.target_size)
            valid = cells.to(valid).expand(len(valid), -1, -1)
        tokens, cue = self.prompt(audio, embedding, valid)  # (B, T, K, C), (B, T, A)
        slot = "tokens" if self.config.prompt.slots == "six" else "sparse"
        logits, _ = decode(
            self.sam,
            embedding.flatten(0, 1),
            adapters=self.cola,
            **{slot: tokens.flatten(0, 1)},
        )  # (B * T, 1, 4h, 4w)
        if at_frame_size:
            frame, square = (height, width), self.sam.image_encoder.img_size
            logits = postprocess(logits, input_size(frame, square), frame)
        logits = logits.view(*audio.shape[:2], *logits.shape[-2:])
        if self.config.loss_resolution == "input":
            logits = F.interpolate(logits, self.target_size, mode="bilinear", align_corners=False)
        return Prediction(logits, {} if cue is None else {"cue": cue, "audio": audio})

    def _embed(self, features: Mapping[str, Tensor]) -> Tensor:
        if self.config.cut is None:
            return features["sam"]
        tokens = features["tokens"]  # (B, T, h, w, D)
        embedding = continue_from_tokens(
            self.sam,
            tokens.flatten(0, 1),
            self.config.cut,
            self.encoder_adapters or (),
            self.config.encoder_adapters.recompute,
        )
        return embedding.unflatten(0, tokens.shape[:2])

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        terms = mask_terms(self.config.mask_loss, prediction.logits, batch)
        config = self.config.alignment
        if config.loss != "none":
            cue, audio = prediction.aux["cue"], prediction.aux["audio"]
            terms["alignment"] = config.weight * alignment(
                cue, audio, batch.video, batch.classes, config
            )
        return terms
