"""The contract between a method and everything that trains, scores or tabulates it.

A method turns a `Batch` into a `Prediction` and a `Prediction` into loss terms. It holds no loop,
no metric and no file I/O, so one loop, one scorer and one table writer serve all of them.
"""

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from mmengine.registry import Registry
from segment_anything.modeling import Sam
from torch import Tensor, nn

from gavs.configs import CONFIGS

METHODS = Registry("method")


class Encoders(Protocol):
    """The pretrained encoders of a profile, handed to `Method.__init__`."""

    audio_dim: int

    def sam(self) -> Sam:
        """A frozen SAM in eval mode."""
        ...

    def pca(self) -> nn.Module:
        """Postprocessing: VGGish before its last ReLU (..., 128) -> 8-bit values (..., 128)."""
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

    audio: Tensor  # (B, T, ...) of the store that `MethodConfig.hears` names
    features: dict[str, Tensor]  # short name of `MethodConfig.inputs` -> (B, T, ...)
    masks: Tensor  # (B, T, G, G) share of sounding pixels in each cell, 0..1
    valid: Tensor  # (B, G, G) 1 where the cell shows the frame, 0 in SAM's padding
    supervised: Tensor  # (B, T) bool, frames whose mask may be learned from
    video: Tensor  # (B,) long, equal for clips of the same source video
    classes: Tensor  # (B, K) bool, classes of the clip
    # (B, T) bool, frames to decode: a temporal method may leave out the others' masks; None: all
    decoded: Tensor | None = None

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

    Config: ClassVar[type[Any]]  # the class of its parameter block
    config: Any  # one of it: facts that readers of clips and tables need are there
    guided: bool = False
    # Names in `Prediction.aux` that have layers first, then clips or frames; else those come first.
    layered: ClassVar[frozenset[str]] = frozenset()
    target_size: int
    learns_at_frame_size: bool = False  # True: in training, logits, masks and valid have its size

    def __init__(self, config: Any, encoders: Encoders) -> None:
        super().__init__()
        self.config = config

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


def network(name: str) -> type[Method]:
    """The class that computes a method, its module imported now.

    Raises:
        KeyError: no such method, or `baselines.configs` isn't imported.
    """
    import_module(CONFIGS[name].network)
    return METHODS.get(name)
