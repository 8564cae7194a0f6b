"""Switches of the adapters in SAM's decoder and image encoder, `gavs.adapter`."""

from typing import Literal

from pydantic import Field, model_validator

from gavs.configs import Config


class ColaConfig(Config):
    """Switches of the decoder's adapters (ColA)."""

    enabled: bool = True
    width: int = Field(128, gt=0)
    # output of the token-to-image attention | output of the token MLP (the released code), both
    # before the residual add | the tokens that the image then attends to
    place: Literal["attention", "mlp", "context"] = "mlp"
    activation: Literal["relu", "gelu"] = "relu"  # gelu: the released code
    zero_init: bool = True  # ours: step 0 is SAM; the released code leaves the default
    residual: bool = True


class EncoderAdaptersConfig(Config):
    """Switches of the image encoder's adapters."""

    from_block: int | None = Field(None, ge=0)  # first adapted block of the image encoder
    width: int = Field(128, gt=0)
    zero_init: bool = True
    # Activations, for the gradient, whatever trains in the encoder: a third more time, a fraction
    # of the memory.
    recompute: bool = True
    train_norms: bool = False  # layer norms of the blocks after `from_block`, as the released code

    @model_validator(mode="after")
    def _norms_belong_to_adapted_blocks(self) -> "EncoderAdaptersConfig":
        if self.train_norms and self.from_block is None:
            raise ValueError(
                "train_norms needs from_block: without adapters the encoder's output is read from "
                "the feature store"
            )
        return self
