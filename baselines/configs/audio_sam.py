"""Parameter block of Audio-SAM."""

from pydantic import Field

from gavs.configs import MethodConfig, method_config


@method_config("audio_sam", "baselines.audio_sam")
class AudioSamConfig(MethodConfig):
    paradigm = "prompt"
    recreated = True

    hidden: int = Field(512, gt=0)
