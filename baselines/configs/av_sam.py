"""Parameter block of AV-SAM."""

from pydantic import Field

from gavs.configs import Count, MethodConfig, method_config


@method_config("av_sam", "baselines.av_sam")
class AvSamConfig(MethodConfig):
    paradigm = "prompt"  # "both models utilize prompts", the GAVS paper says of it and Audio-SAM
    recreated = True

    blocks: tuple[Count, Count, Count, Count] = (2, 2, 2, 2)  # of each stage: ResNet-18
    channels: tuple[Count, Count, Count, Count] = (64, 128, 256, 512)
    temperature: float = Field(0.1, gt=0)  # SLAVC's 0.03 drives the prompt beyond mask logits

    def hears(self) -> str:
        return "logmel"
