"""Exported checkpoints, and what `python -m gavs predict` makes of images, sounds and videos."""

import json
import pickle
import re
import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import save_file
from segment_anything.utils.transforms import ResizeLongestSide

from benchmarks.data.files import read_audio, read_frame, sha256
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.params import EncoderParams
from benchmarks.training.checkpoint import trained_names, trained_state
from benchmarks.training.clips import ClipSet, Features, to_native
from gavs import GAVS, GavsConfig
from gavs.__main__ import main
from gavs.checkpoint import EncoderFile, Header, checkpoint_bytes
from gavs.media import overlay_video, read_image, read_sound, read_video_sound, sample_frames
from gavs.predict import COLOUR, OPACITY, Predictor
from gavs.sam import build_sam

WEIGHTS = Path(__file__).parents[2] / "weights/miniature"
ADAPTED = {"from_block": 3, "train_norms": True, "zero_init": False, "width": 8}
RATE = 25


def encoder_file(name: str) -> EncoderFile:
    path = WEIGHTS / f"{name}.safetensors"
    return EncoderFile(size="mini", path=str(path), sha256=sha256(path))


def encoders(hop: float) -> ProfileEncoders:
    sam, vggish = (
        EncoderParams(size="mini", weights=WEIGHTS / f"{name}.safetensors")
        for name in ("sam", "vggish")
    )
    return ProfileEncoders(
        SimpleNamespace(sam=sam, vggish=vggish), SimpleNamespace(hop_seconds=hop)
    )


def make_method(hop: float = 1.0, **config) -> GAVS:
    """GAVS with every trainable number moved, so that nothing of the checkpoint is idle."""
    torch.manual_seed(0)
    method = GAVS(GavsConfig(**config), encoders(hop))
    with torch.no_grad():
        for p in method.parameters():
            if p.requires_grad:
                p += 0.05 * torch.randn_like(p)
    return method.eval()


def write_checkpoint(path: Path, trained: GAVS, hop: float = 1.0, **changes) -> Path:
    header = Header(
        method="gavs",
        config=trained.config.model_dump(mode="json"),
        sam=encoder_file("sam"),
        vggish=encoder_file("vggish"),
        hop_seconds=hop,
    ).model_copy(update=changes)
    path.write_bytes(checkpoint_bytes(header, trained_state(trained, trained_names(trained))))
    return path


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return write_checkpoint(tmp_path / "gavs.safetensors", make_method())


def noise(seconds: float, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    samples = np.random.default_rng(0).standard_normal((round(seconds * rate), channels))
    return (0.2 * samples).clip(-1, 1).astype(np.float32)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def clip(tmp_path) -> Path:
    """AVSBench's layout: frames/{0..9}.jpg of 60 x 80 pixels and 10 s of audio.wav."""
    folder = tmp_path / "clip"
    (folder / "frames").mkdir(parents=True)
    for i in range(10):
        Image.fromarray(picture(60, 80, i)).save(folder / "frames" / f"{i}.jpg")
    soundfile.write(folder / "audio.wav", noise(10), 16_000)
    return folder


def make_video(
    path: Path,
    times: list[float],
    sound: np.ndarray | None = None,
    rate: int = 44_100,
    sound_from: float = 0,
    shape: tuple[int, int] = (48, 64),
    lit_corner: bool = False,
) -> Path:
    """Frame i is grey, of value 3 i (modulo 250), and shown from times[i] on; sound (n, 2)."""
    with av.open(path, "w") as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "1"})
        video.height, video.width, video.pix_fmt = *shape, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = None if sound is None else out.add_stream("pcm_s16le", rate=rate, layout="stereo")
        for i, time in enumerate(times):
            grey = np.full((*shape, 3), 3 * i % 250, np.uint8)
            if lit_corner:
                grey[:8, :16] = 255
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            interleaved = np.ascontiguousarray((sound * 32767).astype(np.int16).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")
            frame.rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(sound_from * rate)
            out.mux(audio.encode(frame))
            out.mux(audio.encode())
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(path) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def run(*arguments) -> int:
    return main(["predict", "--device", "cpu", *map(str, arguments)])


@pytest.mark.parametrize("hop", [1.0, 0.96])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"colour": "bgr", "loss_resolution": "input", "encoder_adapters": ADAPTED},
        {"decoder": "full", "prompt": {"slots": "six", "noise_mode": "add"}},
    ],
    ids=["plain", "adapted", "full_decoder"],
)
def test_prediction_is_the_suites(tmp_path, clip, config, hop):
    method = make_method(hop, **config)
    expected = suite_probabilities(method, clip, encoders(hop))
    path = write_checkpoint(tmp_path / "c.safetensors", method, hop)
    predictor = Predictor(path)
    sound = read_sound(clip / "audio.wav")
    for second in (0, 7, 9):
        found = predictor(read_image(clip / f"frames/{second}.jpg"), sound, second)
        assert found.shape == (60, 80)
        assert np.ptp(found) > 0.05  # says something about the frame
        np.testing.assert_allclose(found, expected[second], atol=1e-5)


