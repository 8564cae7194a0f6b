"""Parameter block of AVIN."""

from typing import Literal

from pydantic import Field

from baselines.configs._localiser import LocaliserConfig
from gavs.configs import method_config


@method_config("avin", "baselines.avin")
class AvinConfig(LocaliserConfig):
    stride: Literal[16, 32] = 16
    dim: int = Field(512, gt=0)
    positive_share: float = Field(0.3, gt=0, le=1)  # of the places: t_p
    negative_share: float = Field(0.5, gt=0, le=1)  # t_n
    softness: float = Field(0.03, gt=0)
    temperature: float = Field(0.07, gt=0)
    distance_margin: float = Field(0.6, ge=0)
    backbone_lr_scale: float = Field(0.1, ge=0)

    def hears(self) -> str:
        return "vggish"
