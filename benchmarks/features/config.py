"""The blocks `encoders`, `audio` and `features` of params.yaml."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gavs.method import Config


class EncoderParams(Config):
    size: str
    weights: Path


class EncodersParams(Config):
    sam: EncoderParams
    vggish: EncoderParams
    pvt: EncoderParams
    resnet: EncoderParams
    resnet18: EncoderParams  # the localisers'
    swin: EncoderParams


class AudioParams(Config):
    hop_seconds: Literal[0.96, 1.0]
    spectrogram_hop: int = Field(gt=0, le=512)  # samples


class FeaturesParams(Config):
    stores: dict[Literal["avs", "vgg"], list[str]]  # by the clips that they cover: extract.COVERS
    rows_per_shard: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    precision: Literal["fp32", "bf16", "fp16"]  # of SAM on the frames; another store each
