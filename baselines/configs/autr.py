"""Parameter block of AuTR."""

from typing import Literal

from pydantic import Field

from baselines.configs._backbone import BackboneConfig
from baselines.configs._queries import SetLossConfig
from gavs.configs import Count, method_config


@method_config("autr", "baselines.autr")
class AutrConfig(BackboneConfig):
    recreated = True

    backbone: Literal["pvt", "resnet", "swin"] = "swin"
    dim: int = Field(256, gt=0, multiple_of=8)
    heads: Count = 8
    encoder_layers: int = Field(4, gt=0)
    decoder_layers: int = Field(4, gt=0)
    hidden: int = Field(2048, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    queries: int = Field(16, gt=0)
    mask_channels: int = Field(8, gt=0)  # of the dynamic convolution
    losses: SetLossConfig = SetLossConfig()
