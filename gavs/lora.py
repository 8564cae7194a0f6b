"""Low-rank adaptation (LoRA, Hu et al., ICLR 2022) of SAM's attention, as GAVS's second release has
it: the image encoder's last blocks and every attention of the mask decoder.
"""

import math
from collections.abc import Iterable

import torch
from segment_anything.modeling import Sam
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gavs.adapter import check_block
from gavs.configs.lora import DecoderLoraConfig, EncoderLoraConfig, LoraConfig


class LoRA(nn.Module):
    """Change of a linear layer's weight W (out, in), which stays as it is: W + alpha / rank x B A.

    A starts as a linear layer's weight does, B at zero (microsoft/LoRA).
    """

    def __init__(self, weight: Tensor, config: LoraConfig) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.lora_A = nn.Parameter(torch.empty(config.rank, inputs))
        self.lora_B = nn.Parameter(torch.zeros(outputs, config.rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scale = config.alpha / config.rank

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.lora_B @ self.lora_A)


def adapt_encoder(sam: Sam, config: EncoderLoraConfig) -> None:
    """Put LoRA on the attention of blocks `from_block` to the last of SAM's image encoder.

    Raises:
        ValueError: if the encoder has no block `from_block`.
    """
    assert config.from_block is not None  # null: the caller adapts nothing
    blocks = sam.image_encoder.blocks
    check_block("encoder_lora.from_block", config.from_block, len(blocks))
    for block in blocks[config.from_block :]:
        _adapt((block.attn.qkv, block.attn.proj), config)


def adapt_decoder(sam: Sam, config: DecoderLoraConfig) -> None:
    """Put LoRA on the four projections of each attention of SAM's mask decoder, 28 layers."""
    for part in sam.mask_decoder.transformer.modules():
        if isinstance(part, Attention):
            _adapt((part.q_proj, part.k_proj, part.v_proj, part.out_proj), config)


def _adapt(layers: Iterable[nn.Linear], config: LoraConfig) -> None:
    """Make `layer.weight` the changed one, for whoever reads it."""
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LoRA(layer.weight, config))