def suite_probabilities(method: GAVS, clip: Path, encoders: ProfileEncoders) -> np.ndarray:
    """(10, 60, 80) by the benchmark's own batches, over a feature store in single precision."""
    index = pd.DataFrame(
        {
            "uid": ["clip"],
            "video": "clip",
            "classes": "dog",
            "frames": 10,
            "first_row": 0,
            "height": 60,
            "width": 80,
            "supervision": "boxes",
            "mask_path": "",
            "boxes": json.dumps([[0, 0, 0.5, 0.5]]),
        }
    )
    sam = encoders.sam()
    shrink = ResizeLongestSide(96)
    frames = [read_frame(clip / f"frames/{i}.jpg") for i in range(10)]
    order = -1 if method.config.colour == "bgr" else 1
    resized = [shrink.apply_image(f)[..., ::order].copy() for f in frames]
    squares = torch.stack([sam.preprocess(torch.from_numpy(r).permute(2, 0, 1)) for r in resized])
    (store,) = method.inputs(method.config).values()
    with torch.inference_mode():
        if store.startswith("tokens"):
            x = sam.image_encoder.patch_embed(squares) + sam.image_encoder.pos_embed
            for block in sam.image_encoder.blocks[:3]:
                x = block(x)
        else:
            x = sam.image_encoder(squares)
    heard = encoders.hear("vggish", read_audio(clip / "audio.wav"), 0, 10)
    arrays = {store: x.numpy(), "vggish": heard}
    features = Features(arrays.__getitem__, encoders.no_clip, 96)
    clips = ClipSet(index, features, method, ["dog"])
    with torch.inference_mode():
        logits = method(clips.batch(np.arange(10))).logits.flatten(0, 1)
    return to_native(logits, 60, 80, method, 96).sigmoid().numpy()


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
        np.testing.assert_allclose(over[lit], tinted, atol=0.5)


def test_second_says_where_in_the_sound_an_image_lies(tmp_path, clip, checkpoint):
    shared = ("--checkpoint", checkpoint, "--audio", clip / "audio.wav", "--threshold", 0.45)
    image = clip / "frames/6.jpg"
    assert run(*shared, "--image", image, "--second", 6, "--out", tmp_path / "a") == 0
    predictor, sound = Predictor(checkpoint), read_sound(clip / "audio.wav")
    lit = predictor(read_image(image), sound, 6) > 0.45
    assert (read_image(tmp_path / "a/masks/6.png")[..., 0] > 0).tolist() == lit.tolist()


def test_framing_starts_anew_every_ten_seconds(tmp_path):
    """A 0.96 s hop drifts by 0.36 s within a clip of AVSBench, and no further in a long video."""
    predictor = Predictor(write_checkpoint(tmp_path / "c.safetensors", make_method(), 0.96))
    clip = noise(10)[:, 0]
    for second in (0, 3, 9):
        twice = predictor.hear(np.tile(clip, 2), 10 + second)
        torch.testing.assert_close(twice, predictor.hear(clip, second))


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


