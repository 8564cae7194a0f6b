"""The block `training` of params.yaml."""

from typing import Literal

from pydantic import Field

from gavs.method import Config


class TrainingParams(Config):
    epochs: int = Field(ge=0)
    steps: int | None = Field(None, gt=0)  # in place of the epochs
    batch_frames: int = Field(gt=0)
    batch_clips: int = Field(gt=0)
    optimizer: Literal["adam", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "cosine", "one_cycle"]
    clip_grad: float | None
    amp: bool
    validate_from: int = Field(ge=0)
    validate_every: int = Field(1, gt=0)
    selection: Literal["best_val", "last"]
    checkpoint_seconds: float = Field(gt=0)
