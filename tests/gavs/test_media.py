"""Videos as `gavs.media` reads and writes them."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from gavs.media import (
    MediaError,
    overlay_video,
    pictures,
    read_sound,
    read_video_sound,
    sample_frames,
)
from tests.benchmarks.data.videos import number_of, set_matrix, write_video
from tests.gavs.files import RATE, frames_of, make_video, noise


@pytest.mark.parametrize("late", [-0.25, 0.5])
def test_sound_is_counted_from_the_first_frame(tmp_path, late):
    sound, start = noise(2, 16_000, 2), 1.0
    times = [start + i / RATE for i in range(50)]
    path = make_video(tmp_path / "v.mkv", times, sound, 16_000, start + late)
    found, shift = read_video_sound(path), round(late * 16_000)
    mono = sound.mean(1)
    expected = mono[-shift:] if shift < 0 else np.pad(mono, (shift, 0))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "ffv1"])
def test_an_avi_s_pictures_are_shown_in_order_with_their_sound(tmp_path, codec):
    """It has no display times; FFmpeg's guesses are 40 to 80 ms late, and jumbled."""
    path = tmp_path / "v.avi"
    write_video(path, 2, codec=codec, sound="pcm_s16le")
    shown = [(picture.time, number_of(picture.upright())) for picture in pictures(path)]
    assert shown == [(pytest.approx(i / RATE), i) for i in range(2 * RATE)]
    tone = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    heard = read_video_sound(path)
    assert len(heard) == 32_000 and np.corrcoef(heard[8_000:9_600], tone[8_000:9_600])[0, 1] > 0.7


def test_pictures_whose_time_runs_backwards_are_refused(tmp_path):
    path = write_video(tmp_path / "again.ts", 1, sound=None)
    path.write_bytes(2 * path.read_bytes())  # put together by `cat`
    with pytest.raises(MediaError, match="again.ts: a frame without a time stamp, or with one"):
        list(pictures(path))


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
    set_matrix(path, *abcd)
    (frame,) = sample_frames(path)
    np.testing.assert_array_equal(
        frame, stored[:, ::-1] if turn is None else np.rot90(stored, turn)
    )


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("times, shown", [([0, 5], [5, 5]), ([0, 3.5], [3, 7]), ([0], [10])])
def test_a_picture_that_stays_gives_a_frame_for_each_second(tmp_path, suffix, times, shown):
    path = make_video(tmp_path / f"v.{suffix}", times, noise(10, 16_000, 2), 16_000)
    numbers = [round(f.mean() / 3) for f in sample_frames(path)]
    assert numbers == list(np.repeat(range(len(shown)), shown))


@pytest.mark.parametrize("aspect, size", [("16/11", (48, 93)), ("1/2", (96, 64)), ("1", (48, 64))])
def test_anamorphic_pictures_keep_their_ratio(tmp_path, aspect, size):
    path = tmp_path / "v.mkv"
    with av.open(path, "w") as out:
        video = out.add_stream("libx264", rate=RATE)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(aspect)
        audio = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for i in range(RATE):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9, np.uint8), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 16_000, 0
        out.mux(audio.encode(frame))
        out.mux(audio.encode())
    (frame,) = sample_frames(path)
    assert frame.shape[:2] == size
    overlay_video(path, tmp_path / "o.mp4", size, lambda frame, time: frame)
    assert frames_of(tmp_path / "o.mp4")[0][1].shape[:2] == (size[0], size[1] + size[1] % 2)


def test_a_song_with_a_cover_has_no_picture(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(path, "w", format="mp4") as out:
        audio = out.add_stream("aac", rate=16_000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        out.mux(cover.encode(frame.reformat(format="yuvj420p")))
        out.mux(cover.encode())
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 16_000, 0
        out.mux(audio.encode(sound))
        out.mux(audio.encode())
    for read in (read_video_sound, lambda path: list(sample_frames(path))):
        with pytest.raises(MediaError, match=r"song\.m4a: has no picture, only sound"):
            read(path)
    assert len(read_sound(path)) > 15_000


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("name", ["v.mp4", "v.mov"])
def test_a_cut_video_is_refused(tmp_path, name, share):
    """With its index in front, so that its beginning can be read."""
    path = make_video(tmp_path / name, [i / RATE for i in range(100)], noise(4, 16_000, 2), 16_000,
                      options={"movflags": "faststart"})  # fmt: skip
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    with pytest.raises(MediaError, match=name):
        list(sample_frames(path))


def test_frames_of_odd_sizes_make_a_video_too(tmp_path, checkpoint):
    video = make_video(tmp_path / "v.mkv", [i / RATE for i in range(30)], noise(1.2, 16_000, 2),
                       16_000, shape=(46, 62))  # fmt: skip
    overlay_video(video, tmp_path / "o.mp4", (45, 61), lambda frame, time: frame[:45, :61])
    assert frames_of(tmp_path / "o.mp4")[0][1].shape == (46, 62, 3)
