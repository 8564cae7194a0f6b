"""What `python -m gavs predict` makes of images, sounds and videos."""

import os
import re
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from gavs.media import read_image, read_sound, read_video_sound, sample_frames
from gavs.predict import COLOUR, OPACITY, OUTLINE, overlay
from gavs.predictor import Predictor
from tests.benchmarks.data.videos import write_video
from tests.gavs.files import (
    RATE,
    frames_of,
    make_method,
    make_video,
    noise,
    picture,
    run,
    write_checkpoint,
)


def test_a_clip_gives_a_mask_and_an_overlay_for_each_frame(tmp_path, clip, checkpoint, capsys):
    out = tmp_path / "out"
    images = sorted((clip / "frames").iterdir())
    assert run("--checkpoint", checkpoint, "--out", out, "--audio", clip / "audio.wav",
               "--threshold", 0.4, "--image", *images) == 0  # fmt: skip
    assert "10 masks" in capsys.readouterr().out
    predictor, sound = Predictor(checkpoint), read_sound(clip / "audio.wav")
    for second, image in enumerate(images):
        lit = predictor(read_image(image), sound, second) > 0.4
        with Image.open(out / f"masks/{second}.png") as mask:
            assert mask.mode == "L"
            np.testing.assert_array_equal(np.asarray(mask), np.where(lit, 255, 0))
        over = read_image(out / f"overlays/{second}.png").astype(float)
        frame = read_image(image)
        np.testing.assert_array_equal(over[~lit], frame[~lit])
        tinted = (1 - OPACITY) * frame[lit] + OPACITY * np.array(COLOUR)
        edge = (over[lit] == OUTLINE).all(-1)
        np.testing.assert_allclose(over[lit][~edge], tinted[~edge], atol=0.5)


def test_a_mask_is_outlined_inside_its_edge_and_not_along_the_frames():
    mask = np.zeros((6, 8), bool)
    mask[1:5, 3:] = True  # reaches the frame's right side
    drawn = overlay(np.zeros((6, 8, 3), np.uint8), mask)
    expected = mask.copy()
    expected[2:4, 4:] = False
    np.testing.assert_array_equal((drawn == OUTLINE).all(-1), expected)
    assert (drawn[2:4, 4:] == np.round(OPACITY * np.array(COLOUR))).all()
    assert not drawn[~mask].any()


def test_a_folder_of_clips_is_predicted_with_probabilities(tmp_path, clip, checkpoint, capsys):
    folder = tmp_path / "clips"
    shutil.copytree(clip, folder / "a.b")
    make_video(folder / "v.mp4", [0, 1], noise(2, 44_100, 2))
    (folder / "notes.txt").write_text("no clip")
    out = tmp_path / "out"
    arguments = ("--checkpoint", checkpoint, "--clips", folder, "--out", out)
    assert run(*arguments, "--probabilities", "png") == 0
    assert "12 masks of 2 clips" in capsys.readouterr().out
    predictor, sound = Predictor(checkpoint), read_sound(clip / "audio.wav")
    expected = predictor(read_image(clip / "frames/7.jpg"), sound, 7)
    deep = np.asarray(Image.open(out / "probabilities/a.b/7.png"))
    np.testing.assert_allclose(deep / 65535, expected, atol=0.51 / 65535)
    assert (read_image(out / "masks/a.b/7.png")[..., 0] > 0).tolist() == (expected > 0.5).tolist()
    assert sorted(path.name for path in (out / "probabilities/v").iterdir()) == [
        "00000.png",
        "00001.png",
    ]


def test_a_folder_of_clips_is_looked_through_before_the_first(tmp_path, clip, checkpoint, capsys):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    arguments = ("--checkpoint", checkpoint, "--clips", folder, "--out", out)
    assert run(*arguments) == 1 and "clips: no clips, expected videos" in capsys.readouterr().err
    shutil.copytree(clip, folder / "a")
    shutil.copytree(clip, folder / "b")
    shutil.copy(clip / "audio.wav", folder / "b/other.wav")
    assert run(*arguments) == 1 and "b: 10 frames and 2 sounds" in capsys.readouterr().err
    (folder / "b/other.wav").unlink()
    (folder / "b.mp4").touch()
    assert run(*arguments) == 1 and "more than one clip is called b" in capsys.readouterr().err
    assert not out.exists()


