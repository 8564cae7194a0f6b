"""Parameter block of HardWay."""

from typing import Literal

from pydantic import Field

from baselines.configs._localiser import LocaliserConfig
from gavs.configs import Count, method_config


@method_config("hardway", "baselines.hardway")
class HardWayConfig(LocaliserConfig):
    stride: Literal[16, 32] = 16
    audio_blocks: tuple[Count, Count, Count, Count] = (2, 2, 2, 2)  # ResNet-18
    audio_channels: tuple[Count, Count, Count, Count] = (
        64,
        128,
        256,
        512,
    )  # the last: the image trunk's
    positive: float = Field(0.65, ge=-1, le=1)  # cosines above are the source
    negative: float = Field(
        0.4, ge=-1, le=1
    )  # cosines below are background; between the two nothing is said
    softness: float = Field(0.03, gt=0)  # of both masks
    temperature: float = Field(0.07, gt=0)
