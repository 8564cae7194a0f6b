"""Parameter block of SLAVC."""

from pydantic import Field

from baselines.configs._localiser import SpectrogramConfig
from gavs.configs import method_config


@method_config("slavc", "baselines.slavc")
class SlavcConfig(SpectrogramConfig):
    guidable = True

    temperature: float = Field(0.03, gt=0)
    visual_dropout: float = Field(0.9, ge=0, lt=1)
    audio_dropout: float = Field(0.0, ge=0, lt=1)
    momentum: float = Field(0.999, ge=0, le=1)  # share of a copy that each step keeps
    guidance_alpha: float = Field(0.9, ge=0, le=1)  # share of the audio-visual map in the mixture
    object_range: float = Field(2.5, gt=0)  # strength of the object network's features called 1
