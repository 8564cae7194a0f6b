"""Parameter block of AVSC."""

from pydantic import Field

from baselines.configs._mask2former import Mask2FormerConfig
from gavs.configs import method_config


@method_config("avsc", "baselines.avsc")
class AvscConfig(Mask2FormerConfig):
    recreated = True

    audio_hidden: int = Field(512, gt=0)
    stage_one_epochs: int = Field(15, ge=0)  # before it, the audio doesn't touch the masks
    select_weight: float = Field(5.0, ge=0)  # of the chosen masks' cross-entropy; Mask2Former's

    def partial_epochs(self) -> dict[str, int]:
        return {"stage_one_epochs": self.stage_one_epochs}
