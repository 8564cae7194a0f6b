"""The blocks `encoders`, `audio` and `features` of params.yaml."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from benchmarks.common.checks import Distinct
from gavs.configs import STORE_NAME, Config


class EncoderParams(Config):
    size: str
    weights: Path


class EncodersParams(Config):
    sam: EncoderParams
    vggish: EncoderParams
    vggish_pca: EncoderParams  # AudioSet's postprocessing, of `prompt.audio: pca_8bit`
    pvt: EncoderParams
    resnet: EncoderParams
    resnet18: EncoderParams  # the localisers'
    swin: EncoderParams  # AuTR's


class AudioParams(Config):
    # 1.0: each window starts with its frame's second. 0.96: AVSBench's framing, 0.36 s late by
    # frame 10.
    hop_seconds: Literal[0.96, 1.0] = 0.96  # type: ignore[valid-type]  # pydantic takes floats
    spectrogram_hop: int = Field(238, gt=0, le=512)  # samples; EZ-VSL


class FeaturesParams(Config):
    """`stores`: by the clips that they cover: avs, all that are segmented; vgg, those that the
    localisers of Table 3 learn from and are tested on. An error names one that is missing."""

    stores: dict[Literal["avs", "vgg"], Distinct[str]] = {
        "avs": ["vggish", "sam_rgb", "sam_bgr", "tokens0_rgb", "tokens6_rgb", "tokens8_bgr"]
        + ["tokens9_bgr", "logmel", "pixels224"],
        "vgg": ["vggish", "spectrogram", "pixels224"],
    }
    # Of these stores of SAM nothing is kept: their rows are made anew when they are asked for.
    live: Distinct[str] = []
    rows_per_shard: int = Field(512, gt=0)  # ours: 1 GiB of ViT-B's embeddings
    batch_size: int = Field(4, gt=0, le=65_536)  # of SAM; ours: ViT-B takes 3 GiB per frame in fp32
    # Of SAM on the frames: another store each. fp32: the released GAVS code; the others are faster
    # on GPUs.
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    @field_validator("live")
    @classmethod
    def _of_sam(cls, names: list[str]) -> list[str]:
        for name in names:
            match = STORE_NAME.fullmatch(name)
            if match is None or not (match["sam"] or match["tokens"]):
                raise ValueError(f"'{name}' is no store of SAM, such as tokens6_rgb")
        return names
