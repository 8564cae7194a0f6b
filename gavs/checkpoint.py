"""A trained method in one file: what was trained, and the encoders that it was trained with.

The file is safetensors, which holds tensors and text, never code: the trained parameters and the
buffers under their names, and a `CheckpointHeader` as JSON. SAM's frozen part and VGGish stay in
their own files; the header has their sizes, paths and checksums. Backbones are in the file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError
from safetensors import safe_open
from safetensors.torch import save
from segment_anything.modeling import Sam
from torch import Tensor, nn

from gavs.configs import STORE_NAME, Config, MethodConfig
from gavs.reading import reading, shown
from gavs.writing import write_whole

KEY = "gavs"  # of the header in the file's metadata
DIGEST = "sha256"  # of the checksum beside it, in files of version 1
ADVICE = "a checkpoint is made by `python -m benchmarks export ROW BENCHMARK --out FILE`"


class CheckpointError(ValueError):
    """A file that is no checkpoint, or encoders that don't belong to it."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))  # names in a file may hold anything


class EncoderFile(Config):
    """Weights file of a frozen encoder, as the checkpoint names it."""

    size: str
    path: str  # where it lay when the checkpoint was made
    sha256: str  # of the file


class CheckpointHeader(Config):
    """Facts that a checkpoint states beside its tensors."""

    version: Literal[2] = 2
    method: str
    config: dict[str, Any]
    encoders: dict[Literal["sam", "vggish"], EncoderFile]  # that it reads from files
    sizes: dict[str, str] = {}  # of the encoders whose weights are among the tensors
    # VGGish's framing, see `gavs.vggish.log_mel`
    hop_seconds: Literal[0.96, 1.0]  # type: ignore[valid-type]  # pydantic takes floats
    spectrogram_hop: int = Field(238, gt=0, le=512)  # samples, see `gavs.spectrogram`
    origin: dict[str, str | int] = {}  # what it was trained on, for people


def encoders_of(config: MethodConfig) -> dict[str, bool]:
    """The encoders that a method needs by name: whether their weights are read from a file.

    The others are backbones, whose weights are among the checkpoint's tensors.
    """
    named = config.encoders()
    kinds = [STORE_NAME.fullmatch(store) for store in config.inputs().values()]
    through_sam = any(kind and (kind["sam"] or kind["tokens"]) for kind in kinds)
    files = {"sam": "sam" in named or through_sam, "vggish": config.hears() == "vggish"}
    return {name: False for name in named} | {name: True for name in files if files[name]}


def saved_state(network: nn.Module) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name: a network's, as built, less what SAM's file gives."""
    from_sam = {
        f"{prefix}.{name}"
        for prefix, part in network.named_modules()
        if isinstance(part, Sam)
        for name, parameter in part.named_parameters()
        if not parameter.requires_grad
    }
    return {name: t for name, t in network.state_dict().items() if name not in from_sam}


def checkpoint_bytes(header: CheckpointHeader, trained: Mapping[str, Tensor]) -> bytes:
    """The file's content; equal for equal arguments."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in trained.items()}
    facts = header.model_dump(mode="json")
    text = json.dumps({"header": facts, DIGEST: _digest(_canonical(facts), tensors)})
    return save(tensors, {KEY: text})  # one key: the library writes several in an order by chance


def write_checkpoint(path: Path, header: CheckpointHeader, trained: Mapping[str, Tensor]) -> None:
    """Write a checkpoint whole or not at all."""
    write_whole(path, checkpoint_bytes(header, trained))


def read_checkpoint(path: Path) -> tuple[CheckpointHeader, dict[str, Tensor]]:
    """Header and trained tensors, on the CPU.

    Raises:
        FileNotFoundError, CheckpointError: naming the file and what was expected.
    """
    with reading(path, CheckpointError, "as a checkpoint", ADVICE):
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            trained = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if KEY not in metadata:
            raise ValueError("tensors without a header, expected a trained method")
        facts = json.loads(metadata[KEY])
        if not isinstance(facts, dict):
            raise ValueError(f"a header of {type(facts).__name__}, expected a JSON object")
        if facts.get("version") == 1:
            text, expected, names = metadata[KEY], metadata.get(DIGEST), {KEY, DIGEST}
            facts = _migrated(facts)
        else:
            expected, facts, names = facts.get(DIGEST, ""), facts.get("header"), {KEY}
            text = _canonical(facts)
        if unknown := sorted(set(metadata) - names):
            raise ValueError(f"metadata {unknown[0]!r:.80}, expected {' and '.join(sorted(names))}")
        try:
            header = CheckpointHeader.model_validate(facts)
        except ValidationError as error:
            raise ValueError(f"header: {first_problem(error)}") from None
        digest = _digest(text, trained)
        if expected not in (None, digest):  # the first files have none
            raise ValueError(f"its content has SHA-256 {digest}, recorded is {expected!r:.80}")
        return header, trained


def _migrated(facts: dict[str, Any]) -> dict[str, Any]:
    """A header of version 1, which only GAVS had, as one of version 2."""
    rest = {key: value for key, value in facts.items() if key not in ("sam", "vggish")}
    encoders = {name: facts[name] for name in ("sam", "vggish") if name in facts}
    return rest | {"version": 2, "encoders": encoders}


def _canonical(facts: Any) -> str:
    return json.dumps(facts, sort_keys=True)


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the header and of every tensor's name, type, shape and content."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def encoder_path(
    header: CheckpointHeader, name: Literal["sam", "vggish"], given: Path | None, folder: Path
) -> Path:
    """The weights file of an encoder, with the right content: the one given, or where it lay, or
    one of its name beside the checkpoint.

    Args:
        folder: that the checkpoint is in.

    Raises:
        FileNotFoundError: it isn't there.
        CheckpointError: its SHA-256 is another than that of the file trained with.
    """
    expected = header.encoders[name]
    recorded = Path(expected.path)
    candidates = [given] if given else [recorded, folder / recorded.name]
    there = [path for path in candidates if path.is_file()]
    if not there:
        raise FileNotFoundError(
            f"{shown(candidates[0])}: no such file. The checkpoint was trained with this {name} "
            f"(size {expected.size}, SHA-256 {expected.sha256}); say where it is with `{name}` "
            f"(--{name} FILE)"
        )
    digests = {path: _file_digest(path) for path in there}
    for path, digest in digests.items():
        if digest == expected.sha256:
            return path
    path = there[0]
    raise CheckpointError(
        f"{path}: not the {name} that the checkpoint was trained with ({expected.path}, size "
        f"{expected.size}): SHA-256 {digests[path]}, expected {expected.sha256}"
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_problem(error: ValidationError) -> str:
    """The first key that doesn't fit, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'header'}: {first['msg']}"[:300]
