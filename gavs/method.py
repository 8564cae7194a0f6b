"""The contract between a method and everything that trains, scores or tabulates it.

A method turns a `Batch` into a `Prediction` and a `Prediction` into loss terms. It holds no loop,
no metric and no file I/O, so one loop, one scorer and one table writer serve all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from mmengine.registry import Registry
from pydantic import BaseModel, ConfigDict, field_validator
from segment_anything.modeling import Sam
from torch import Tensor, nn

METHODS = Registry("method")
LARGEST = 10**9


class Config(BaseModel):
    """Base of every parameter block: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _countable(cls, value: Any) -> Any:
        """No width, count or size of a billion: nothing here could be made of it."""
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(number, int) and abs(number) >= LARGEST for number in numbers):
            raise ValueError(f"expected a whole number below {LARGEST:,}")
        return value


class Encoders(Protocol):
    """The pretrained encoders of a profile, handed to `Method.__init__`."""

    audio_dim: int

    def sam(self) -> Sam:
        """A frozen SAM in eval mode."""
        ...

    def backbone(self, name: str) -> Any:
        """`pvt`, `resnet`, `resnet18` or `swin`, pretrained: (N, 3, H, W) -> maps; `.channels`."""
        ...


@dataclass
class Batch:
    """Frames of B clips of T seconds each; one T per batch, never padded frames.

    `masks` and `valid` are in the method's own geometry and on its own grid of G x G cells: with
    `geometry = "sam"` the frame fills the top left of the square, with `"squash"` all of it.
    """

    audio: Tensor  # (B, T, ...) of the store that `Method.hears` names
    features: dict[str, Tensor]  # short name of `Method.inputs` -> (B, T, ...)
    masks: Tensor  # (B, T, G, G) share of sounding pixels in each cell, 0..1
    valid: Tensor  # (B, G, G) 1 where the cell shows the frame, 0 in SAM's padding
    supervised: Tensor  # (B, T) bool, frames whose mask may be learned from
    video: Tensor  # (B,) long, equal for clips of the same source video
    classes: Tensor  # (B, K) bool, classes of the clip
    # (B, T) bool, frames whose logits are read, if a temporal method may skip the others' masks
    asked: Tensor | None = None

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        features = {k: v.to(device) for k, v in self.features.items()}
        return replace(self, features=features, **moved)


@dataclass
class Prediction:
    """Mask logits, and the tensors that the method's own loss needs."""

    logits: Tensor  # (B, T, G, G) mask logits
    aux: dict[str, Tensor] = field(default_factory=dict)  # what the method's own loss needs


class Method(nn.Module):
    """Base class. Subclasses set the class attributes and `target_size` (G) in `__init__`.

    Register with `@METHODS.register_module(name="file_name")`; the module's first docstring line is
    the method's title with its reference. Parameters with `requires_grad` are what the loop trains.
    """

    Config: ClassVar[type[Any]]  # the class of its parameter block, a `Config`
    config: Any  # one of it
    geometry: ClassVar[Literal["sam", "squash"]] = "sam"
    oracle: ClassVar[bool] = False  # True: shown the truth, nothing to learn: a ceiling
    # How sound comes in: as a prompt of SAM's decoder, or fused into features that are decoded.
    paradigm: ClassVar[Literal["prompt", "fusion"]] = "fusion"
    recreated: ClassVar[bool] = False  # True: no code was released, built from the paper's text
    # False: a localiser that learns from unlabelled clips and is scored on VGG-SS only.
    supervised: ClassVar[bool] = True
    guidable: ClassVar[bool] = False  # True: `guided` mixes in a map of objects, without the sound
    guided: bool = False
    # Names in `Prediction.aux` that have layers first, then clips or frames; else those come first.
    layered: ClassVar[frozenset[str]] = frozenset()
    target_size: int
    learns_at_frame_size: bool = False  # True: in training, logits, masks and valid have its size

    def __init__(self, config: Any, encoders: Encoders) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def inputs(cls, config: Any) -> Mapping[str, str]:
        """Feature stores by short name, e.g. `{"sam": "sam_rgb"}`."""
        raise NotImplementedError

    @classmethod
    def hears(cls, config: Any) -> str:
        """Store of `Batch.audio`: `vggish` (128,) before VGGish's last ReLU, `logmel` (96, 64), its
        input, or `spectrogram` (1, 257, T)."""
        return "vggish"

    @classmethod
    def temporal(cls, config: Any) -> bool:
        """Whether it needs every frame of a clip, also the unlabelled ones."""
        return False

    @classmethod
    def cover(cls) -> str:
        """Name of the clips that its stores cover: `avs`, those that are segmented, or `vgg`."""
        return "avs" if cls.supervised else "vgg"

    @classmethod
    def encoders(cls, config: Any) -> list[str]:
        """Pretrained encoders that the method holds itself: `sam` or backbones."""
        return ["sam"]

    @staticmethod
    def sources(labels: np.ndarray, img_size: int) -> list[tuple[float, float]]:
        """Points that an oracle is given in a frame, `features["sources"]`.

        Args:
            labels: (H, W) the class that sounds at each pixel, 0 for none.
            img_size: side of SAM's square, in whose pixels (x, y) are.
        """
        raise NotImplementedError

    def forward(self, batch: Batch) -> Prediction:
        raise NotImplementedError

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Named terms, already weighted; the loop minimises their sum."""
        raise NotImplementedError

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups; `lr_scale` multiplies the learning rate (pretrained parts: 0.1)."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr_scale": 1.0}]

    def start_epoch(self, epoch: int) -> None:
        """Freeze or thaw parts before an epoch (from 0); a function of `epoch` only."""

    def after_step(self) -> None:
        """Update momentum encoders and the like after each optimiser step."""
