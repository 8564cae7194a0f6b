"""Reading published or committed weights into a module, with errors that say what to do."""

import logging
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gavs.reading import reading, shown

AGAIN = "download it again (`python -m benchmarks weights` says from where)"
_PICKLES = (b"\x80\x03", b"\x80\x04", b"\x80\x05")  # torch's own use protocol 2
_WRAPPERS = ("model", "state_dict", "model_state_dict")  # what training codes put a state dict in
_WHAT = "as weights (cut short, or no torch file and no safetensors file)"
_STATE_DICT_ALONE = "Give the published file, or one that holds a model's state_dict() alone"
_reconstruct = np.zeros(0).__reduce__()[0]
_ARRAYS: list[Any] = [  # what a pickled numpy array of floats is rebuilt from: data, not code
    (_reconstruct, "numpy.core.multiarray._reconstruct"),  # before numpy 2
    (_reconstruct, "numpy._core.multiarray._reconstruct"),
    *(np.ndarray, np.dtype, type(np.dtype(np.float32)), type(np.dtype(np.float64))),
]


class WeightsError(ValueError):
    """Weights that can't be used: which file, what it holds, what was expected, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))  # names in a file may hold anything


@dataclass(frozen=True)
class KeyMap:
    """Another release's names for the tensors of a module."""

    release: str
    sign: str  # a key that only this release has
    renames: Sequence[tuple[str, str | None]]  # expressions, one after the other; None: left out
    prefixes: Sequence[str] = ("",)  # where the module may sit inside a whole model


def read_weights(path: Path, arrays: bool = False) -> dict[str, Tensor]:
    """The state dict in a file of safetensors or torch, on the CPU, mapped if it can be.

    Nothing but tensors is unpickled, or numpy arrays of floats too with `arrays`.

    Raises:
        FileNotFoundError: if there is no such file.
        WeightsError: if it is empty, cut short, no weights at all, or a pickle of more than data.
    """
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no such weights file"
        raise FileNotFoundError(
            f"{path}: {what}; check the path in params.yaml, "
            "or get the file: `python -m benchmarks weights` says from where"
        )
    with reading(path, WeightsError, _WHAT, AGAIN):
        with path.open("rb") as file:
            start = file.read(512)
        _refuse_other_content(path, start)
        if path.suffix == ".safetensors" or start[8:10] == b'{"':
            return load_file(path)
        return _state_dict(_load(path, arrays), path)


def _load(path: Path, arrays: bool) -> object:
    """Load what torch saved. Its own messages advise to load a file without care: none is repeated.

    Raises:
        WeightsError: the pickle asks for more than data.
        ValueError, OSError: can't be read.
    """
    archive = zipfile.is_zipfile(path)  # torch maps only its newer format
    if archive:
        _refuse_swollen(path)
    allowed = torch.serialization.safe_globals(_ARRAYS) if arrays else nullcontext()
    try:
        with allowed:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except OSError:
        raise
    except Exception as error:  # whatever the bytes lead torch to
        if code := re.search(r"GLOBAL ([\w.]+)|(TorchScript)", str(error)):
            raise WeightsError(
                f"{path}: asks for {code[1] or code[2]}, expected tensors only. It is not loaded, "
                f"since that could run any code. {_STATE_DICT_ALONE}"
            ) from None
        if isinstance(error, pickle.UnpicklingError):
            raise ValueError("a pickle of something else than tensors") from None
        raise


def _refuse_swollen(path: Path) -> None:
    """torch stores its archive's members as they are: what claims more would be a bomb."""
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
    odd = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
    if odd:
        raise ValueError(f"member {odd[0]!r:.80} is compressed, which torch's never are")
    claimed = sum(member.file_size for member in members)
    if claimed > path.stat().st_size:
        raise ValueError(f"its members claim {claimed:,} bytes")