def test_images_go_by_their_numbers(tmp_path, clip, checkpoint):
    """Images in a shell's order, 10 and 11 before 2."""
    samples, rate = soundfile.read(clip / "audio.wav")
    soundfile.write(tmp_path / "long.wav", np.concatenate([samples, samples]), rate)
    for k in range(12):
        shutil.copy(clip / f"frames/{k % 10}.jpg", tmp_path / f"{k}.jpg")
    shared = ("--checkpoint", checkpoint, "--audio", tmp_path / "long.wav", "--threshold", 0.45)
    listed = sorted(map(str, tmp_path.glob("*.jpg")))
    assert listed[2].endswith("10.jpg")
    assert run(*shared, "--image", *listed, "--out", tmp_path / "a") == 0
    predictor, sound = Predictor(checkpoint), read_sound(tmp_path / "long.wav")
    for k in (2, 10):
        lit = predictor(read_image(tmp_path / f"{k}.jpg"), sound, k) > 0.45
        assert (read_image(tmp_path / f"a/masks/{k}.png")[..., 0] > 0).tolist() == lit.tolist()


def test_second_says_where_in_the_sound_an_image_lies(tmp_path, clip, checkpoint):
    shared = ("--checkpoint", checkpoint, "--audio", clip / "audio.wav", "--threshold", 0.45)
    image = clip / "frames/6.jpg"
    assert run(*shared, "--image", image, "--second", 6, "--out", tmp_path / "a") == 0
    predictor, sound = Predictor(checkpoint), read_sound(clip / "audio.wav")
    lit = predictor(read_image(image), sound, 6) > 0.45
    assert (read_image(tmp_path / "a/masks/6.png")[..., 0] > 0).tolist() == lit.tolist()


