"""Rows of tables: a method or a variant of one, resolved for one benchmark."""

import ast
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import baselines.configs  # noqa: F401  registers every method
from benchmarks.common.checks import merge
from benchmarks.params.errors import ParamsError, mapping, nearest, validate
from benchmarks.params.variants import Variant
from benchmarks.training.config import TrainingParams
from gavs.configs import CONFIGS, Config, MethodConfig

if TYPE_CHECKING:
    from gavs.method import Method

BENCHMARKS = {
    "v1s": "V1S: AVSBench single source (S4), 5 frames, only the first labelled in train",
    "v1m": "V1M: AVSBench multiple sources (MS3), 5 frames",
    "v2": "V2: the 10-second clips of AVSBench-semantic, scored as binary masks",
    "v3": "AVS-V3: V1M and V2 clips split by class, seen for training and unseen for testing",
    "vggss": "VGG-SS: one frame per clip with boxes, for models of V2, or in-set of VGG-Sound",
    "vggss_sub": "VGG-SS-Sub: the VGG-SS classes that AVSBench lacks, 0 to 5 shots",
    "vggsound": "VGG-Sound: clips without labels, for the localisers of Table 3",
}


CLIP_FRAMES = {"v1s": 5, "v1m": 5}  # elsewhere 10, of V3 mostly


class Row(Config):
    """A method or variant as one benchmark has it: what is trained, and how."""

    name: str
    method: str
    config: dict[str, Any]
    training: TrainingParams

    @property
    def cls(self) -> "type[Method]":
        """Class of the method's network, imported with torch when a model is built."""
        from gavs.method import network

        return network(self.method)

    @cached_property
    def method_config(self) -> MethodConfig:
        """The method's parameter block, which its class takes."""
        return CONFIGS[self.method](**self.config)

    @property
    def temporal(self) -> bool:
        """Whether it takes whole clips, in batches of `batch_clips`."""
        return self.method_config.temporal()

    @property
    def by_clip(self) -> bool:
        """Whether a training step takes whole clips."""
        return self.temporal or self.training.whole_clips

    def labelled(self, benchmark: str) -> int:
        """Frames with a mask of a training sample: of a clip, or 1."""
        first = benchmark == "v1s" and self.training.first_mask == "first"
        return 1 if first or not self.by_clip else CLIP_FRAMES.get(benchmark, 10)

    def samples(self, benchmark: str) -> int:
        """Samples of an update: clips, or frames where it sees single ones."""
        return self.training.batch_samples(self.by_clip, self.labelled(benchmark))

    @property
    def stores(self) -> list[str]:
        """Feature stores that it reads."""
        config = self.method_config
        return sorted({config.hears(), *config.inputs().values()})


def method_names() -> list[str]:
    """List the names of all methods."""
    return sorted(CONFIGS)


def reference(method: str) -> str:
    """Read a method's title and paper from the head of its module, without importing it."""
    spec = find_spec(CONFIGS[method].network)
    assert spec and spec.origin
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def resolve(
    name: str,
    benchmark: str,
    methods: Mapping[str, dict[str, Any]],
    variants: Mapping[str, Variant],
    training: Mapping[str, Any],
) -> Row:
    """Resolve a method or variant for a benchmark.

    Args:
        methods: blocks by method: its own keys, `training` (overrides of the common training) and
            `benchmarks` (overrides of both for one benchmark).
        variants: by name, each with dotted keys to set.
        training: the training that all methods share on this benchmark.

    Raises:
        ParamsError: a name or a key that stands for nothing, or a value that can't be.
    """
    base, chain = _chain(name, methods, variants)
    block = dict(methods[base])
    overrides = mapping(block.pop("benchmarks", {}), f"methods.{base}.benchmarks")
    for key in overrides:
        where = f"methods.{base}.benchmarks.{key}"
        if key not in BENCHMARKS:
            raise ParamsError(f"{where}: no such benchmark{nearest(key, list(BENCHMARKS))}")
        mapping(overrides[key], where)
    block = merge(block, overrides.get(benchmark, {}))
    for variant in reversed(chain):
        for dotted, value in variant.set.items():
            nested: Any = value
            for key in reversed(dotted.split(".")):
                nested = {key: nested}
            block = merge(block, nested)
    where = f"methods.{base}" if base == name else f"variants.{name} ({base})"
    values = {**training, **mapping(block.pop("training", {}), f"{where}.training")}
    cls = CONFIGS.get(base)
    if cls is None:
        raise ParamsError(f"methods.{base}: no such method{nearest(base, method_names())}")
    return Row(
        name=name,
        method=base,
        config=validate(cls, block, where).model_dump(mode="json"),
        training=validate(TrainingParams, values, f"{where}.training"),
    )


def _chain(
    name: str, methods: Mapping[str, Any], variants: Mapping[str, Variant]
) -> tuple[str, list[Variant]]:
    """Follow the bases of a variant: the method at the end, and the variants on the way."""
    chain: list[Variant] = []
    base = name
    while base in variants and base not in methods:
        chain.append(variants[base])
        if len(chain) > len(variants):
            raise ParamsError(f"variants.{name}: its chain of bases goes round in a circle")
        base = variants[base].base
    if base not in methods:
        known = [*methods, *variants]
        raise ParamsError(f"{name}: no method or variant '{base}'{nearest(base, known)}")
    return base, chain
