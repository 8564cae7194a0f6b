"""Switches of low-rank adaptation, `gavs.lora`."""

from pydantic import Field

from gavs.configs import Config


class LoraConfig(Config):
    """Rank and scale of the change of a weight: alpha / rank x B A."""

    rank: int = Field(16, gt=0)
    alpha: float = Field(16, gt=0)


class EncoderLoraConfig(LoraConfig):
    """LoRA of `attn.qkv` and `attn.proj` in the image encoder's blocks."""

    from_block: int | None = Field(None, ge=0)  # first adapted block of the image encoder


class DecoderLoraConfig(LoraConfig):
    """LoRA of queries, keys, values and outputs of all attention in the mask decoder."""

    enabled: bool = False
