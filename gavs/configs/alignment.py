"""Switches of the audio-visual alignment, `gavs.losses.alignment`."""

from typing import Literal

from pydantic import Field

from gavs.configs import Config


class AlignmentConfig(Config):
    """The paper says "contrastive", its authors later "triplet, cosine"; the rest is ours."""

    loss: Literal["triplet", "infonce", "none"] = "triplet"
    margin: float = Field(0.3, ge=0)  # triplet
    temperature: float = Field(0.07, gt=0)  # infonce
    weight: float = Field(1.0, ge=0)
    # other_class: clips of other videos that share no class with the anchor's
    negatives: Literal["other_video", "other_class"] = "other_video"
