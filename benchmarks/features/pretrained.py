"""The pretrained encoders of a profile, loaded once per process; torch comes with the first."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common.files import sha256
from benchmarks.features.config import AudioParams, EncodersParams

if TYPE_CHECKING:
    from segment_anything.modeling import Sam
    from torch import nn

    from gavs.vggish import PCA, VGGish


@dataclass
class ProfileEncoders:
    """`gavs.method.Encoders` by the paths of params.yaml."""

    params: EncodersParams
    audio: AudioParams
    audio_dim: int = field(default=128, init=False)

    def sam(self) -> "Sam":
        from gavs.sam import build_sam

        return build_sam(self.params.sam.size, self.params.sam.weights)

    def pca(self) -> "PCA":
        from gavs.vggish import build_pca

        return build_pca(self.params.vggish_pca.weights)

    def backbone(self, name: str) -> "nn.Module":
        from gavs.backbones import build_backbone

        encoder = getattr(self.params, name)
        return build_backbone(encoder.size, encoder.weights)

    @cached_property
    def vggish(self) -> "VGGish":
        from gavs.vggish import build_vggish

        return build_vggish(self.params.vggish.size, self.params.vggish.weights)

    def checksum(self, name: str) -> str:
        """Checksum of the weights and of the size that is built from them."""
        encoder = getattr(self.params, name)
        return _checksum(encoder.size, encoder.weights)


@lru_cache
def _checksum(size: str, weights: Path) -> str:
    return sha256(size.encode(), weights)
