import io
import pickle
import tracemalloc

import numpy as np
import pytest
import torch

from benchmarks.data.log_mel import LogMelError, read_log_mel

WINDOWS = np.random.default_rng(0).standard_normal((5, 1, 96, 64)).astype(np.float32)


class Code:
    """Calls `function(*arguments)` when it is unpickled."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def leave_mark() -> None:
    raise AssertionError("the pickle's code ran")


class _Larger:
    """A tensor that claims more than its storage of ten numbers has."""

    def __init__(self, shape: tuple) -> None:
        self.shape = shape

    def __reduce__(self) -> tuple:
        storage = torch.arange(10.0)._typed_storage()
        steps = torch.empty(self.shape).stride()
        return torch._utils._rebuild_tensor_v2, (storage, 0, self.shape, steps, False, {})


def _saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "content",
    [
        torch.tensor(WINDOWS, requires_grad=True),  # a leaf
        torch.tensor(WINDOWS, requires_grad=True) * 1,  # with a history, as AVSBench's
        torch.tensor(WINDOWS).double(),
        torch.tensor(WINDOWS).transpose(2, 3).contiguous().transpose(2, 3),
        torch.tensor(np.concatenate([WINDOWS, WINDOWS]))[5:],  # a part of its storage
        WINDOWS,
        WINDOWS[:, 0],
        WINDOWS.astype(">f8"),
        np.asfortranarray(WINDOWS),
    ],
)
def test_tensors_and_arrays_of_numbers_are_read(tmp_path, content, protocol):
    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_log_mel(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, WINDOWS[:, 0])


def test_tensors_that_numpy_has_no_type_for_are_read(tmp_path):
    rounded = torch.tensor(WINDOWS).bfloat16()
    (tmp_path / "clip.pkl").write_bytes(pickle.dumps(rounded))
    found = read_log_mel(tmp_path / "clip.pkl")
    np.testing.assert_array_equal(found, rounded.float().numpy()[:, 0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Code(leave_mark), "asks for .*leave_mark"),
        (Code(eval, "1/0"), "asks for builtins.eval"),
        (Code(torch.load, "elsewhere"), "asks for torch.serialization.load"),
        (Code(torch.storage._load_from_bytes, _saved(Code(leave_mark))), "asks for .*leave_mark"),
        ([Code(leave_mark), WINDOWS], "asks for .*leave_mark"),
        (np.array([Code(leave_mark)], dtype=object), "asks for .*leave_mark|type 'O8'"),
        (np.array(["5.0"]), "type 'U3', not of numbers"),
        (Code(np.ndarray, (1,), np.dtype("f4"), b"1234", 10**9), "can't be read|holds a"),
        ({"log_mel": WINDOWS}, "fills a dict"),
        (WINDOWS[:, :, :95], r"shape \(5, 1, 95, 64\), expected \(T, 1, 96, 64\)"),
        (np.where(WINDOWS > 2, np.inf, WINDOWS), "NaN or infinity"),
        (_Larger((5, 1, 96, 64)), r"tensor of \(5, 1, 96, 64\) in 10 numbers"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=reason):
        read_log_mel(path)


@pytest.mark.parametrize("kept", [0, 1, 100, 1000])
def test_half_a_file_is_refused(tmp_path, kept):
    path = tmp_path / "clip.pkl"
    path.write_bytes(pickle.dumps(torch.tensor(WINDOWS))[:kept])
    with pytest.raises(ValueError, match="can't be read as a pickled array"):
        read_log_mel(path)


def _storage(size, length=5 * 96 * 64, stride=None):
    """A tensor over a storage of as many numbers, whose size and strides are others'."""

    class Tensor:
        def __reduce__(self):
            storage = torch.zeros(length)._typed_storage()
            steps = stride or torch.empty(size, device="meta").stride()
            return torch._utils._rebuild_tensor_v2, (storage, 0, size, steps, False, {})

    return pickle.dumps(Tensor())


def _claimed_storage(numbers: int) -> bytes:
    """A storage whose pickle and length claim more numbers than there are."""
    content = _saved(torch.zeros(8)._typed_storage())
    said = pickle.dumps(8, 2)[2:-1]
    claimed = content.replace(said, pickle.dumps(numbers, 2)[2:-1])
    claimed = claimed.replace((8).to_bytes(8, "little"), numbers.to_bytes(8, "little"))
    return pickle.dumps(Code(torch.storage._load_from_bytes, claimed))


def _nested_key() -> bytes:
    """A key whose hash takes 2^60 steps."""
    return b"}(" + b")" + b"\x86".join([b"2" for _ in range(60)]) + b"\x86K\x01u."


FRAMED = b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"N."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps(
            Code(np._core.numeric._frombuffer, 5 * 96 * 64 * 4, np.dtype("f4"), (5, 1, 96, 64), "C")
        ), "numbers in a int, expected bytes"),
        (_storage((100_000, 1, 96, 64), stride=(0, 0, 64, 1)), "a tensor of .* in 30720 numbers"),
        (_storage((5, 1, 96, 64), stride=(0, 0, 0, 1), length=64), "in 64 numbers"),
        (_claimed_storage(1 << 40), "a storage of 1099511627776 float32 numbers in 32 bytes"),
        (b"Nr" + (1 << 28).to_bytes(4, "little") + b".", "a memo of 268,435,456 entries"),
        (b"N" * 2000 + b".", "more than one array needs"),
        (_nested_key(), "fills a dict or a set"),
        (b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".", "expected .* bytes"),
        (FRAMED, "can't be read"),
        (b"c\x1b[2J\nx\n.", r"asks for \\x1b\[2J.x"),
        (bytes(9 << 20), "9,437,184 bytes, expected at most"),
    ],
)  # fmt: skip
def test_nothing_is_allocated_that_the_file_does_not_hold(tmp_path, content, reason):
    path = tmp_path / "clip.pkl"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(LogMelError, match=f"clip.pkl: .*{reason}"):
            read_log_mel(path)
        assert tracemalloc.get_traced_memory()[1] < (1 << 20) + 8 * len(content)
    finally:
        tracemalloc.stop()
