"""SAMA: audio adapters inside SAM's encoder (Liu et al., WACV 2024), not in the GAVS paper.

After the paper and jinxiang-liu/anno-free-AVS: an adapter before every block of the frozen image
encoder adds a function of the audio to all tokens; no prompt; SAM's mask decoder trains (their
figure and code, beside the adapters); BCE and soft IoU.
Other than there: SAM of the profile (theirs: ViT-H) with its own preprocessing (theirs squashes
frames to the square), SAM's own position encoding and no-mask embedding (theirs start at random:
their names differ from the checkpoint's, which is loaded leniently), the loss on the grid of the
mask logits (theirs: the input square), and no pretraining on AVS-Synthetic.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.configs.sama import SamaConfig
from gavs.losses import frame_bce, supervised_mean
from gavs.method import METHODS, Batch, Encoders, Method, Prediction
from gavs.sam import decode, recomputed, thaw_decoder


class AudioAdapters(nn.Module):
    """Audio (N, A) -> what each block's tokens gain, (blocks, N, D).

    For each block a linear map and GELU, then one linear map that all share.
    """

    def __init__(self, blocks: int, audio_dim: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(nn.Linear(audio_dim, hidden) for _ in range(blocks))
        self.shared = nn.Linear(hidden, dim)
        for linear in (*self.own, self.shared):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, audio: Tensor) -> Tensor:
        return self.shared(F.gelu(torch.stack([project(audio) for project in self.own])))


def frame_iou(logits: Tensor, batch: Batch) -> Tensor:
    """1 - soft IoU over the valid cells: (B, T, G, G) -> (B, T); 1 where the mask is empty."""
    valid = batch.valid[:, None]
    p, g = logits.float().sigmoid() * valid, batch.masks * valid
    overlap = (p * g).sum((-2, -1))
    return 1 - overlap / ((p + g).sum((-2, -1)) - overlap).clamp(min=1e-6)


@METHODS.register_module(name="sama")
class SAMA(Method):
    Config = SamaConfig

    def __init__(self, config: SamaConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.sam = copy.deepcopy(encoders.sam())  # other methods hold the same frozen SAM
        thaw_decoder(self.sam)
        self.sam.prompt_encoder.no_mask_embed.requires_grad_(True)

        encoder = self.sam.image_encoder
        adapted = len(encoder.blocks) - config.from_block
        if adapted < 1:
            raise ValueError(
                f"from_block is {config.from_block}, but the image encoder has blocks 0 to "
                f"{len(encoder.blocks) - 1}"
            )
        dim = encoder.patch_embed.proj.out_channels
        self.adapters = AudioAdapters(adapted, encoders.audio_dim, config.hidden, dim)
        self.target_size = self.sam.prompt_encoder.mask_input_size[0]

    def forward(self, batch: Batch) -> Prediction:
        x = batch.features["tokens"].flatten(0, 1)  # (N, h, w, D)
        gains = self.adapters(F.relu(batch.audio.flatten(0, 1)))  # VGGish there ends in its ReLU
        encoder = self.sam.image_encoder
        for block, gain in zip(encoder.blocks[self.config.from_block :], gains, strict=True):
            x = recomputed(self.config.recompute, block, x + gain[:, None, None])
        logits, _ = decode(self.sam, encoder.neck(x.permute(0, 3, 1, 2)))
        return Prediction(logits.view(*batch.audio.shape[:2], *logits.shape[-2:]))

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {
            "bce": supervised_mean(frame_bce(prediction.logits, batch), batch),
            "iou": supervised_mean(frame_iou(prediction.logits, batch), batch),
        }
