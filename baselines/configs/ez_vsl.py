"""Parameter block of EZ-VSL."""

from pydantic import Field

from baselines.configs._localiser import SpectrogramConfig
from gavs.configs import method_config


@method_config("ez_vsl", "baselines.ez_vsl")
class EzVslConfig(SpectrogramConfig):
    guidable = True

    temperature: float = Field(0.03, gt=0)
    guidance_alpha: float = Field(0.4, ge=0, le=1)  # share of the audio-visual map in the mixture
