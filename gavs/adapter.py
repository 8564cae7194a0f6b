"""Bottleneck adapters: the Correlation Adapter (ColA, section 2.3 of the paper) in SAM's decoder,
and those that the released code and the paper's later version add to its image encoder.
"""

from segment_anything.modeling import MaskDecoder
from torch import Tensor, nn

from gavs.configs.adapter import ColaConfig, EncoderAdaptersConfig

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class Adapter(nn.Module):
    """(..., dim) -> dim -> width -> dim, plus its input if `residual`."""

    def __init__(
        self, dim: int, width: int, activation: str, zero_init: bool, residual: bool = True
    ) -> None:
        super().__init__()
        self.down = nn.Linear(dim, width)
        self.activation = ACTIVATIONS[activation]()
        self.up = nn.Linear(width, dim)
        self.residual = residual
        if zero_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        change = self.up(self.activation(self.down(x)))
        return x + change if self.residual else change


class ColA(nn.Module):
    """One adapter for each two-way block of SAM's decoder; see `gavs.sam.decode` for the places."""

    def __init__(self, config: ColaConfig, decoder: MaskDecoder) -> None:
        super().__init__()
        self.place = config.place
        dim = decoder.transformer_dim
        self.layers = nn.ModuleList(
            Adapter(dim, config.width, config.activation, config.zero_init, config.residual)
            for _ in decoder.transformer.layers
        )

    def forward(self, place: str, layer: int, x: Tensor) -> Tensor:
        return self.layers[layer](x) if place == self.place else x


def encoder_adapters(config: EncoderAdaptersConfig, dim: int, depth: int) -> nn.ModuleList:
    """Adapters for the blocks `from_block`..`depth - 1` of an image encoder of width `dim`.

    Raises:
        ValueError: if the encoder has no block `from_block`.
    """
    first = config.from_block
    assert first is not None  # null: the caller builds none
    check_block("encoder_adapters.from_block", first, depth)
    return nn.ModuleList(
        Adapter(dim, config.width, "relu", config.zero_init) for _ in range(first, depth)
    )


def check_block(key: str, first: int, depth: int) -> None:
    """Check that an image encoder has the block that a key names.

    Raises:
        ValueError: naming the key, its value and the encoder's blocks.
    """
    if first >= depth:
        raise ValueError(
            f"{key} is {first}, but the image encoder has blocks 0 to {depth - 1}: use "
            f"{depth // 2} for its last half, or null for none"
        )
