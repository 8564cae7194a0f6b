"""Files of a training, also of a killed one: trained parameters, optimiser, step, history."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.files import write_atomic
from gavs.reading import reading


class SnapshotError(ValueError):
    """A checkpoint that is damaged or of another architecture."""


def trained_names(module: nn.Module) -> frozenset[str]:
    """Parameters that train and every buffer: frozen encoders stay in their own files.

    Ask before a phase freezes something for a while.
    """
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return frozenset(module.state_dict()) - frozen


def trained_state(module: nn.Module, names: frozenset[str]) -> dict[str, Tensor]:
    """Copies of the named tensors, by name."""
    return {k: v.detach().clone() for k, v in module.state_dict().items() if k in names}


def load_trained_state(
    module: nn.Module, names: frozenset[str], state: dict[str, Tensor], source: Path
) -> None:
    """Load strictly by name and shape.

    Raises:
        SnapshotError: naming the file and the first keys that differ.
    """
    expected = {k: v.shape for k, v in module.state_dict().items() if k in names}
    shapes = {k: v.shape for k, v in state.items()}
    if expected != shapes:
        missing = sorted(set(expected) - set(shapes))[:3]
        unknown = sorted(set(shapes) - set(expected))[:3]
        differing = [
            f"{k} is {tuple(shapes[k])}, expected {tuple(expected[k])}"
            for k in sorted(set(expected) & set(shapes))
            if expected[k] != shapes[k]
        ][:3]
        raise SnapshotError(
            f"{source}: a checkpoint of another architecture "
            f"(missing {missing}, unknown {unknown}, shapes {differing})"
        )
    module.load_state_dict(state, strict=False)


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """Read tensors and plain values only, never code.

    torch doesn't compare a file's checksums, so a damaged storage would give other numbers.

    Raises:
        SnapshotError: the file is missing, damaged or no checkpoint.
    """
    if not path.is_file():
        raise SnapshotError(f"{path}: no such checkpoint")
    with reading(path, SnapshotError, "as a checkpoint"):
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise SnapshotError(f"{path}: {damaged} in it differs from its checksum")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:  # its text advises to load the file without care
            raise SnapshotError(f"{path}: holds more than tensors and plain values") from None