def test_a_photo_taken_sideways_is_seen_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    stored = picture(20, 30)
    Image.fromarray(stored).save(tmp_path / "p.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), np.rot90(stored, -1))


def test_sound_of_any_rate_is_what_the_suite_reads(tmp_path):
    for rate, channels, subtype in (
        (44_100, 2, "PCM_16"),
        (8_000, 1, "PCM_24"),
        (16_000, 3, "FLOAT"),
    ):
        path = tmp_path / f"{rate}.wav"
        soundfile.write(path, noise(1.5, rate, channels), rate, subtype=subtype)
        np.testing.assert_allclose(read_sound(path), read_audio(path), atol=1e-6)


def test_channels_are_averaged(tmp_path):
    left = noise(1)
    soundfile.write(tmp_path / "s.wav", np.hstack([left, np.zeros_like(left)]), 16_000, "FLOAT")
    np.testing.assert_allclose(read_sound(tmp_path / "s.wav"), left[:, 0] / 2, atol=1e-7)


@pytest.mark.parametrize("late", [-0.25, 0.5])
def test_sound_is_counted_from_the_first_frame(tmp_path, late):
    sound, start = noise(2, 16_000, 2), 1.0
    times = [start + i / RATE for i in range(50)]
    path = make_video(tmp_path / "v.mkv", times, sound, 16_000, start + late)
    found, shift = read_video_sound(path), round(late * 16_000)
    mono = sound.mean(1)
    expected = mono[-shift:] if shift < 0 else np.pad(mono, (shift, 0))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("seconds, n", [(3.0, 3), (3.2, 3), (3.8, 4), (0.3, 1), (10.04, 10)])
def test_frames_are_taken_at_avsbenchs_instants(tmp_path, seconds, n):
    total = round(seconds * RATE)
    path = make_video(tmp_path / "v.mp4", [i / RATE for i in range(total)])
    frames = [f for _, f in frames_of(path)]
    expected = [min(int(k * RATE + 15 / 16 * RATE), total - 1) for k in range(n)]
    found = list(sample_frames(path))
    assert len(found) == n
    for image, index in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, frames[index])


def test_a_variable_frame_rate_is_taken_by_its_time_stamps(tmp_path):
    times = [0, 0.1, 0.9, 0.95, 1.5, 2.8, 2.9]  # shown at 0.94, 1.94 and 2.94: frames 2, 4 and 6
    path = make_video(tmp_path / "v.mkv", times)
    assert [round(f.mean() / 3) for f in sample_frames(path)] == [2, 4, 6]
    assert len(list(sample_frames(path, 2))) == 6


@pytest.mark.parametrize(
    "abcd, turn",
    [([0, 1, -1, 0], 3), ([0, -1, 1, 0], 1), ([-1, 0, 0, -1], 2), ([-1, 0, 0, 1], None)],
)
def test_a_video_filmed_sideways_is_seen_upright(tmp_path, abcd, turn):
    """`turn` quarter turns counter-clockwise; None: mirrored left to right."""
    path = make_video(tmp_path / "v.mp4", [0.0], shape=(32, 64), lit_corner=True)
    (stored,) = (f for _, f in frames_of(path))
    content = path.read_bytes()
    at = content.index(b"tkhd")
    content = content[:at] + content[at:].replace(_matrix([1, 0, 0, 1]), _matrix(abcd), 1)
    path.write_bytes(content)
    (frame,) = sample_frames(path)
    np.testing.assert_array_equal(
        frame, stored[:, ::-1] if turn is None else np.rot90(stored, turn)
    )


def _matrix(abcd: list[int]) -> bytes:
    """QuickTime's display matrix, x' = a x + c y, y' = b x + d y: 16.16, the last column 2.30."""
    a, b, c, d = (v * 2**16 for v in abcd)
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)


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
        tinted = (1 - OPACITY) * old + OPACITY * np.array(COLOUR)
        wanted = np.where(lit[..., None], tinted, old)
        assert np.abs(new - wanted).mean() < 12  # colour at half resolution; untinted: over 20
    heard = read_video_sound(out / "v.mp4")
    n = min(len(heard), len(sound))
    assert abs(len(heard) - len(sound)) < 1600
    assert np.corrcoef(heard[:n], sound[:n])[0, 1] > 0.98  # and in step


def test_frames_of_odd_sizes_make_a_video_too(tmp_path, checkpoint):
    video = make_video(tmp_path / "v.mkv", [i / RATE for i in range(30)], noise(1.2, 16_000, 2),
                       16_000, shape=(46, 62))  # fmt: skip
    overlay_video(video, tmp_path / "o.mp4", (45, 61), lambda frame, time: frame[:45, :61])
    assert frames_of(tmp_path / "o.mp4")[0][1].shape == (46, 62, 3)


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("trap"),)


def _text(path, method):
    path.write_text("not a checkpoint")


def _pickled(path, method):
    path.write_bytes(pickle.dumps(Trap()))


def _encoder_weights(path, method):
    path.write_bytes((WEIGHTS / "sam.safetensors").read_bytes())


def _suites_own(path, method):
    torch.save(trained_state(method, trained_names(method)), path)


def _other_method(path, method):
    write_checkpoint(path, method, method="audio_sam")


