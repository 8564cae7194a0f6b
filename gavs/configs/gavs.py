"""Parameter block of GAVS."""

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from gavs.configs import MethodConfig, method_config
from gavs.configs.adapter import ColaConfig, EncoderAdaptersConfig
from gavs.configs.alignment import AlignmentConfig
from gavs.configs.prompt import PromptConfig


@method_config("gavs", "gavs.model")
class GavsConfig(MethodConfig):
    """GAVS's switches; the defaults are the paper's text at full width."""

    paradigm = "prompt"

    prompt: PromptConfig = PromptConfig()
    cola: ColaConfig = ColaConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    encoder_adapters: EncoderAdaptersConfig = EncoderAdaptersConfig()
    decoder: Literal["frozen", "full"] = "frozen"
    colour: Literal["rgb", "bgr"] = "rgb"  # bgr: the released code
    loss_resolution: Literal["logits", "input"] = "logits"  # SAM's mask grid, or its input square

    @model_validator(mode="after")
    def _alignment_acts_on_the_cue(self) -> "GavsConfig":
        if self.alignment.loss != "none" and not self.prompt.cue:
            raise ValueError("alignment acts on prompt.cue: with cue false set alignment.loss none")
        return self

    def inputs(self) -> Mapping[str, str]:
        cut = self.encoder_adapters.from_block
        if cut is None:
            return {"sam": f"sam_{self.colour}"}
        return {"tokens": f"tokens{cut}_{self.colour}"}
