"""Simple feature pyramid from one map of a plain encoder (Li et al., ViTDet, ECCV 2022)."""

import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import Tensor, nn


class SAMPyramid(nn.Module):
    """SAM's image embedding at twice, once, half and a quarter of its resolution.

    The heads project each map themselves, so only the deconvolution of the finest one is learned.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        channels = sam.prompt_encoder.embed_dim
        self.channels = [channels] * 4
        self.up = nn.ConvTranspose2d(channels, channels, 2, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, h, w) -> maps of side 2h, h, h / 2, h / 4."""
        half = F.max_pool2d(x.contiguous(memory_format=torch.channels_last), 2)  # 1/10 of the time
        return [self.up(x), x, half.contiguous(), F.max_pool2d(half, 2).contiguous()]


def mask_size(sam: Sam) -> int:
    """Side of SAM's own mask logits, the grid on which GAVS trains: four times the embedding's."""
    return 4 * sam.prompt_encoder.image_embedding_size[0]