def test_names_may_begin_with_a_hyphen(tmp_path, clip, checkpoint, monkeypatch):
    """Names like YouTube's ids."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip / "frames/0.jpg", "-0jeONf82dE_000021.jpg")
    shutil.copy(clip / "audio.wav", "--second.wav")
    assert run("--checkpoint", checkpoint, "--image", "-0jeONf82dE_000021.jpg",
               "--audio", "--second.wav", "--out", "out") == 0  # fmt: skip
    assert [path.name for path in Path("out/masks").iterdir()] == ["-0jeONf82dE_000021.png"]


def test_two_stills_give_a_mask_for_each_second(tmp_path, checkpoint, capsys):
    video = make_video(tmp_path / "v.mp4", [0, 5], noise(10, 44_100, 2))
    assert run("--checkpoint", checkpoint, "--video", video, "--out", tmp_path / "out") == 0
    assert "10 masks" in capsys.readouterr().out


def test_framing_starts_anew_every_ten_seconds(tmp_path):
    """A 0.96 s hop drifts by 0.36 s within a clip of AVSBench, and no further in a long video."""
    predictor = Predictor(write_checkpoint(tmp_path / "c.safetensors", make_method(), 0.96))
    clip = noise(10)[:, 0]
    for second in (0, 3, 9):
        twice = predictor.encoders.hear("vggish", np.tile(clip, 2), [10 + second])
        torch.testing.assert_close(twice, predictor.encoders.hear("vggish", clip, [second]))


@pytest.mark.parametrize("mode, size", [("L", (33, 97)), ("P", (64, 48)), ("RGBA", (5, 40)),
                                        ("CMYK", (40, 40)), ("1", (96, 96))])  # fmt: skip
def test_masks_have_the_size_of_images_of_any_mode(tmp_path, checkpoint, mode, size):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(picture(*size[::-1])).convert(mode).save(tmp_path / f"odd.{suffix}")
    soundfile.write(tmp_path / "s.flac", noise(1), 16_000)
    out = tmp_path / "out"
    assert run("--checkpoint", checkpoint, "--image", tmp_path / f"odd.{suffix}",
               "--audio", tmp_path / "s.flac", "--out", out) == 0  # fmt: skip
    assert Image.open(out / "masks/odd.png").size == size


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_a_video_gives_masks_and_an_overlaid_video_with_its_sound(tmp_path, checkpoint, suffix):
    times = [i / RATE + (0.01 if i % 3 else 0) for i in range(80)]
    t = np.arange(round(3.2 * 44_100)) / 44_100
    sweep = np.stack([0.5 * np.sin(2000 * t**2), 0.3 * np.sin(1500 * t**2)], axis=1)
    video = make_video(tmp_path / f"v.{suffix}", times, sweep, shape=(46, 62))
    out = tmp_path / "out"
    predictor, sound = Predictor(checkpoint), read_video_sound(video)
    threshold = float(np.median(predictor(next(sample_frames(video)), sound)))
    arguments = ("--checkpoint", checkpoint, "--video", video, "--threshold", threshold)
    assert run(*arguments, "--fps", 2, "--out", out) == 0

    masks = [np.asarray(Image.open(p)) > 0 for p in sorted((out / "masks").iterdir())]
    assert len(masks) == len(list((out / "overlays").iterdir())) == 6
    for number, (mask, frame) in enumerate(zip(masks, sample_frames(video, 2), strict=True)):
        expected = predictor(frame, sound, number // 2) > threshold
        np.testing.assert_array_equal(mask, expected)
    assert 0 < np.mean(masks) < 1

    before, after = frames_of(video), frames_of(out / "v.mp4")
    assert [round(t, 3) for t, _ in after] == [round(t, 3) for t, _ in before]
    for (time, old), (_, new) in zip(before, after, strict=True):
        lit = masks[min(int(2 * time), 5)]
        difference = np.abs(new - overlay(old, lit).astype(float))
        # Colour at half resolution, which an outline of a pixel feels most; untinted: over 50.
        assert difference.mean() < 30
        assert not lit.any() or np.abs(old - overlay(old, lit).astype(float)).mean() > 30
    heard = read_video_sound(out / "v.mp4")
    n = min(len(heard), len(sound))
    assert abs(len(heard) - len(sound)) < 1600
    assert np.corrcoef(heard[:n], sound[:n])[0, 1] > 0.98  # and in step


def test_a_video_is_never_replaced_by_its_overlaid_copy(tmp_path, checkpoint, capsys):
    video = make_video(tmp_path / "v.mp4", [i / RATE for i in range(30)], noise(1.2, 44_100, 2))
    before = video.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    arguments = ("--checkpoint", checkpoint, "--video", video, "--out", tmp_path / "link")
    assert run(*arguments) == 1
    assert "v.mp4: its overlaid copy would replace it" in capsys.readouterr().err
    assert video.read_bytes() == before and not (tmp_path / "masks").exists()


def test_a_gpu_that_is_not_there_is_told(tmp_path, clip, checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments = ("--image", clip / "frames/0.jpg", "--audio", clip / "audio.wav")
    assert run("--checkpoint", checkpoint, *arguments, "--out", tmp_path, "--device", "cuda") == 1
    assert "--device cuda: no GPU" in capsys.readouterr().err
    assert run("--checkpoint", checkpoint, *arguments, "--out", tmp_path, "--device", "foo") == 1
    assert "error: --device foo: " in capsys.readouterr().err


def _floats(path):
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(path, "TIFF")


def _narrow(path):
    Image.fromarray(np.zeros((2, 3000, 3), np.uint8)).save(path)


def _no_image(path):
    path.write_text("no image")


@pytest.mark.parametrize(
    "make, words",
    [(_floats, "mode F, expected 8"), (_narrow, "3000 x 2"), (_no_image, "as an image")],
)
def test_odd_images_are_refused(tmp_path, clip, checkpoint, capsys, make, words):
    make(tmp_path / "odd.png")
    assert run("--checkpoint", checkpoint, "--image", tmp_path / "odd.png",
               "--audio", clip / "audio.wav", "--out", tmp_path / "out") == 1  # fmt: skip
    assert re.search(rf"odd\.png: .*{words}", capsys.readouterr().err)


def test_sounds_and_videos_that_cannot_serve_are_refused(tmp_path, clip, checkpoint, capsys):
    image = clip / "frames/0.jpg"
    soundfile.write(tmp_path / "short.wav", noise(2.5), 16_000)
    broken = noise(1)
    broken[7] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 16_000, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    tiny, pipe = tmp_path / "tiny.wav", tmp_path / "pipe"
    soundfile.write(tiny, np.zeros(2), 44_100)
    os.mkfifo(pipe)
    mute = make_video(tmp_path / "mute.mp4", [i / RATE for i in range(30)])
    again = write_video(tmp_path / "again.ts", seconds=2, sound="aac")
    again.write_bytes(2 * again.read_bytes())  # put together by `cat`
    brief = make_video(tmp_path / "brief.mkv", [0, 0.5, 1], noise(0.4, 44_100, 2))
    wav = clip / "audio.wav"
    for arguments, words in (
        (("--image", image, "--audio", tmp_path / "short.wav", "--second", 3), "2.50 s of sound"),
        (("--image", image, "--audio", tmp_path / "nan.wav"), "NaN"),
        (("--image", image, "--audio", tmp_path / "text.wav"), "can't be read"),
        (("--image", image, "--audio", tmp_path / "gone.wav"), "no such file"),
        (("--image", image, "--audio", mute), "no sound track"),
        (("--image", image, "--audio", tiny), "tiny.wav: 0.00 s of sound, but second 0"),
        (("--image", image, "--audio", pipe), "pipe: is a FIFO, expected a file"),
        (("--image", pipe, "--audio", wav), "pipe: is a FIFO, expected a file"),
        (("--image", clip, "--audio", wav), "clip: is a folder, expected a file"),
        (("--video", pipe), "pipe: is a FIFO, expected a file"),
        (("--image", image, image, "--audio", wav), "more than one is called 0"),
        (("--video", mute), "mute.mp4: has no sound track"),
        (("--video", brief), "0.40 s of sound"),
        (("--video", wav), "audio.wav: has no picture, only sound"),
        (("--video", again), "again.ts: can't be read as a sound: its time stamps run"),
    ):
        assert run("--checkpoint", checkpoint, *arguments, "--out", tmp_path / "out") == 1
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("source", ["image", "video"])
def test_a_disk_that_takes_no_more_is_told_with_its_folder(
    tmp_path, clip, checkpoint, capsys, source
):
    video = make_video(tmp_path / "v.mkv", [i / RATE for i in range(30)], noise(1.2, 44_100, 2))
    arguments = {
        "image": ("--image", clip / "frames/0.jpg", "--audio", clip / "audio.wav"),
        "video": ("--video", video),
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        code = run("--checkpoint", checkpoint, *arguments[source], "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert re.search(rf"error: .*File too large: '{tmp_path}/out", capsys.readouterr().err)


def test_arguments_that_contradict_each_other_are_refused(tmp_path, capsys):
    for arguments in (
        ["--image", "a.jpg"],
        ["--video", "v.mp4", "--audio", "a.wav"],
        ["--video", "v.mp4", "--second", "3"],
        ["--clips", "clips", "--audio", "a.wav"],
        ["--video", "v.mp4", "--benchmark", "v2"],
        ["--video", "v.mp4", "--method", "gavs", "--benchmark", "v2"],
        ["--video", "v.mp4", "--fps", "0"],
        ["--video", "v.mp4", "--threshold", "1"],
        ["--video", "v.mp4", "--image", "a.jpg", "--audio", "a.wav"],
    ):
        with pytest.raises(SystemExit) as stopped:
            run("--checkpoint", "c", "--out", "o", *arguments)
        assert stopped.value.code == 2
        assert "error: " in capsys.readouterr().err
