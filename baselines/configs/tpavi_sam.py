"""Parameter block of TPAVI on SAM's embeddings."""

from pydantic import Field

from gavs.configs import MethodConfig, method_config


@method_config("tpavi_sam", "baselines.tpavi_sam")
class TPAVISAMConfig(MethodConfig):
    channels: int = Field(256, gt=0, multiple_of=8)
    avm_weight: float = Field(0.0, ge=0)  # as `avsbench`

    def temporal(self) -> bool:
        return True
