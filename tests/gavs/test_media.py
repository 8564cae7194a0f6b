"""Images, sounds and videos as `gavs.media` reads and writes them."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.data.files import read_audio
from gavs.media import overlay_video, read_image, read_sound, read_video_sound, sample_frames
from tests.benchmarks.data.videos import set_matrix
from tests.gavs.files import RATE, frames_of, make_video, noise, picture


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
    set_matrix(path, *abcd)
    (frame,) = sample_frames(path)
    np.testing.assert_array_equal(
        frame, stored[:, ::-1] if turn is None else np.rot90(stored, turn)
    )


def test_frames_of_odd_sizes_make_a_video_too(tmp_path, checkpoint):
    video = make_video(tmp_path / "v.mkv", [i / RATE for i in range(30)], noise(1.2, 16_000, 2),
                       16_000, shape=(46, 62))  # fmt: skip
    overlay_video(video, tmp_path / "o.mp4", (45, 61), lambda frame, time: frame[:45, :61])
    assert frames_of(tmp_path / "o.mp4")[0][1].shape == (46, 62, 3)
