"""Block of the Mask2Former parts that `auss` and `avsc` share."""

from pydantic import Field

from baselines.configs._backbone import BackboneConfig
from baselines.configs._queries import SetLossConfig
from gavs.configs import Count


class Mask2FormerConfig(BackboneConfig):
    dim: int = Field(256, gt=0, multiple_of=8)
    heads: Count = 8
    encoder_layers: int = Field(6, gt=0)
    encoder_hidden: int = Field(1024, gt=0)
    rounds: int = Field(3, gt=0)  # of the decoder, each over the three coarsest maps
    hidden: int = Field(2048, gt=0)
    queries: int = Field(100, gt=1)
    # At least the tokens of the clip index: AVSBench-semantic has 70 classes and three odd ones
    classes: int = Field(73, gt=0)
    losses: SetLossConfig = SetLossConfig()
