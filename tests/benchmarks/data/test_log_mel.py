import io
import pickle

import numpy as np
import pytest
import torch

from benchmarks.data.log_mel import read_log_mel

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