def _other_version(path, method):
    write_checkpoint(path, method, version=2)


def _other_width(path, method):
    write_checkpoint(path, method, config={"cola": {"width": 7}})


def _unknown_key(path, method):
    write_checkpoint(path, method, config={"colla": {}})


def _lost_encoder(path, method):
    gone = encoder_file("sam").model_copy(update={"path": "elsewhere/sam.safetensors"})
    write_checkpoint(path, method, sam=gone)


@pytest.mark.parametrize(
    "make, words",
    [
        (_text, "not a checkpoint of GAVS"),
        (_pickled, "not a checkpoint of GAVS"),
        (_encoder_weights, "tensors without a header"),
        (_suites_own, "not a checkpoint of GAVS"),
        (_other_method, "a checkpoint of 'audio_sam', expected 'gavs'"),
        (_other_version, "version"),
        (_other_width, "cola.layers.0.down.weight"),
        (_unknown_key, "colla"),
        (_lost_encoder, "elsewhere/sam.safetensors: no such file.*--sam FILE"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, clip, monkeypatch, capsys, make, words):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "c.safetensors", make_method())
    assert run("--checkpoint", "c.safetensors", "--image", clip / "frames/0.jpg",
               "--audio", clip / "audio.wav", "--out", "out") == 1  # fmt: skip
    error = capsys.readouterr().err
    assert re.search(words, error, re.S)
    assert "c.safetensors" in error or make is _lost_encoder
    assert not Path("trap").exists() and not Path("out").exists()


@pytest.mark.parametrize("name", ["sam", "vggish"])
def test_encoders_must_be_the_files_trained_with(tmp_path, clip, checkpoint, capsys, name):
    arguments = ("--checkpoint", checkpoint, "--image", clip / "frames/0.jpg",
                 "--audio", clip / "audio.wav", "--out", tmp_path / "out")  # fmt: skip
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((WEIGHTS / f"{name}.safetensors").read_bytes())
    assert run(*arguments, f"--{name}", moved) == 0
    sam = {k: v + 1 for k, v in build_sam("mini").state_dict().items()}
    save_file(sam, moved)
    assert run(*arguments, f"--{name}", moved) == 1
    error = capsys.readouterr().err
    assert f"moved.safetensors: not the {name}" in error and sha256(moved) in error


def _deep(path):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(path)


def _no_image(path):
    path.write_text("no image")


@pytest.mark.parametrize("make, words", [(_deep, "I;16.*8 bits"), (_no_image, "as an image")])
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
    mute = make_video(tmp_path / "mute.mp4", [i / RATE for i in range(30)])
    jumbled = make_video(tmp_path / "b.avi", [i / RATE for i in range(30)], noise(1.2, 44_100, 2))
    brief = make_video(tmp_path / "brief.mkv", [0, 0.5, 1], noise(0.4, 44_100, 2))
    wav = clip / "audio.wav"
    for arguments, words in (
        (("--image", image, "--audio", tmp_path / "short.wav", "--second", 3), "2.50 s of sound"),
        (("--image", image, "--audio", tmp_path / "nan.wav"), "NaN"),
        (("--image", image, "--audio", tmp_path / "text.wav"), "can't be read"),
        (("--image", image, "--audio", tmp_path / "gone.wav"), "no such file"),
        (("--image", image, "--audio", mute), "no sound track"),
        (("--image", image, image, "--audio", wav), "more than one is called 0"),
        (("--video", mute), "mute.mp4: has no sound track"),
        (("--video", brief), "0.40 s of sound"),
        (("--video", wav), "has no picture"),
        (("--video", jumbled), "b.avi: a frame without a time stamp"),
    ):
        assert run("--checkpoint", checkpoint, *arguments, "--out", tmp_path / "out") == 1
        assert words in capsys.readouterr().err


def test_arguments_that_contradict_each_other_are_refused(tmp_path, capsys):
    for arguments in (
        ["--image", "a.jpg"],
        ["--video", "v.mp4", "--audio", "a.wav"],
        ["--video", "v.mp4", "--second", "3"],
        ["--video", "v.mp4", "--fps", "0"],
        ["--video", "v.mp4", "--threshold", "1"],
        ["--video", "v.mp4", "--image", "a.jpg", "--audio", "a.wav"],
    ):
        with pytest.raises(SystemExit) as stopped:
            run("--checkpoint", "c", "--out", "o", *arguments)
        assert stopped.value.code == 2
        assert "error: " in capsys.readouterr().err
