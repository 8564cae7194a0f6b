"""Scores on disk: what was written comes back, or the file is named with what is wrong."""

import io
import zipfile

import numpy as np
import pytest
import torch

from benchmarks.scoring.counts import score_frames
from benchmarks.scoring.npz import NpzError, load_scores, read_arrays, save_scores


@pytest.fixture
def path(tmp_path):
    """Scores of two frames."""
    maps = torch.linspace(0, 1, 2 * 12).view(2, 3, 4)
    facts = dict(uid=["a", "b"], video=["a", "b"], frame=[0, 1], classes=["", ""])
    save_scores(tmp_path / "scores.npz", {"test": score_frames(maps, maps > 0.5, **facts)})
    return tmp_path / "scores.npz"


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, content, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, data in content:
            file.writestr(name, data)


def npy(shape, data=b"", descr="<f4"):
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer := io.BytesIO(), header)
    return buffer.getvalue() + data


def test_scores_come_back(path):
    scores = load_scores(path)["test"]
    assert scores.uid.tolist() == ["a", "b"] and scores.predicted.shape == (2, 2)
    assert scores.target.sum() == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda c: {**c, "test/frame.npy": npy((10**9,))},
            r"float32 of shape \(1000000000,\) in 0",
        ),
        (lambda c: {**c, "test/frame.npy": npy((1,), bytes(8))}, r"shape \(1,\) in 8 bytes"),
        (lambda c: {**c, "test/frame.npy": npy((0,), descr="|O")}, "object of shape"),
        (lambda c: {**c, "test/more.npy": c["test/frame.npy"]}, "'more'.* missing or unknown"),
        (lambda c: {k: v for k, v in c.items() if "uid" not in k}, "'uid'.* missing or unknown"),
        (lambda c: {**c, "test/frame.npy": npy((1,), bytes(4))}, "of different lengths"),
        (lambda c: {**c, "test/frame.npy": b"no array"}, "magic"),
        (lambda c: {**c, "\x1b[2J.npy": b"no array"}, "magic"),
    ],
)
def test_arrays_that_are_no_scores_are_named(path, change, reason):
    write(path, change(members(path)).items())
    with pytest.raises(NpzError, match=f"scores.npz: .*{reason}"):
        load_scores(path)


def test_members_are_bounded_before_they_are_read(path):
    content = members(path)
    write(path, [("a.npy", npy((1 << 31,), bytes(1 << 20)))] * 1, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    where = data.rindex(b"PK\x01\x02") + 24  # the central directory's file size
    data[where : where + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(NpzError, match="its members claim 4,294,967,280 bytes"):
        read_arrays(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        write(path, [*content.items(), *content.items()])
    with pytest.raises(NpzError, match="member 'test/uid.npy' twice"):
        read_arrays(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_half_a_file_and_a_flipped_bit_are_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(NpzError, match="scores.npz: can't be read as npz"):
        read_arrays(path)
    start = whole.index(b"test/foreground.npy") + 60  # inside its data
    path.write_bytes(whole[:start] + bytes([whole[start] ^ 16]) + whole[start + 1 :])
    with pytest.raises(NpzError, match="scores.npz: can't be read as npz"):
        read_arrays(path)
