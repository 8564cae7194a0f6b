import json
import logging
import os
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.data.avsbench import read_avsbench
from benchmarks.data.files import frame_file, read_audio, read_frame
from benchmarks.data.index import DataError
from benchmarks.data.vggss import read_vggss
from benchmarks.data.video import clip_name, extract_videos, sample_video
from benchmarks.preflight.fake_data import (
    write_avsbench_object,
    write_avsbench_semantic,
    write_vggss,
)
from gavs.media import MediaError
from tests.benchmarks.data.videos import number_of, set_matrix, write_video

LOSSLESS = {"codec": "ffv1", "sound": "pcm_s16le"}


def sampled(path, seconds=5, middle=False):
    frames, sound = sample_video(path, seconds, middle)
    return [number_of(frame) for frame in frames], sound


@pytest.mark.parametrize(
    ("name", "options", "numbers"),
    [
        ("a.mp4", {}, [23, 48, 73, 98, 123]),  # int((s + 15/16) * 25)
        ("a.avi", {"sound": "mp3"}, [23, 48, 73, 98, 123]),
        ("a.mkv", LOSSLESS, [23, 48, 73, 98, 123]),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus", "rate": 48_000, "fps": 30},
         [28, 58, 88, 118, 148]),
        ("a.mp4", {"fps": Fraction(30_000, 1001)}, [28, 58, 88, 118, 148]),
        ("a.mkv", {"fps": 24}, [22, 46, 70, 94, 118]),  # stamps in milliseconds
        ("a.mkv", {"fps": Fraction(25, 2)}, [11, 23, 35, 47, 59]),  # rounded to 12
        ("a.mp4", {"seconds": 4.84}, [23, 48, 73, 98, 120]),  # the last, where it ends early
        ("a.mkv", {**LOSSLESS, "size": (63, 47)}, [23, 48, 73, 98, 123]),
    ],
)  # fmt: skip
def test_frames_are_avsbench_s(tmp_path, name, options, numbers):
    write_video(tmp_path / name, **options)
    frames, sound = sample_video(tmp_path / name, 5, False)
    assert [number_of(frame) for frame in frames] == numbers
    width, height = options.get("size", (64, 48))
    assert frames[0].shape == (height, width, 3) and frames[0].dtype == np.uint8
    assert sound.dtype == np.float32 and 4.8 * 16_000 <= len(sound) <= 80_000


def test_a_variable_frame_rate_goes_by_time(tmp_path):
    # 25 a second for 2 s, then 5 a second; the last one lasts.
    times = [*np.arange(50) / 25, *(2 + np.arange(15) / 5)]
    write_video(tmp_path / "a.mp4", times=times)
    # At 0.9375 and 1.9375: 23.4, 48.4. At 2.9375: 50 + 0.9375 * 5 = 54.7, then 59.7, 64.7.
    assert sampled(tmp_path / "a.mp4")[0] == [23, 48, 54, 59, 64]


@pytest.mark.parametrize(
    ("fps", "number"), [(25, 125), (30, 150), (Fraction(30_000, 1001), 149), (15, 75)]
)
def test_vggss_has_what_is_shown_at_five_seconds(tmp_path, fps, number):
    for name in ("a.mp4", "a.mkv"):
        write_video(tmp_path / name, seconds=10, fps=fps)
        numbers, sound = sampled(tmp_path / name, 10, middle=True)
        assert numbers == [number] and len(sound) == 160_000


def _strength(sound, frequency):
    """Amplitude of a tone."""
    t = np.arange(len(sound)) / 16_000
    return abs(np.mean(sound * np.exp(-2j * np.pi * frequency * t))) * 2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {**LOSSLESS, "rate": 44_100}),
        ("a.mkv", {**LOSSLESS, "rate": 16_000, "layout": "mono"}),
        ("a.mp4", {"rate": 48_000}),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus", "rate": 48_000}),
    ],
)
def test_sound_is_the_mean_of_the_channels(tmp_path, name, options):
    write_video(tmp_path / name, **options)
    sound = sampled(tmp_path / name)[1][16_000:64_000]
    mono = options.get("layout") == "mono"
    assert _strength(sound, 440) == pytest.approx(0.5 if mono else 0.25, rel=0.02)
    assert _strength(sound, 660) == pytest.approx(0 if mono else 0.25, rel=0.02, abs=0.005)


