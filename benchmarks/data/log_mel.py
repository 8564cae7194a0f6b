"""AVSBench-object's stored log-mels: pickled arrays, read without running what a pickle may hold.

A pickle names functions and calls them while it is read. Here a name means what this file says, or
the whole pickle is refused: only arrays of numbers can come out, and nothing is allocated that the
file doesn't hold. torch's tensors are read as the arrays that they are, without torch.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gavs.reading import reading

BINS, BANDS = 96, 64  # of VGGish's window: 10 ms steps, mel bands
LARGEST = 1 << 23  # bytes of a file; ten windows of float64 have 0.5 MB
OPCODES = 1000  # of a pickle; that of an array has some 60
CALLS = 32  # of functions; that of an array makes at most 8
_CALLING = {"REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"}
_HASHING = {"SETITEM", "SETITEMS", "DICT", "ADDITEMS", "FROZENSET"}  # a key can take for ever
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of torch's storages (torch/serialization.py)


class LogMelError(ValueError):
    """A file that holds no log-mels: its name and why."""


def read_log_mel(path: Path) -> np.ndarray:
    """Log-mel windows of a clip, (T, 96, 64) float32, VGGish's framing with a hop of 0.96 s.

    The released files hold a torch tensor (5, 1, 96, 64) (OpenNLPLab/AVSBench, preprocessing).

    Raises:
        FileNotFoundError: there is no such file.
        LogMelError: not a pickle of one array of numbers (the message names what it asks for), or
            an array of another shape, or one that isn't finite.
    """
    with reading(path, LogMelError, "as a pickled array"):
        size = path.stat().st_size
        if size > LARGEST:
            raise pickle.UnpicklingError(f"{size:,} bytes, expected at most {LARGEST:,}")
        array = _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
        array = getattr(array, "array", array)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"holds a {type(array).__name__}, expected an array (T, 1, 96, 64)")
        if array.ndim not in (3, 4) or array.shape[1:] not in ((1, BINS, BANDS), (BINS, BANDS)):
            raise ValueError(f"log-mels of shape {array.shape}, expected (T, 1, {BINS}, {BANDS})")
        if not np.isfinite(array).all():
            raise ValueError("log-mels with NaN or infinity")
        return array.reshape(-1, BINS, BANDS).astype(np.float32)


class _ArrayUnpickler(pickle.Unpickler):
    """One pickle, from where the file stands."""

    def __init__(self, file: BinaryIO) -> None:
        start = file.tell()
        _scan(file)
        file.seek(start)
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Callable:
        key = f"{module}.{name}".replace("numpy.core.", "numpy._core.")  # NumPy 1's name
        if key not in _MEANINGS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; only arrays are read")
        return _MEANINGS[key]


class _StorageUnpickler(_ArrayUnpickler):
    """The pickle inside a storage: its type and length, `persistent` to torch."""

    def find_class(self, module: str, name: str) -> Any:
        if module != "torch" or name not in _STORAGES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}; only arrays are read")
        return _STORAGES[name]

    def persistent_load(self, key: tuple) -> tuple[str, int]:
        _, code, _, _, length, *_ = key
        return code, length


def _scan(file: BinaryIO) -> list[Any]:
    """Arguments of a pickle's opcodes, none of which asks for more memory than it brings."""
    arguments, calls = [], 0
    for opcode, argument, _ in pickletools.genops(file):
        arguments.append(argument)
        calls += opcode.name in _CALLING
        if opcode.name in _HASHING:
            raise pickle.UnpicklingError("it fills a dict or a set; only arrays are read")
        if opcode.name.endswith("PUT") and (argument or 0) > OPCODES:
            raise pickle.UnpicklingError(f"a memo of {argument:,} entries, expected {OPCODES:,}")
        if len(arguments) > OPCODES or calls > CALLS:
            raise pickle.UnpicklingError("it does more than one array needs; only that is read")
    return arguments


def _load_storage(content: bytes) -> np.ndarray:
    """Numbers (n,) of a torch storage in its old format: four pickles, the length, the numbers."""
    file = io.BytesIO(_bytes(content))
    if not {_MAGIC, _VERSION} <= {*_scan(file), *_scan(file)}:
        raise pickle.UnpicklingError("no storage of torch.save's old format")
    for _ in pickletools.genops(file):  # the writer's byte order, which is little-endian
        pass
    code, length = _StorageUnpickler(file).load()
    _scan(file)  # the storage's key
    count = int.from_bytes(file.read(8), "little")
    dtype, start = np.dtype(code.removeprefix("b")), file.tell()
    if count != length or length * dtype.itemsize != len(content) - start:
        size = f"{len(content) - start:,} bytes"
        raise pickle.UnpicklingError(f"a storage of {length} {dtype} numbers in {size}")
    numbers = np.frombuffer(content, dtype, offset=start)
    # bfloat16 is the upper half of a float32.
    return (numbers.astype("<u4") << 16).view("<f4") if code == "b<u2" else numbers


def _rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any
) -> np.ndarray:
    if not all(type(n) is int and n >= 0 for n in (offset, *size, *stride)):
        raise pickle.UnpicklingError("a tensor whose size and strides aren't whole numbers")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage) or math.prod(size) > len(storage) or 0 in size:
        raise pickle.UnpicklingError(f"a tensor of {size!s:.80} in {len(storage)} numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


class _Dtype:
    """Stand-in for numpy.dtype, whose own state could describe memory that isn't there."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch("[fiu][1248]", code):
            raise pickle.UnpicklingError(f"an array of type {code!r:.80}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stand-in for numpy.ndarray, for the same reason."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _array_of(content, dtype, shape, "F" if fortran else "C")


def _array_of(content: bytes, dtype: _Dtype, shape: tuple, order: Any) -> np.ndarray:
    return np.frombuffer(_bytes(content), dtype.dtype).reshape(shape, order=order)


def _bytes(content: Any) -> bytes | bytearray:
    if not isinstance(content, bytes | bytearray):  # bytes(n) would make n zeros
        kind = type(content).__name__
        raise pickle.UnpicklingError(f"numbers in a {kind}, expected bytes")
    return content


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # how pickle's first protocols write bytes
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r:.80}")
    return text.encode("latin1")


def _no_hooks(*_: Any) -> None:
    """Stand-in for the OrderedDict of a tensor's hooks."""


_MEANINGS: dict[str, Callable] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch.storage._load_from_bytes": _load_storage,  # torch's own unpickles anything
    "collections.OrderedDict": _no_hooks,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy._core.numeric._frombuffer": _array_of,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Dtype,
    "_codecs.encode": _encode,
}
_STORAGES = {  # torch's names; "b": bfloat16, for which NumPy has no type
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "b<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
