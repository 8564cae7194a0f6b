"""Parameter block of AVSegFormer."""

from pydantic import Field

from baselines.configs._backbone import BackboneConfig
from baselines.configs._segformer import SegFormerConfig
from gavs.configs import method_config


# Released: backbone_lr_scale 1; images of 224 as in the paper, 512 in the released code
@method_config("avsegformer", "baselines.avsegformer")
class AVSegFormerConfig(BackboneConfig, SegFormerConfig):
    backbone_lr_scale: float = Field(1.0, ge=0)  # published: one group
    freeze_epochs: int = Field(5, ge=0)  # backbone frozen before this epoch; released: 10 on V1M

    def partial_epochs(self) -> dict[str, int]:
        return {"freeze_epochs": self.freeze_epochs}