@pytest.mark.parametrize("late", [0.4, -0.4])
def test_sound_and_pictures_keep_together(tmp_path, late):
    """The sound counts from the first picture, whichever the file begins with."""
    path = tmp_path / "a.mkv"
    write_video(path, 6, times=np.arange(150) / 25 + max(late, 0), sound_delay=max(-late, 0),
                sound_seconds=6.4, **LOSSLESS, layout="mono")  # fmt: skip
    numbers, sound = sampled(path, 6)
    assert numbers[0] == 23
    t = np.arange(16_000, 64_000) / 16_000 + late
    expected = 0.5 * np.sin(2 * np.pi * 440 * t)
    assert np.abs(sound[16_000:64_000] - expected).max() < 0.01
    if late < 0:
        assert np.abs(sound[:6000]).max() < 0.01


CORNERS = {(-1, -1): (255, 0, 0), (1, -1): (0, 255, 0), (-1, 1): (0, 0, 255), (1, 1): (255,) * 3}


def quarters(_number):
    picture = np.zeros((48, 64, 3), np.uint8)
    for (x, y), colour in CORNERS.items():
        rows, columns = slice(0, 24) if y < 0 else slice(24, 48), slice(0, 32)
        picture[rows, columns if x < 0 else slice(32, 64)] = colour
    return picture


