"""Blocks of the self-supervised localisers."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gavs.configs import Count, MethodConfig


class LocaliserConfig(MethodConfig):
    """Switches of all localisers: the image trunk."""

    geometry = "squash"
    supervised = False

    image_size: int = Field(224, gt=0, multiple_of=32)
    stride: Literal[16, 32] = 32  # pixels to a place of the map; 16: layer 4 with stride 1
    backbone_lr_scale: float = Field(1.0, ge=0)  # of the pretrained image trunk

    def inputs(self) -> Mapping[str, str]:
        return {"pixels": f"pixels{self.image_size}"}

    def encoders(self) -> list[str]:
        return ["resnet18"]

    def hears(self) -> str:
        return "spectrogram"


class SpectrogramConfig(LocaliserConfig):
    """Switches of localisers that train an audio trunk on spectrograms."""

    audio_blocks: tuple[Count, Count, Count, Count] = (2, 2, 2, 2)  # ResNet-18
    audio_channels: tuple[Count, Count, Count, Count] = (64, 128, 256, 512)
    dim: int = Field(512, gt=0)  # of the common space
