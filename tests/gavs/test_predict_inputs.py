"""What `python -m gavs predict` checks before it works, and what an end in the middle leaves."""

import re
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gavs import __main__ as command
from tests.gavs.files import RATE, make_video, noise, run


def _unpredicted(*arguments):
    pytest.fail("predicted, though an input is refused")


@pytest.fixture
def unpredicted(monkeypatch):
    monkeypatch.setattr("gavs.predict.Predictor.__call__", _unpredicted)


@pytest.mark.parametrize(
    "rename, words",
    [
        ({"2": None}, "3.jpg: number 3 comes after 1.jpg, expected 2"),
        ({"4": "b_03"}, "b_03.jpg: number 3 comes after 3.jpg, expected 4"),
        ({"4": "cover"}, "cover.jpg: its name ends in no number, expected one as in 0.jpg"),
    ],
)
def test_frames_without_their_place_in_the_sound_are_refused(
    tmp_path, clip, checkpoint, capsys, unpredicted, rename, words
):
    for old, new in rename.items():
        path = clip / f"frames/{old}.jpg"
        path.rename(path.with_stem(new)) if new else path.unlink()
    shutil.copytree(clip, tmp_path / "clips/a")
    shared = ("--checkpoint", checkpoint, "--out", tmp_path / "out")
    images = sorted((clip / "frames").iterdir())
    for source in (
        ("--image", *images, "--audio", clip / "audio.wav"),
        ("--clips", tmp_path / "clips"),
    ):
        assert run(*shared, *source) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_numbers_may_begin_anywhere_and_no_name_needs_one(tmp_path, clip, checkpoint):
    shared = ("--checkpoint", checkpoint, "--audio", clip / "audio.wav")
    images = [clip / "frames/7.jpg", clip / "frames/6.jpg"]
    assert run(*shared, "--image", *images, "--out", tmp_path / "a") == 0
    plain = [
        shutil.copy(path, tmp_path / f"{name}.jpg") for path, name in zip(images, "ba", strict=True)
    ]
    assert run(*shared, "--image", *plain[::-1], "--out", tmp_path / "b") == 0
    for number, name in (("6", "a"), ("7", "b")):  # seconds 0 and 1 of the sound
        masks = [Image.open(tmp_path / f) for f in (f"a/masks/{number}.png", f"b/masks/{name}.png")]
        np.testing.assert_array_equal(*map(np.asarray, masks))


def test_another_inputs_masks_are_not_mixed_with_these(tmp_path, checkpoint, capsys):
    sound, out = noise(3, 44_100, 2), tmp_path / "out"
    long = make_video(tmp_path / "long.mkv", [0, 1, 2, 3], sound)
    short = make_video(tmp_path / "short.mkv", [0, 1], sound[:88_200])
    arguments = ("--checkpoint", checkpoint, "--out", out, "--video")
    assert run(*arguments, long) == run(*arguments, long) == 0
    before = {path: path.read_bytes() for path in out.rglob("*.png")}
    capsys.readouterr()
    assert run(*arguments, short) == 1
    assert re.search(
        r"out/masks/0000\d\.png: no file that .* in .*/out/masks", capsys.readouterr().err
    )
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == before
    assert run(*arguments[:-1], "--clips", _folder(tmp_path, short)) == 1


def _folder(tmp_path, *videos):
    (tmp_path / "clips").mkdir()
    for video in videos:
        shutil.copy(video, tmp_path / "clips")
    return tmp_path / "clips"


def test_every_clip_that_cannot_be_predicted_is_told_before_the_first(
    tmp_path, clip, checkpoint, capsys, unpredicted
):
    good = make_video(tmp_path / "a.mkv", [0, 1], noise(2, 44_100, 2))
    folder = _folder(tmp_path, good)
    make_video(folder / "mute.mp4", [i / RATE for i in range(30)])
    (folder / "cut.mkv").write_bytes(good.read_bytes()[:900])
    shutil.copytree(clip, folder / "z")
    (folder / "z/frames/5.jpg").write_text("no image")
    assert run("--checkpoint", checkpoint, "--clips", folder, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "3 problems:" in told and "mute.mp4: has no sound track" in told and "cut.mkv: " in told
    assert "5.jpg: can't be read as an image, expected one of JPEG, PNG, WEBP" in told
    assert "object at" not in told and not (tmp_path / "out").exists()


def test_what_is_no_clip_is_named(tmp_path, clip, checkpoint, capsys, caplog):
    folder = _folder(tmp_path)
    make_video(tmp_path / "a.mkv", [0], noise(1, 44_100, 2)).rename(folder / "a.MTS")
    (folder / "b/frame").mkdir(parents=True)
    for name in ("notes.txt", ".hidden"):
        (folder / name).touch()
    assert run("--checkpoint", checkpoint, "--clips", folder, "--out", tmp_path / "out") == 0
    assert "1 masks of 1 clips" in capsys.readouterr().out
    assert f"{folder}/b, {folder}/notes.txt: passed over" in caplog.text
    assert "hidden" not in caplog.text and ".flv" in caplog.text


@pytest.mark.parametrize("limit, refused", [(50, "masks/0.png"), (18_000, "probabilities/0.npy")])
def test_a_full_disk_leaves_no_part_of_a_file(
    tmp_path, clip, checkpoint, capsys, monkeypatch, limit, refused
):
    """Floats of 60 x 80 pixels take 19 kB, the overlay less, and the mask very little."""
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        code = run("--checkpoint", checkpoint, "--image", clip / "frames/0.jpg", "--out", "out",
                   "--audio", clip / "audio.wav", "--probabilities", "npy")  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert f"File too large: 'out/{refused}'" in capsys.readouterr().err
    assert not Path("out", refused).exists() and not list(Path("out").rglob(".*"))


def test_an_interrupt_is_one_line(tmp_path, checkpoint, capsys, monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "predict", interrupted)
    assert run("--checkpoint", checkpoint, "--clips", tmp_path, "--out", tmp_path) == 130
    assert capsys.readouterr().err == "interrupted; what is written is whole\n"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--threshold", "abc"), "--threshold: abc: expected a number from 0 to 1, below 1"),
        (("--second", "1.5"), "--second: 1.5: expected a whole number, 0 or more"),
        (("--fps", "often"), "--fps: often: expected a number above 0"),
        (("--folder", "models"), "--folder is where the file of --method is looked for"),
    ],
)
def test_an_options_error_says_what_is_expected(capsys, arguments, words):
    with pytest.raises(SystemExit):
        run("--checkpoint", "c", "--clips", "clips", "--out", "o", *arguments)
    assert words in capsys.readouterr().err
