"""Sizes of the pretrained encoders, by their names in params.yaml; nothing here loads torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SamSize:
    """Widths of a SAM: `dim`, `depth`, `heads` of the image encoder; `out` is d_V of the paper."""

    img_size: int
    patch: int
    dim: int
    depth: int
    heads: int
    mlp_ratio: float
    window: int  # 0: global attention and no relative position everywhere
    global_blocks: tuple[int, ...]
    out: int
    decoder_heads: int
    decoder_mlp: int

    @property
    def grid(self) -> int:
        """Tokens along a side; masks have four times as many cells."""
        return self.img_size // self.patch


def _vit(dim: int, depth: int, heads: int) -> SamSize:
    last_of_quarter = tuple(range(depth // 4 - 1, depth, depth // 4))
    return SamSize(1024, 16, dim, depth, heads, 4, 14, last_of_quarter, 256, 8, 2048)


SAM_SIZES = {
    "mini": SamSize(96, 8, 128, 4, 4, 3, 0, (), 64, 4, 256),
    "vit_b": _vit(768, 12, 12),
    "vit_l": _vit(1024, 24, 16),
    "vit_h": _vit(1280, 32, 16),
}
# Convolutions and linear layers of VGGish
WIDTHS: dict[str, tuple[tuple[int, ...], int]] = {
    "mini": ((12, 24, 48, 48, 96, 96), 192),
    "full": ((64, 128, 256, 256, 512, 512), 4096),
}
PCA_SIZES = ("pca", "pca_mini")  # AudioSet's, and that of the miniature's sounds; one shape
# `gavs.backbones` builds them
BACKBONE_SIZES = ("pvt_v2_mini", "pvt_v2_b5", "resnet_mini", "resnet18", "resnet50", "swin_base")
