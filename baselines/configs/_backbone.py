"""Block of methods that read pixels and train a backbone of their own."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gavs.configs import MethodConfig


class BackboneConfig(MethodConfig):
    """The backbone that a method trains, and the side of its input in pixels."""

    geometry = "squash"

    backbone: Literal["pvt", "resnet", "swin"] = "pvt"
    image_size: int = Field(224, gt=0, multiple_of=32)  # the coarsest map is 1/32 of it
    backbone_lr_scale: float = Field(0.1, ge=0)

    def inputs(self) -> Mapping[str, str]:
        return {"pixels": f"pixels{self.image_size}"}

    def encoders(self) -> list[str]:
        return [self.backbone]
