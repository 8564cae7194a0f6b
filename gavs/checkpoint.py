"""A trained GAVS in one file: what was trained, and the encoders that it was trained with.

The file is safetensors, which holds tensors and text, never code: the trained parameters and the
buffers under their names, and a `Header` as JSON. SAM and VGGish stay in their own files; the
header has their sizes, paths and checksums.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gavs.method import Config

KEY = "gavs"  # of the header in the file's metadata
ADVICE = "a checkpoint is made by `python -m benchmarks export ROW BENCHMARK --out FILE`"


class CheckpointError(ValueError):
    """A file that is no checkpoint of GAVS, or encoders that don't belong to it."""


class EncoderFile(Config):
    size: str
    path: str  # where it lay when the checkpoint was made
    sha256: str  # of the file


class Header(Config):
    version: Literal[1] = 1
    method: str
    config: dict[str, Any]
    sam: EncoderFile
    vggish: EncoderFile
    hop_seconds: Literal[0.96, 1.0]  # VGGish's framing, see `gavs.vggish.log_mel`
    origin: dict[str, str | int] = {}  # what it was trained on, for people


def checkpoint_bytes(header: Header, trained: Mapping[str, Tensor]) -> bytes:
    """The file's content; equal for equal arguments."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.items()}
    return save(tensors, {KEY: header.model_dump_json()})


def read_checkpoint(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Header and trained tensors, on the CPU.

    Raises:
        FileNotFoundError, CheckpointError: naming the file and what was expected.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {ADVICE}")
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(KEY)
            trained = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a checkpoint of GAVS ({error}); {ADVICE}") from None
    if text is None:
        raise CheckpointError(
            f"{path}: tensors without a header, so not a checkpoint of GAVS; {ADVICE}"
        )
    try:
        return Header.model_validate_json(text), trained
    except ValidationError as error:
        raise CheckpointError(f"{path}: {first_problem(error)}; {ADVICE}") from None


def encoder_path(header: Header, name: Literal["sam", "vggish"], given: Path | None) -> Path:
    """The weights file of an encoder: the one given, or where it lay; with the right content.

    Raises:
        FileNotFoundError: it isn't there.
        CheckpointError: its SHA-256 is another than that of the file trained with.
    """
    expected = getattr(header, name)
    path = given or Path(expected.path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. The checkpoint was trained with this {name} (size "
            f"{expected.size}, SHA-256 {expected.sha256}); say where it is with `{name}` "
            f"(--{name} FILE)"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.sha256:
        raise CheckpointError(
            f"{path}: not the {name} that the checkpoint was trained with ({expected.path}, size "
            f"{expected.size}): SHA-256 {found}, expected {expected.sha256}"
        )
    return path


def first_problem(error: ValidationError) -> str:
    """The first key that doesn't fit, and why."""
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc'])) or 'header'}: {found['msg']}"
