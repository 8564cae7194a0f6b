"""Block of AVSegFormer's head, which two methods share."""

from typing import Literal

from pydantic import Field

from gavs.configs import Config, Count


class SegFormerConfig(Config):
    dim: int = Field(256, gt=0, multiple_of=8)
    heads: Count = 8
    layers: int = Field(6, gt=0)  # of the query generator, the encoder and the decoder each
    hidden: int = Field(2048, gt=0, multiple_of=2)  # feed-forward; half of it for the queries
    queries: int = Field(300, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    mix_weight: float = Field(0.1, ge=0)  # auxiliary mask loss on the mixed feature's channel mean
    # released: Dice on every frame, which has no gradient where nothing sounds; defined: BCE there
    empty_frames: Literal["released", "defined"] = "defined"
