"""Parameter block of MarginNCE."""

from pydantic import Field

from baselines.configs.ez_vsl import EzVslConfig
from gavs.configs import method_config


@method_config("margin_nce", "baselines.margin_nce")
class MarginNceConfig(EzVslConfig):
    recreated = True

    margin: float = Field(-0.2, ge=-1, le=1)  # below 0 true pairs need not be the most similar
