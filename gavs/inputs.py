"""What a method sees and hears, made by the encoders that its checkpoint names.

The values are those of the feature stores that it was trained on, in half precision where they are.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from gavs.backbones import build_backbone
from gavs.checkpoint import CheckpointHeader
from gavs.configs import STORE_NAME
from gavs.hearing import hear
from gavs.pixels import squash
from gavs.sam import build_sam, preprocess, tokens
from gavs.sizes import SAM_SIZES
from gavs.sound import SAMPLE_RATE
from gavs.vggish import AUDIO_DIM, PCA, VGGish, build_vggish
from gavs.views import normalised

CLIP_SECONDS = 10  # of AVSBench's clips: VGGish's framing and a temporal method start anew there


class FileEncoders:
    """`gavs.method.Encoders` as a checkpoint's header names them.

    Args:
        paths: weights files by the names of `header.encoders`.
    """

    audio_dim = AUDIO_DIM

    def __init__(
        self, header: CheckpointHeader, paths: Mapping[str, Path], device: torch.device
    ) -> None:
        self.header, self.paths, self.device = header, paths, device

    def sam(self) -> Sam:
        """The frozen SAM; who trains some of it takes a copy."""
        return self._sam

    def backbone(self, name: str) -> Any:
        return build_backbone(self.header.sizes[name])  # the checkpoint has its weights

    def pca(self) -> PCA:
        return PCA()  # the checkpoint has its values

    @cached_property
    def _sam(self) -> Sam:
        size = self.header.encoders["sam"].size
        return build_sam(size, self.paths["sam"]).to(self.device)

    @cached_property
    def vggish(self) -> VGGish:
        """The frozen VGGish."""
        size = self.header.encoders["vggish"].size
        return build_vggish(size, self.paths["vggish"]).to(self.device)

    @property
    def sam_side(self) -> int:
        """Side of SAM's input square in pixels; 0 without SAM."""
        file = self.header.encoders.get("sam")
        return SAM_SIZES[file.size].img_size if file else 0

    @torch.no_grad()
    def see(self, store: str, frame: np.ndarray) -> Tensor:
        """Input of a frame (H, W, 3) uint8, as the row of an image store that it would be."""
        kind = STORE_NAME.fullmatch(store)
        assert kind is not None  # a method's own
        if kind["pixels"]:
            pixels = torch.from_numpy(squash(frame, int(kind["pixels"])).copy())
            return normalised(pixels.float()).to(self.device)
        colour: Literal["rgb", "bgr"] = kind["sam"] or kind["tokens"]  # type: ignore[assignment]
        square = preprocess([frame], self.sam_side, colour).to(self.device)
        if kind["cut"]:
            return _halved(tokens(self._sam, square, int(kind["cut"]))[0])
        return _halved(self._sam.image_encoder(square)[0])

    @torch.no_grad()
    def hear(self, store: str, sound: np.ndarray, seconds: Sequence[int]) -> Tensor:
        """Inputs of these seconds of a sound, all of one clip, as rows of an audio store (T, ...).

        Args:
            sound: (n,) float32, 16 kHz; silent after its end.
        """
        first, last = min(seconds), max(seconds)
        begin = 0 if store == "spectrogram" else first // CLIP_SECONDS * CLIP_SECONDS
        rows = hear(
            store,
            sound[begin * SAMPLE_RATE :],
            first - begin,
            last - first + 1,
            lambda mels: self.vggish(mels.to(self.device)),
            self.header.hop_seconds,
            self.header.spectrogram_hop,
        )
        heard = torch.from_numpy(rows)[[second - first for second in seconds]].to(self.device)
        return heard if store == "vggish" else _halved(heard)


def _halved(values: Tensor) -> Tensor:
    """Values as a store keeps them: all but VGGish's are in half precision."""
    return values.half().float()
