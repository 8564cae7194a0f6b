"""AVSBench-object's stored log-mels: pickled arrays, read without running what a pickle may hold.

A pickle names functions and calls them while it is read. Here a name means what this file says, or
the whole pickle is refused: only torch tensors and NumPy arrays of numbers can come out.
"""

import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BINS, BANDS = 96, 64  # of VGGish's window: 10 ms steps, mel bands


def read_log_mel(path: Path) -> np.ndarray:
    """Log-mel windows of a clip, (T, 96, 64) float32, VGGish's framing with a hop of 0.96 s.

    The released files hold a torch tensor (5, 1, 96, 64) (OpenNLPLab/AVSBench, preprocessing).

    Raises:
        OSError: the file can't be read.
        ValueError: not a pickle of one array of numbers (the message names what it asks for), or
            an array of another shape, or one that isn't finite.
    """
    try:
        found = _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"can't be read as a pickled array: {error}") from error
    found = getattr(found, "array", found)
    if hasattr(found, "detach"):
        found = found.detach().float().numpy()
    if not isinstance(found, np.ndarray):
        raise ValueError(f"holds a {type(found).__name__}, expected an array (T, 1, 96, 64)")
    if found.ndim not in (3, 4) or found.shape[1:] not in ((1, BINS, BANDS), (BINS, BANDS)):
        raise ValueError(f"log-mels of shape {found.shape}, expected (T, 1, {BINS}, {BANDS})")
    if not np.isfinite(found).all():
        raise ValueError("log-mels with NaN or infinity")
    return found.reshape(-1, BINS, BANDS).astype(np.float32)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable:
        key = f"{module}.{name}".replace("numpy.core.", "numpy._core.")  # NumPy 1's name
        if key not in _MEANINGS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; only arrays are read")
        return _MEANINGS[key]


def _load_storage(content: bytes) -> Any:
    import torch  # a second; only where there are such files

    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its text advises to load it without care
        name = re.search(r"GLOBAL (\S+)", str(error))
        asked = name[1] if name else "what is no tensor's storage"
        raise pickle.UnpicklingError(f"it asks for {asked}; only arrays are read") from None


def _rebuild_tensor(storage: Any, offset: int, size: tuple, stride: tuple, *_: Any) -> Any:
    from torch import _utils

    held = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset < 0 or min((*size, *stride), default=0) < 0 or last >= held:
        raise pickle.UnpicklingError(f"a tensor of {tuple(size)} in {held} numbers")
    return _utils._rebuild_tensor(storage, offset, size, stride)


class _Dtype:
    """In place of numpy.dtype, whose own state could describe memory that isn't there."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch("[fiu][1248]", code):
            raise pickle.UnpicklingError(f"an array of type {code!r}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """In place of numpy.ndarray, for the same reason."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _array_of(content, dtype, shape, "F" if fortran else "C")


def _array_of(content: bytes, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(bytes(content), dtype.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # how pickle's first protocols write bytes
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


_MEANINGS: dict[str, Callable] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch.storage._load_from_bytes": _load_storage,  # torch's own unpickles anything
    "collections.OrderedDict": OrderedDict,  # of a tensor's hooks
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy._core.numeric._frombuffer": _array_of,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _encode,
}
