"""Whatever goes wrong in reading a file is said with its name."""

import os
import socket
import struct
import zipfile
import zlib

import numpy as np
import pytest
import soundfile

from gavs.reading import reading, shown


class _Error(ValueError):
    pass


def _deep():
    return _deep()


@pytest.mark.parametrize(
    "read, reason",
    [
        (lambda path: struct.unpack("<I", path.read_bytes()), "requires a buffer of 4 bytes"),
        (lambda path: zlib.decompress(path.read_bytes()), "Error -3 while decompressing"),
        (zipfile.ZipFile, "File is not a zip file"),
        (soundfile.read, "Format not recognised"),
        (lambda path: {}["code"], "KeyError: 'code'"),
        (lambda path: np.empty(1 << 60, np.uint8), "Unable to allocate"),
        (lambda path: _deep(), "maximum recursion depth"),
        (lambda path: next(iter(())), "StopIteration"),
        (lambda path: open(path / "x"), "Not a directory"),
    ],
)
def test_whatever_a_decoder_raises_names_the_file_and_the_remedy(tmp_path, read, reason):
    path = tmp_path / "a.bin"
    path.write_bytes(b"no such format")
    with pytest.raises(_Error) as told, reading(path, _Error, "as a table", "make it anew"):
        read(path)
    message = str(told.value)
    assert message.startswith(f"{path}: can't be read as a table: ") and reason in message
    assert message.endswith("; make it anew") and message.count(str(path)) == 1


@pytest.mark.parametrize("kind", ["a folder", "a FIFO", "a device", "a socket"])
def test_only_a_file_is_opened(tmp_path, monkeypatch, kind):
    path = tmp_path / "a"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        sock = socket.socket(socket.AF_UNIX)
        monkeypatch.chdir(tmp_path)  # the name of a socket has at most 108 bytes
        sock.bind("a")
    with pytest.raises(_Error, match=f"a: is {kind}, expected a file"), reading(path, _Error):
        path.read_bytes()


def test_a_missing_file_is_told_from_a_broken_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone: no such file; fetch it"):
        with reading(tmp_path / "gone", _Error, remedy="fetch it"):
            (tmp_path / "gone").read_bytes()


def test_the_modules_own_error_and_an_interrupt_pass(tmp_path):
    (tmp_path / "a").touch()
    for raised in (_Error("a: my own words"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(raised)) as told, reading(tmp_path / "a", _Error):
            raise raised
        assert told.value is raised


def test_names_print_on_one_line_and_move_no_cursor():
    assert shown("a\x1b[2Jb\nc\r\u202e.png") == r"a\x1b[2Jb\nc\r\u202e.png"
    assert shown("ä 犬 clip.png") == "ä 犬 clip.png"
    assert shown(os.fsdecode(b"\xff.png")) == r"\udcff.png"
