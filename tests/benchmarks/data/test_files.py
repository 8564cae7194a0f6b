import os
import re
import resource
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.common.files import write_atomic
from benchmarks.data.files import audio_problem, frame_file, read_audio, read_frame, read_labels
from gavs.reading import MediaError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    write_atomic(tmp_path / "f", b"old")

    def crash(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_writers_on_other_machines_with_the_same_process_number_write_other_parts(
    tmp_path, monkeypatch
) -> None:
    parts = set()
    monkeypatch.setattr("os.fsync", lambda _: parts.update(p.name for p in tmp_path.glob(".*")))
    for host in ("node1", "node2"):
        monkeypatch.setattr("platform.node", host.__str__)
        write_atomic(tmp_path / "f", b"")
    assert len(parts) == 2


def test_a_disk_that_takes_no_more_is_told_with_the_file(tmp_path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=f"File too large: '{tmp_path}/f'"):
            write_atomic(tmp_path / "f", b"x" * 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_frame_that_cannot_be_decoded_is_named(tmp_path) -> None:
    path = tmp_path / "3.jpg"
    Image.fromarray(np.full((64, 64, 3), 7, np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    for read in (read_frame, read_labels):
        with pytest.raises(MediaError, match="3.jpg: can't be read"):
            read(path)


def test_frames_are_counted_from_0_or_from_1() -> None:
    assert frame_file("clip/{}.jpg", 0) == Path("clip/0.jpg")
    assert frame_file("name/name.mp4_{+1}.png", 4) == Path("name/name.mp4_5.png")


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_sound_is_the_mean_of_its_channels_at_16_khz(tmp_path, rate) -> None:
    t = np.arange(2 * rate) / rate
    left, right = np.sin(2 * np.pi * 440 * t), 0.5 * np.sin(2 * np.pi * 1000 * t)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), rate, subtype="FLOAT")
    found = read_audio(tmp_path / "a.wav")
    assert len(found) == 32_000 and found.dtype == np.float32
    t = np.arange(32_000) / 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * t) + 0.25 * np.sin(2 * np.pi * 1000 * t)
    assert np.abs(found - expected)[1000:-1000].max() < 2e-3


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound_of_another_length_is_a_problem(tmp_path, rate) -> None:
    path = tmp_path / "a.wav"
    for seconds, problem in ((4.9, None), (4.75, "4.75 s long, expected 5 s")):
        soundfile.write(path, np.zeros(round(seconds * rate)), rate)
        assert audio_problem(path, 5) == (problem and f"{path}: {problem}")
    path.unlink()
    assert audio_problem(path, 5) == f"{path}: missing"


@pytest.mark.parametrize(
    "read", [read_frame, read_labels, read_audio, lambda path: audio_problem(path, 5)]
)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_what_is_no_file_is_refused_at_once(tmp_path, read, make) -> None:
    make(tmp_path / "a\x1b.wav")
    try:
        answer = read(tmp_path / "a\x1b.wav")
    except MediaError as error:
        answer = str(error)
    assert re.search(r"a\\x1b\.wav: is a (FIFO|folder|device), expected a file", answer)
