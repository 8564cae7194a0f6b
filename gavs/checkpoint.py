"""A trained GAVS in one file: what was trained, and the encoders that it was trained with.

The file is safetensors, which holds tensors and text, never code: the trained parameters and the
buffers under their names, and a `CheckpointHeader` as JSON. SAM and VGGish stay in their own files;
the header has their sizes, paths and checksums.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from gavs.configs import Config
from gavs.reading import reading, shown

KEY, DIGEST = "gavs", "sha256"  # of the header and the checksum in the file's metadata
ADVICE = "a checkpoint is made by `python -m benchmarks export ROW BENCHMARK --out FILE`"


class CheckpointError(ValueError):
    """A file that is no checkpoint of GAVS, or encoders that don't belong to it."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))  # names in a file may hold anything


class EncoderFile(Config):
    """Weights file of a frozen encoder, as the checkpoint names it."""

    size: str
    path: str  # where it lay when the checkpoint was made
    sha256: str  # of the file


class CheckpointHeader(Config):
    """Facts that a checkpoint states beside its tensors."""

    version: Literal[1] = 1
    method: str
    config: dict[str, Any]
    sam: EncoderFile
    vggish: EncoderFile
    # VGGish's framing, see `gavs.vggish.log_mel`
    hop_seconds: Literal[0.96, 1.0]  # type: ignore[valid-type]  # pydantic takes floats
    origin: dict[str, str | int] = {}  # what it was trained on, for people


def checkpoint_bytes(header: CheckpointHeader, trained: Mapping[str, Tensor]) -> bytes:
    """The file's content; equal for equal arguments."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.items()}
    text = header.model_dump_json()
    return save(tensors, {KEY: text, DIGEST: _digest(text, tensors)})


def read_checkpoint(path: Path) -> tuple[CheckpointHeader, dict[str, Tensor]]:
    """Header and trained tensors, on the CPU.

    Raises:
        FileNotFoundError, CheckpointError: naming the file and what was expected.
    """
    with reading(path, CheckpointError, "as a checkpoint of GAVS", ADVICE):
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            trained = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if KEY not in metadata:
            raise ValueError("tensors without a header, expected a trained GAVS")
        if unknown := sorted(set(metadata) - {KEY, DIGEST}):
            raise ValueError(f"metadata {unknown[0]!r:.80}, expected {KEY} and {DIGEST}")
        try:
            header = CheckpointHeader.model_validate_json(metadata[KEY])
        except ValidationError as error:
            raise ValueError(f"header: {first_problem(error)}") from None
        expected, digest = metadata.get(DIGEST), _digest(metadata[KEY], trained)
        if expected not in (None, digest):  # files of older versions have none
            raise ValueError(f"its content has SHA-256 {digest}, recorded is {expected!r:.80}")
        return header, trained


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the header and of every tensor's name, type, shape and content."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def encoder_path(
    header: CheckpointHeader, name: Literal["sam", "vggish"], given: Path | None
) -> Path:
    """The weights file of an encoder: the one given, or where it lay; with the right content.

    Raises:
        FileNotFoundError: it isn't there.
        CheckpointError: its SHA-256 is another than that of the file trained with.
    """
    expected = getattr(header, name)
    path = given or Path(expected.path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{shown(path)}: no such file. The checkpoint was trained with this {name} (size "
            f"{expected.size}, SHA-256 {expected.sha256}); say where it is with `{name}` "
            f"(--{name} FILE)"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected.sha256:
        raise CheckpointError(
            f"{path}: not the {name} that the checkpoint was trained with ({expected.path}, size "
            f"{expected.size}): SHA-256 {digest}, expected {expected.sha256}"
        )
    return path


def first_problem(error: ValidationError) -> str:
    """The first key that doesn't fit, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'header'}: {first['msg']}"[:300]
