"""Parameter block of GAVS."""

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from gavs.configs import MethodConfig, method_config
from gavs.configs.adapter import ColaConfig, EncoderAdaptersConfig
from gavs.configs.alignment import AlignmentConfig
from gavs.configs.lora import DecoderLoraConfig, EncoderLoraConfig
from gavs.configs.prompt import PromptConfig


@method_config("gavs", "gavs.model")
class GavsConfig(MethodConfig):
    """GAVS's switches; the defaults are the paper's text at full width."""

    paradigm = "prompt"

    prompt: PromptConfig = PromptConfig()
    cola: ColaConfig = ColaConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    encoder_adapters: EncoderAdaptersConfig = EncoderAdaptersConfig()
    encoder_lora: EncoderLoraConfig = EncoderLoraConfig()
    decoder_lora: DecoderLoraConfig = DecoderLoraConfig()
    decoder: Literal["frozen", "full"] = "frozen"
    # BCE, the paper's, or BCE + Dice: a loss with an overlap term, for the matched pairs. Ours.
    mask_loss: Literal["bce", "bce_dice"] = "bce"
    colour: Literal["rgb", "bgr"] = "rgb"  # bgr: the released code
    # SAM's mask grid, its input square, or the frame's own size (released code)
    loss_resolution: Literal["logits", "input", "frame"] = "logits"

    @property
    def cut(self) -> int | None:
        """First block of the image encoder in which something trains; None: it is frozen."""
        blocks = (self.encoder_adapters.from_block, self.encoder_lora.from_block)
        return min((block for block in blocks if block is not None), default=None)

    @model_validator(mode="after")
    def _lora_keeps_its_weights(self) -> "GavsConfig":
        if self.decoder == "full" and self.decoder_lora.enabled:
            raise ValueError("decoder full trains what LoRA adapts: set decoder_lora.enabled false")
        return self

    @model_validator(mode="after")
    def _alignment_acts_on_the_cue(self) -> "GavsConfig":
        if self.alignment.loss != "none" and not self.prompt.cue:
            raise ValueError("alignment acts on prompt.cue: with cue false set alignment.loss none")
        return self

    def inputs(self) -> Mapping[str, str]:
        if self.cut is None:
            return {"sam": f"sam_{self.colour}"}
        return {"tokens": f"tokens{self.cut}_{self.colour}"}

    def encoders(self) -> list[str]:
        return ["sam", "vggish_pca"] if self.prompt.audio == "pca_8bit" else ["sam"]
