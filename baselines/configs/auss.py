"""Parameter block of AUSS."""

from pydantic import Field

from baselines.configs._mask2former import Mask2FormerConfig
from gavs.configs import method_config


@method_config("auss", "baselines.auss")
class AussConfig(Mask2FormerConfig):
    recreated = True

    query_weight: float = Field(0.1, ge=0)  # self-supervised, between the queries
    overlap_weight: float = Field(0.1, ge=0)  # self-supervised, between their masks