def fit_weights(
    module: nn.Module, state: Mapping[str, Tensor], source: Path, maps: Sequence[KeyMap] = ()
) -> dict[str, Tensor]:
    """`state` by the names of `module`, which may be on the meta device; precision may differ.

    Raises:
        WeightsError: naming `source`, the first missing or unexpected key, or a wrong shape.
    """
    tensors = f"{len(state)} tensors"
    for key_map in maps:
        prefix = next((p for p in key_map.prefixes if p + key_map.sign in state), None)
        if prefix is not None:
            tensors += f" by the names of {key_map.release}"
            state = _renamed(state, key_map, prefix, source)
            break
    expected = module.state_dict()
    # Files older than torch 0.4.1 lack batch norm's counter, which nothing reads.
    counters = {k: v for k, v in expected.items() if k.endswith(".num_batches_tracked")}
    state = {**counters, **state}
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    wrong = [key for key in expected if key in state and _kind(state[key]) != _kind(expected[key])]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(expected)} keys missing, first: {missing[0]}")
    if unexpected:
        problems.append(f"{len(unexpected)} unexpected keys, first: {unexpected[0]}")
    if wrong:
        kind, expected_kind = _kind(state[wrong[0]]), _kind(expected[wrong[0]])
        problems.append(f"{wrong[0]} has {kind}, expected {expected_kind}")
    if problems:
        raise WeightsError(
            f"{source}: {tensors}, not weights of this {type(module).__name__}: "
            f"{'; '.join(problems)}. Give the file made for this encoder and size "
            "(`python -m benchmarks weights` lists it)"
        )
    return state


def load_weights(
    module: nn.Module, state: Mapping[str, Tensor], source: Path, maps: Sequence[KeyMap] = ()
) -> None:
    """Copies `state` into `module`; errors as `fit_weights`."""
    module.load_state_dict(fit_weights(module, state, source, maps))


def _refuse_other_content(path: Path, start: bytes) -> None:
    head = start.lstrip().lower()
    if not head:
        raise WeightsError(f"{path}: empty; {AGAIN}")
    if start.startswith(_PICKLES):
        raise WeightsError(
            f"{path}: a pickle, expected a file of torch or safetensors. It is not loaded, since a "
            f"pickle could run any code. {_STATE_DICT_ALONE}"
        )
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise WeightsError(f"{path}: a web page, not weights: a download asked first; {AGAIN}")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path}: a pointer of Git LFS; get the file itself with `git lfs pull`")
    if head.startswith(b"pk\x03\x04") and not zipfile.is_zipfile(path):
        size = path.stat().st_size
        raise WeightsError(f"{path}: cut short after {size:,} bytes, half-downloaded; {AGAIN}")


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        kind = type(content).__name__
        raise WeightsError(f"{path}: holds one {kind}, expected a state dict: names and tensors")
    state = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in content.items()}
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path}: {key!r:.80} is of type {type(value).__name__}, expected a state dict: "
                f"names and tensors, alone or under one of {', '.join(_WRAPPERS)}"
            )
    if all(key.startswith("module.") for key in state):  # saved from DataParallel
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _renamed(
    state: Mapping[str, Tensor], key_map: KeyMap, prefix: str, source: Path
) -> dict[str, Tensor]:
    if prefix:
        logging.getLogger(__name__).warning(
            "%s: a whole model, of which only %s* is read: weights that have seen that model's "
            "training data, not ImageNet's alone",
            source,
            prefix,
        )
    renamed = {}
    for key, value in state.items():
        if key.startswith(prefix):
            key = key.removeprefix(prefix)
            if not any(new is None and re.search(old, key) for old, new in key_map.renames):
                for old, new in key_map.renames:
                    key = re.sub(old, new or "", key)
                renamed[key] = value
    return renamed


def _kind(tensor: Tensor) -> str:
    values = "" if tensor.is_floating_point() else " of whole numbers"
    return f"shape {tuple(tensor.shape)}{values}"
