"""Parameter block of AVSBench."""

from pydantic import Field

from baselines.configs._backbone import BackboneConfig
from gavs.configs import method_config


@method_config("avsbench", "baselines.avsbench")
class AVSBenchConfig(BackboneConfig):
    backbone_lr_scale: float = Field(1.0, ge=0)  # published: one group
    channels: int = Field(256, gt=0, multiple_of=8)
    avm_weight: float = Field(0.0, ge=0)  # audio-visual matching; published: 0.5 on V1M, else 0

    def temporal(self) -> bool:
        return True
