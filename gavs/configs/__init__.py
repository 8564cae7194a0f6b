"""Parameter blocks, and what is known of a method without its network: nothing here loads torch.

A method is two classes: its `MethodConfig`, registered here, and the `gavs.method.Method` that it
names, whose module is imported when a model is built.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LARGEST = 10**9
# What a method may see or hear; benchmarks/features/encode.py says what each is.
STORE_NAME = re.compile(
    r"sam_(?P<sam>rgb|bgr)|tokens(?P<cut>0|[1-9]\d*)_(?P<tokens>rgb|bgr)|pixels(?P<pixels>[1-9]\d*)"
    r"|(?P<audio>vggish|logmel|spectrogram)"
)
Count = Annotated[int, Field(gt=0)]


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


class MethodConfig(Config):
    """Base of a method's parameter block, with the facts that readers of clips and tables need."""

    network: ClassVar[str]  # the module that registers the network in `gavs.method.METHODS`
    geometry: ClassVar[Literal["sam", "squash"]] = "sam"
    oracle: ClassVar[bool] = False  # True: shown the truth, nothing to learn: a ceiling
    # How sound comes in: as a prompt of SAM's decoder, or fused into features that are decoded.
    paradigm: ClassVar[Literal["prompt", "fusion"]] = "fusion"
    recreated: ClassVar[bool] = False  # True: no code was released, built from the paper's text
    # False: a localiser that learns from unlabelled clips and is scored on VGG-SS only.
    supervised: ClassVar[bool] = True
    # True: the network's `guided` mixes in a map of objects, without the sound.
    guidable: ClassVar[bool] = False

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "MethodConfig":
        """Check that the heads of an attention have whole channels each."""
        dim, heads = getattr(self, "dim", 0), getattr(self, "heads", 1)
        if dim % heads:
            raise ValueError(f"heads: {heads} heads can't share the {dim} channels of dim")
        return self

    def inputs(self) -> Mapping[str, str]:
        """Feature stores by short name."""
        return {"sam": "sam_rgb"}

    def hears(self) -> str:
        """Store of `Batch.audio`: `vggish` (128,) before VGGish's last ReLU, `logmel` (96, 64), its
        input, or `spectrogram` (1, 257, T)."""
        return "vggish"

    def temporal(self) -> bool:
        """Whether it needs every frame of a clip, also the unlabelled ones."""
        return False

    def cover(self) -> str:
        """Name of the clips that its stores cover: `avs`, those that are segmented, or `vgg`."""
        return "avs" if self.supervised else "vgg"

    def encoders(self) -> list[str]:
        """Pretrained encoders that the network holds itself: `sam` or backbones."""
        return ["sam"]

    def partial_epochs(self) -> dict[str, int]:
        """First epochs in which a part doesn't train or isn't used yet, by their parameter."""
        return {}


CONFIGS: dict[str, type[MethodConfig]] = {}
C = TypeVar("C", bound=type[MethodConfig])


def method_config(name: str, network: str) -> Callable[[C], C]:
    """Decorator that registers a method's block by the method's name.

    Args:
        network: the module with its network, registered there by the same name.
    """

    def register(cls: C) -> C:
        cls.network = network
        CONFIGS[name] = cls
        return cls

    return register
