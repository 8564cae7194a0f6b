"""Parameter block of SAM-Fusion."""

from typing import Literal

from pydantic import Field

from gavs.configs import MethodConfig, method_config
from gavs.configs.adapter import ColaConfig


@method_config("sam_fusion", "baselines.sam_fusion")
class SamFusionConfig(MethodConfig):
    recreated = True

    operator: Literal["concat", "add", "film", "tpavi"] = "concat"
    hidden: int = Field(512, gt=0)  # of the audio's MLP, as in GAVS's prompt; tpavi has none
    cola: ColaConfig = ColaConfig()
    decoder: Literal["frozen", "full"] = "frozen"  # as GAVS's
    mask_loss: Literal["bce", "bce_dice"] = "bce"  # as GAVS's

    def temporal(self) -> bool:
        return self.operator == "tpavi"
