"""Block of the loss that matches queries to masks."""

from pydantic import Field

from gavs.configs import Config


class SetLossConfig(Config):
    """Weights of matching and loss: Mask2Former's."""

    class_weight: float = Field(2.0, ge=0)
    mask_weight: float = Field(5.0, ge=0)
    dice_weight: float = Field(5.0, ge=0)
    no_object: float = Field(0.1, ge=0)  # of queries without a target, in the class term
