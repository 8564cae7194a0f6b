"""Every piece of a sound is heard at its own time, by suite and `predict` alike."""

import io
import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition

from benchmarks.data.files import audio_problem, read_audio
from gavs.media import read_video_sound
from gavs.reading import MediaError
from gavs.sound import placed, read_sound
from tests.gavs.files import RATE, make_video, noise

SAMPLES = 16_000


def tone(hz: float, seconds: float, rate: int) -> np.ndarray:
    return (np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate) / 2).astype(np.float32)


def pitch(sound: np.ndarray, begin: float, end: float) -> int:
    """Strongest frequency of an interval in Hz; 0: silence."""
    part = sound[round(begin * SAMPLES) : round(end * SAMPLES)]
    if np.abs(part).max() < 0.01:
        return 0
    strength = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return round(strength.argmax() * SAMPLES / len(part))


def write_pieces(path: Path, pieces: list[tuple[float, np.ndarray]], options=None) -> Path:
    """3 s of pictures from 0 on; each piece of sound, 48 kHz mono, at its time."""
    with av.open(path, "w", options=options or {}) as out:
        track = out.add_stream("libx264", rate=RATE, options={"bf": "2"})
        track.width = track.height = 32
        track.pix_fmt = "yuv420p"
        audio = out.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=48_000)
        audio.layout = "mono"
        for i in range(3 * RATE):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            out.mux(track.encode(frame))
        out.mux(track.encode())
        for begin, samples in pieces:
            for at in range(0, len(samples), 480):
                part = (samples[None, at : at + 480] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
                frame.pts = round(begin * 48_000) + at
                out.mux(audio.encode(frame))
        out.mux(audio.encode())
    return path


def test_a_hole_is_silence_and_what_follows_keeps_its_time(tmp_path):
    low, high = tone(440, 1, 48_000), tone(880, 1, 48_000)
    for hole in (0.02, 0.3, 0.8):
        path = write_pieces(tmp_path / "a.mkv", [(0, low), (1 + hole, high)])
        sound = read_video_sound(path)
        assert abs(len(sound) - (2 + hole) * SAMPLES) < 20
        assert pitch(sound, 0.1, 0.9) == 440 and pitch(sound, 1.1 + hole, 1.9 + hole) == 880
        silent = sound[round(1.004 * SAMPLES) : round((0.996 + hole) * SAMPLES)]
        assert np.abs(silent).max() < 0.01
        assert np.abs(sound[round((1 + hole) * SAMPLES) :][40:200]).max() > 0.4


def _container(pieces: list[tuple[float, np.ndarray]]) -> SimpleNamespace:
    """What `placed` asks of FFmpeg; muxers refuse pieces that overlap."""

    def decode(_stream):
        for begin, samples in pieces:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
            frame.pts = round(begin * 48_000)
            yield frame

    track = SimpleNamespace(disposition=Disposition(0), duration=None)
    kind = SimpleNamespace(name="test")
    return SimpleNamespace(streams=SimpleNamespace(audio=[track]), decode=decode, format=kind)


def test_of_pieces_that_overlap_the_first_is_heard_and_time_stays():
    low, high = tone(440, 1, 48_000), tone(880, 1.5, 48_000)
    pieces = [p.samples[0] for p in placed(Path("a"), _container([(-0.5, low), (0.25, high)]), 0)]
    sound = np.concatenate(pieces)
    np.testing.assert_array_equal(sound, np.concatenate([low[24_000:], high[12_000:]]))


@pytest.mark.parametrize(
    "begin, words", [(-1.5, "run backwards, from 1.00 to -1.50 s"), (1e6, "a hole of 999,999 s")]
)
def test_time_stamps_that_cannot_be_right_are_refused(begin, words):
    low = tone(440, 1, 48_000)
    with pytest.raises(ValueError, match=words):
        list(placed(Path("a"), _container([(0, low), (begin, low)]), 0))


def test_what_is_earlier_than_the_first_picture_is_left_out(tmp_path):
    low, high = tone(440, 0.4, 48_000), tone(880, 1, 48_000)
    path = make_video(tmp_path / "v.mkv", [0.4 + i / RATE for i in range(25)],
                      np.repeat(np.concatenate([low, high])[:, None], 2, 1), 48_000)  # fmt: skip
    sound = read_video_sound(path)
    assert abs(len(sound) - SAMPLES) < 20 and pitch(sound, 0, 0.2) == 880


@pytest.mark.parametrize("flags", ["", "frag_keyframe+empty_moov", "frag_keyframe+delay_moov"])
def test_a_fragmented_mp4_is_in_step(tmp_path, flags):
    pieces = [(0, np.concatenate([np.zeros(48_000, np.float32), tone(440, 1, 48_000)]))]
    path = write_pieces(tmp_path / "a.mp4", pieces, {"movflags": flags} if flags else {})
    begins = np.argmax(np.abs(read_video_sound(path)) > 0.05) / SAMPLES
    assert abs(begins - 1) < 0.002


def _mp3(rate: int, channels: int) -> bytes:
    content = io.BytesIO()
    samples = np.stack([tone(440, 2, rate)] * channels, 1)
    soundfile.write(content, samples, rate, format="MP3")
    return content.getvalue()


@pytest.mark.parametrize("later", [(22_050, 1), (44_100, 2), (48_000, 2)])
def test_rate_and_channels_may_change_midway(tmp_path, later):
    (tmp_path / "a.mp3").write_bytes(_mp3(44_100, 1) + _mp3(*later))
    sound = read_sound(tmp_path / "a.mp3")
    assert abs(len(sound) / SAMPLES - 4) < 0.15
    assert [pitch(sound, t, t + 0.8) for t in (0.1, 1.1, 2.2, 3.0)] == [440] * 4


def test_the_default_track_is_taken_and_named(tmp_path, caplog):
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as out:
        tracks = [out.add_stream("pcm_s16le", rate=48_000) for _ in range(3)]
        for track in tracks:
            track.layout, track.disposition = "mono", Disposition(0)
        tracks[1].disposition = Disposition.default
        tracks[1].metadata["title"] = "original"
        for hz, track in zip((440, 660, 880), tracks, strict=True):
            samples = (tone(hz, 1, 48_000)[None] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            out.mux(track.encode(frame))
            out.mux(track.encode())
    assert pitch(read_sound(path), 0.1, 0.9) == 660
    assert "a.mkv: audio track 2 of 3 is taken (original)" in caplog.text


@pytest.mark.parametrize("rate, channels", [(16_000, 1), (16_000, 2), (44_100, 2), (8_000, 1)])
def test_ordinary_wavs_are_torchvggishs(tmp_path, rate, channels):
    """Samples bit for bit as libsndfile and resampy give them."""
    import resampy

    path = tmp_path / "a.wav"
    soundfile.write(path, noise(1.2, rate, channels), rate)
    samples = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(1)
    expected = samples if rate == SAMPLES else resampy.resample(samples, rate, SAMPLES)
    for read in (read_sound, read_audio):
        np.testing.assert_array_equal(read(path), expected)


def _wav(samples: np.ndarray, rate: int = SAMPLES, subtype: str = "FLOAT") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV", subtype=subtype)
    return content.getvalue()


@pytest.mark.parametrize("peak", [0.5, 1.0, 3.9])
def test_floats_a_little_over_full_scale_are_taken(tmp_path, peak):
    (tmp_path / "a.wav").write_bytes(_wav(tone(440, 1, SAMPLES) * 2 * peak))
    assert np.abs(read_audio(tmp_path / "a.wav")).max() == pytest.approx(peak, rel=1e-3)


@pytest.mark.parametrize(
    "content, words",
    [
        (_wav(tone(440, 1, SAMPLES) * 32_767), r"peak of 16,383.*expected floats from -1 to 1"),
        (_wav(-128 * np.eye(1, 99)[0]), "peak of 128"),
        (_wav(np.full(99, 2.0**31)), "peak of 2.147"),
        (_wav(np.where(np.arange(99) == 7, np.nan, 0)), "sample 7 is NaN or infinite"),
        (_wav(np.where(np.arange(99) == 8, -np.inf, 0)), "sample 8 is NaN or infinite"),
        (_wav(np.zeros(9999), subtype="PCM_16")[:-900], "holds 19,098 of 19,998 bytes"),
        (_wav(np.zeros(9), rate=1), "1 samples a second, expected 4,000"),
        (_wav(np.zeros(0)), "its sound is empty"),
        (b"RIFF\0\0\0\0WAVEfmt ", "can't be read as a sound"),
        (b"", "can't be read as a sound"),
    ],
    ids=lambda value: value if isinstance(value, str) else "wav",  # its bytes hold the time
)
def test_sounds_that_cannot_be_right_are_refused(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"a\.wav: .*{words}"):
        read_audio(path)
    assert str(path) in audio_problem(path, 1)


def test_a_wav_from_a_pipe_is_taken_to_its_end(tmp_path):
    content = _wav(tone(440, 1, SAMPLES), subtype="PCM_16")
    at = content.index(b"data") + 4
    piped = content[:at] + struct.pack("<I", 0xFFFFFFFF) + content[at + 4 :]
    (tmp_path / "a.wav").write_bytes(piped)
    assert len(read_audio(tmp_path / "a.wav")) == SAMPLES


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_sound_of_a_few_samples_has_its_length(tmp_path, count):
    for rate in (16_000, 44_100, 48_000):
        path = tmp_path / f"{rate}.wav"
        path.write_bytes(_wav(np.zeros(count), rate))
        assert abs(len(read_audio(path)) - count * SAMPLES / rate) <= 1
        assert audio_problem(path, 5) == f"{path}: 0.00 s long, expected 5 s"