@pytest.mark.parametrize(
    "matrix",
    [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
     (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)],
)  # fmt: skip
def test_the_display_matrix_is_followed(tmp_path, matrix):
    a, b, c, d = matrix
    write_video(tmp_path / "a.mp4", paint=quarters)
    set_matrix(tmp_path / "a.mp4", *matrix)
    frame = sample_video(tmp_path / "a.mp4", 5, False)[0][0]
    height, width = frame.shape[:2]
    assert (width, height) == ((64, 48) if a else (48, 64))
    for (x, y), colour in CORNERS.items():
        shown_x, shown_y = a * x + c * y, b * x + d * y
        row, column = height // 2 + shown_y * height // 4, width // 2 + shown_x * width // 4
        assert np.abs(frame[row, column].astype(int) - colour).max() < 20


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("name", "options", "damage", "reason"),
    [
        ("a.mp4", {"sound": None}, None, "no sound"),
        ("a.mp4", {"seconds": 4}, None, "4.00 s of pictures, expected 5 s"),
        ("a.mp4", {"seconds": 9}, None, "9.00 s of pictures, expected 5 s; cut it to its clip"),
        ("a.mkv", {"sound_seconds": 3, **LOSSLESS}, None, "3.00 s of sound, expected 5 s"),
        ("a.mkv", {"late": 3, "sound_seconds": 2, **LOSSLESS}, None, "sound ends before its first"),
        ("a.mp4", {}, _half, "can't be read"),
        ("a.mkv", {}, _half, "[1-3].[0-9][0-9] s of pictures, expected 5 s"),
        ("a.mp4", {}, lambda p: p.write_bytes(b"<html>"), "can't be read"),
        ("a.mp4", {}, lambda p: p.write_bytes(b""), "can't be read"),
        ("a.mp4", {}, lambda p: set_matrix(p, 0.6, 0.8, -0.8, 0.6), "rotated by -53 degrees"),
        ("a.mp4", {}, lambda p: soundfile.write(p, np.zeros(9), 8000, format="WAV"), "no picture"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, name, options, damage, reason):
    late = options.pop("late", 0)  # seconds of sound before the first picture
    times = {"times": np.arange(125) / 25 + late} if late else {}
    write_video(tmp_path / name, **times, **options)
    if damage:
        damage(tmp_path / name)
    with pytest.raises(MediaError, match=f"{name}: .*{reason}"):
        sample_video(tmp_path / name, 5, False)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos" / "of" / "all"
    folder.mkdir(parents=True)
    return folder


def _without(root, *patterns):
    for pattern in patterns:
        for path in root.glob(pattern):
            path.unlink()


def test_a_folder_of_videos_becomes_avsbench_semantic(tmp_path, videos):
    root = tmp_path / "semantic"
    rows = write_avsbench_semantic(root, 1, size=(32, 32), odd=False)
    kept = read_avsbench(root).set_index("uid")
    _without(root, "*/*/frames/*", "*/*/audio.wav")
    for row in rows.itertuples():
        write_video(videos / f"{row.uid}.mp4", 10 if row.label == "v2" else 5, (32, 32), fps=12)
    extract_videos(tmp_path / "videos", root, "avsbench", workers=2)
    index, digests = read_avsbench(root).set_index("uid"), ["digest", "checksums"]
    assert index.drop(columns=digests).equals(kept.drop(columns=digests))
    row = index[index.benchmark == "v2"].iloc[0]
    numbers = [number_of(read_frame(frame_file(row.frame_path, k))) for k in range(10)]
    assert numbers == [11, 23, 35, 47, 59, 71, 83, 95, 107, 119]
    info = soundfile.info(row.audio_path)
    assert (info.samplerate, info.channels, info.frames) == (16_000, 1, 160_000)
    assert np.abs(read_audio(row.audio_path)).max() > 0.1


def test_a_folder_of_videos_becomes_avsbench_object(tmp_path, videos):
    root = tmp_path / "object"
    rows = write_avsbench_object(root, 1)
    _without(root, "*/*/visual_frames/**/*.png")
    for row in rows.itertuples():
        write_video(videos / f"{row.vid}.mkv")
    extract_videos(tmp_path / "videos", root, "avsbench")
    index = read_avsbench(root, labels=["v1s", "v1m"])
    assert set(index.height) == set(index.width) == {224}
    assert index.audio_path.str.endswith(".wav").all()  # made now, and preferred from now on
    for row in index.itertuples():
        frames = [read_frame(frame_file(row.frame_path, k)) for k in range(5)]
        assert [number_of(frame) for frame in frames] == [23, 48, 73, 98, 123]


def test_avsbench_object_is_resized_without_smoothing(tmp_path, videos):
    """At a quarter of the size, OpenCV's bilinear is the mean of the middle 2 x 2 of 4 x 4."""
    picture = np.random.default_rng(0).integers(0, 256, (896, 896, 1), dtype=np.uint8)
    picture = picture.repeat(3, 2)
    root = tmp_path / "object"
    write_avsbench_object(root, 1, labels=["v1m"])
    _without(root, "*/*/visual_frames/**/*.png")
    name = next(root.glob("Multi-sources/ms3_data/gt_masks/val/*")).name
    write_video(videos / f"{name}.mkv", size=(896, 896), fps=2, paint=lambda _: picture, **LOSSLESS)
    extract_videos(videos, root, "avsbench")
    frame = root / f"Multi-sources/ms3_data/visual_frames/{name}/{name}.mp4_1.png"
    blocks = picture[..., 0].reshape(224, 4, 224, 4)[:, 1:3, :, 1:3].mean((1, 3))
    assert np.abs(np.asarray(Image.open(frame))[..., 1] - blocks).max() <= 2  # YUV and back


def test_vggss_is_extracted_resumed_and_its_refused_videos_are_listed(tmp_path, videos, caplog):
    root = tmp_path / "vggss"
    files = write_vggss(root, 6)
    _without(root, "frames/*", "audio/*")
    for i, file in enumerate(files[:5]):
        write_video(videos / f"{file}.mp4", 4 if i == 1 else 10, sound=None if i == 2 else "aac")
    for attempt in range(2):
        with caplog.at_level(logging.INFO), pytest.raises(DataError) as caught:
            extract_videos(videos, root, "vggss", workers=2)
        assert "5 of 6 clips have a video" in caplog.messages[-1]
        assert f"{3 * attempt} are extracted, {5 - 3 * attempt} to do" in caplog.messages[-1]
        reasons = caught.value.problems
        assert f"{files[1]}.mp4: 4.00 s of pictures" in reasons[0] and len(reasons) == 2
        assert f"{files[2]}.mp4: " in reasons[1] and "no sound" in reasons[1]
    done = {file: root / f"frames/{file}.jpg" for file in (files[0], files[3], files[4])}
    assert {p for p in root.rglob("*") if p.is_file()} == {
        *done.values(), root / "vggss.json", *(root / f"audio/{file}.wav" for file in done)
    }  # fmt: skip
    # What is there stays, also of a clip that lost its other half in a kill, or by the release.
    (root / f"audio/{files[3]}.wav").unlink()
    done[files[4]].unlink()
    Image.new("RGB", (64, 48)).save(done[files[3]])
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*.*") if p.is_file()}
    with pytest.raises(DataError):
        extract_videos(videos, root, "vggss")
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    index = read_vggss(root, exclude=[files[i] for i in (1, 2, 5)])
    assert len(index) == 3 and number_of(read_frame(index.frame_path[0])) == 125


@pytest.mark.parametrize("suffix", [".avi", ".MOV", ".Mkv", ".ts"])
def test_videos_of_other_kinds_are_taken(tmp_path, videos, suffix):
    root = tmp_path / "vggss"
    (file,) = write_vggss(root, 1)
    _without(root, "frames/*", "audio/*")
    codec = "ffv1" if suffix == ".avi" else "libx264"
    write_video(videos / f"{file}{suffix.lower()}", 10, codec=codec)
    (videos / f"{file}{suffix.lower()}").rename(videos / f"{file}{suffix}")
    (videos / f"{file}.json").touch()
    extract_videos(videos, root, "vggss")
    number = number_of(read_frame(root / f"frames/{file}.jpg"))
    assert number == 125 or (suffix == ".avi" and number == 124)  # AVI rounds its times


def test_a_fifo_among_the_videos_is_a_problem_and_no_wait(tmp_path, videos):
    root = tmp_path / "vggss"
    (file,) = write_vggss(root, 1)
    _without(root, "frames/*")
    os.mkfifo(videos / f"{file}.mp4")
    with pytest.raises(DataError, match=f"{file}.mp4: is a FIFO, expected a file"):
        extract_videos(videos, root, "vggss")


def test_pictures_that_stay_for_seconds_go_by_time(tmp_path):
    write_video(tmp_path / "a.mkv", times=[0, 4, 8, 9.96], sound_seconds=10)
    frames, sound = sample_video(tmp_path / "a.mkv", 10, middle=False)
    assert [number_of(frame) for frame in frames] == [0] * 4 + [1] * 4 + [2] * 2


def test_a_list_of_ids_takes_the_place_of_vggss_json(tmp_path, videos):
    ids = tmp_path / "vggss_10k.txt"
    ids.write_text("AAAAAAAAAAA_000010\nBBBBBBBBBBB_000000\n")
    for name in ("AAAAAAAAAAA_000010", "CCCCCCCCCCC_000000"):
        write_video(videos / f"{name}.mp4", 10)
    extract_videos(videos, tmp_path / "vggsound", "vggss", ids)
    found = {p.name for p in (tmp_path / "vggsound").rglob("*.*")}
    assert found == {"AAAAAAAAAAA_000010.jpg", "AAAAAAAAAAA_000010.wav"}
    ids.write_text("../../x_000010\n")
    with pytest.raises(DataError, match="vggss_10k.txt: line 1: '../../x_000010' isn't"):
        extract_videos(videos, tmp_path / "vggsound", "vggss", ids)


def test_videos_that_fit_nothing(tmp_path, videos):
    files = write_vggss(tmp_path / "vggss", 1)
    (videos / "other.xyz").touch()
    with pytest.raises(DataError, match="videos: no video of the 1 clips.*it holds 1 .xyz"):
        extract_videos(tmp_path / "videos", tmp_path / "vggss", "vggss")
    for suffix in ("mp4", "webm"):
        (videos / f"{files[0]}.{suffix}").touch()
    with pytest.raises(DataError, match=f"{files[0]}.webm: a second video of {files[0]}, besides"):
        extract_videos(videos, tmp_path / "vggss", "vggss")
    (tmp_path / "vggss/vggss.json").write_text(json.dumps({}))
    with pytest.raises(DataError, match="vggss.json: expected a list"):
        extract_videos(videos, tmp_path / "vggss", "vggss")
    write_avsbench_semantic(tmp_path / "avsbench", 1, labels=["v1m"])
    (tmp_path / "avsbench/v1m").rename(tmp_path / "avsbench/elsewhere")
    with pytest.raises(DataError, match="neither AVSBench-semantic's folders nor"):
        extract_videos(videos, tmp_path / "avsbench", "avsbench")


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("-0jeONf82dE_000021", "-0jeONf82dE_000021"),
        ("-0jeONf82dE_21", "-0jeONf82dE_000021"),
        ("-0jeONf82dE_21_31", "-0jeONf82dE_000021"),
        ("-0jeONf82dE_21000_31000", "-0jeONf82dE_000021"),
        ("-0jeONf82dE_000021_000031", "-0jeONf82dE_000021"),
        ("__0_1_2_3_4_000000", "__0_1_2_3_4_000000"),
        ("a picture", "a picture"),
    ],
)
def test_names_of_vggsound_s_mirrors_are_its_own(name, clip):
    assert clip_name(name) == clip
