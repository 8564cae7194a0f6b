"""SAM-Fusion: audio fused into SAM's image embedding, no audio prompt (GAVS, Table 1).

Re-created: the paper says "similar to GAVS, but fuse audio and visual without prompt before the
Audio Source Decoder" and doesn't name the operator, hence the switch.
"""

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from baselines._tpavi import TPAVI, scatter_frames, select_frames
from baselines.configs.sam_fusion import SamFusionConfig
from gavs.adapter import ColA
from gavs.losses import mask_terms
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.prompt import mlp
from gavs.sam import decode, thaw_decoder


class Fusion(nn.Module):
    """Audio (B, T, A) into image embeddings (B, T, C, h, w), each frame by itself.

    The audio passes an MLP; then it is added, scales and shifts the channels (film), or is
    concatenated at every position before a 1x1 convolution, whose visual half starts as identity.
    """

    def __init__(self, operator: str, channels: int, audio_dim: int, hidden: int) -> None:
        super().__init__()
        self.operator = operator
        self.project = mlp(audio_dim, hidden, 2 * channels if operator == "film" else channels)
        if operator == "concat":
            self.mix = nn.Conv2d(2 * channels, channels, 1)
            nn.init.dirac_(self.mix.weight[:, :channels])

    def forward(self, x: Tensor, audio: Tensor) -> Tensor:
        heard = self.project(audio)[..., None, None]  # (B, T, C or 2C, 1, 1)
        if self.operator == "add":
            return x + heard
        if self.operator == "film":
            scale, shift = heard.chunk(2, dim=2)
            return x * (1 + scale) + shift
        # The audio is the same at every position, so its half of the 1x1 convolution is one product
        # of a vector, and the concatenated map is never made.
        channels = x.shape[2]
        seen, to_heard = self.mix.weight.split(channels, dim=1)
        mixed = F.conv2d(x.flatten(0, 1), seen).unflatten(0, x.shape[:2])
        heard = F.linear(heard[..., 0, 0], to_heard[..., 0, 0], self.mix.bias)  # (B, T, C)
        return mixed + heard[..., None, None]


@METHODS.register_module(name="sam_fusion")
class SamFusion(Method):
    Config = SamFusionConfig

    def __init__(self, config: SamFusionConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = encoders.sam()
        if config.decoder == "full":
            self.sam = copy.deepcopy(self.sam)  # other methods hold the same frozen SAM
            thaw_decoder(self.sam)
        channels = self.sam.prompt_encoder.embed_dim
        if config.operator == "tpavi":
            self.fusion: nn.Module = TPAVI(channels, encoders.audio_dim)
        else:
            self.fusion = Fusion(config.operator, channels, encoders.audio_dim, config.hidden)
        self.cola = ColA(config.cola, self.sam.mask_decoder) if config.cola.enabled else None
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    def forward(self, batch: Batch) -> Prediction:
        fused = self.fusion(batch.features["sam"], batch.audio)  # (B, T, C, h, w)
        decoded = batch.decoded if self.config.temporal() else None
        logits, _ = decode(self.sam, select_frames(fused, decoded), adapters=self.cola)
        return Prediction(scatter_frames(logits[:, 0], batch.audio.shape[:2], decoded))

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return mask_terms(self.config.mask_loss, prediction.logits, batch)
