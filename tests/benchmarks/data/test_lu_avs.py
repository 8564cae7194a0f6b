"""LU-AVS's files made here, cut into clips that AVSBench's reader reads; all worked out by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.data.avsbench import read_avsbench
from benchmarks.data.files import read_audio, read_frame, read_labels
from benchmarks.data.index import DataError
from benchmarks.data.lu_avs import convert_lu_avs, densest
from tests.benchmarks.data.videos import number_of, write_video

FPS = 25
LOUD, QUIET = "abcdefghijk", "lmnopqrstuv"


@pytest.fixture
def lu_avs(tmp_path):
    """Two videos: one of 14 s that sounds from 3 s to 6 s and from 9 s on, one of 10 s."""
    segments = {
        LOUD: [([75, 149], "Dog barking"), ([225, 349], "Cat (meowing)")],
        QUIET: [([0, 60], "Dog barking")],
    }
    for name, seconds in ((LOUD, 14), (QUIET, 10)):
        folder = tmp_path / "videos/some/where"
        folder.mkdir(parents=True, exist_ok=True)
        write_video(folder / f"{name}.mp4", seconds=seconds)
        masks = tmp_path / "lists/project/LAVS_Seg_Annos" / name
        masks.mkdir(parents=True)
        for number in range(seconds * FPS):  # its lit columns tell the frame's number, mod 60
            mask = np.zeros((48, 64), np.uint8)
            mask[:, : 1 + number % 60] = 255
            Image.fromarray(mask).save(masks / f"{number:05d}.png")
    lists = {"train": [LOUD], "val": [QUIET], "test": []}
    for split, names in lists.items():
        content = {
            name: {
                "fps": FPS,
                "duration": 14,
                "annotations": [
                    {"segment": segment, "label": label, "label_id": 3}
                    for segment, label in segments[name]
                ],
            }
            for name in names
        }
        (tmp_path / f"lists/seg_{split}.json").write_text(json.dumps(content))
    return tmp_path


def test_clips_are_those_that_avsbench_s_reader_reads(lu_avs):
    arguments = ["extract-video", "--layout", "lu_avs", "--videos", str(lu_avs / "videos")]
    arguments += ["--annotations", str(lu_avs / "lists"), "--out", str(lu_avs / "out")]
    assert cli.main([*arguments, "--workers", "1"]) == 0
    index = read_avsbench(lu_avs / "out", labels=["v2"])
    assert index.uid.tolist() == [f"{LOUD}_3000_13000", f"{QUIET}_0_10000"]
    assert index.split.tolist() == ["train", "val"] and set(index.supervision) == {"all"}
    assert index.classes.tolist() == ["cat-meowing_dog-barking", "dog-barking"]
    clip = lu_avs / "out/v2" / index.uid[0]
    # Second 3's frame is int(3.9375 * 25) = 98, the sixth's 248: silent from 150 to 224.
    shown = [number_of(read_frame(clip / f"frames/{k}.jpg")) for k in range(10)]
    assert shown == [98, 123, 148, 173, 198, 223, 248, 17, 42, 67]  # of 256: 273, 298, 323
    lit = [(read_labels(clip / f"labels_rgb/{k}.png") > 0).sum() // 48 for k in range(10)]
    expected = [98, 123, 148, None, None, None, 248, 273, 298, 323]
    assert lit == [0 if number is None else 1 + number % 60 for number in expected]
    colours = [read_labels(clip / f"labels_rgb/{k}.png").max() for k in (0, 6)]
    assert colours == [0x008000, 0x800000]  # dog-barking is class 2, cat-meowing 1
    assert len(read_audio(clip / "audio.wav")) == 160_000


def test_a_mask_that_isn_t_there_is_named_and_nothing_is_indexed(lu_avs):
    places = (lu_avs / "videos", lu_avs / "lists", lu_avs / "out")
    mask = lu_avs / "lists/project/LAVS_Seg_Annos" / LOUD / "00123.png"
    content = mask.read_bytes()
    mask.unlink()
    with pytest.raises(DataError, match=f"{LOUD}: no image numbered 123, where it sounds"):
        convert_lu_avs(*places)
    assert not (lu_avs / "out/metadata.csv").exists()
    mask.write_bytes(content)
    (lu_avs / "lists/seg_val.json").write_text('{"x": {"fps": 25}}')
    with pytest.raises(DataError, match="seg_val.json: no 'annotations'; expected"):
        convert_lu_avs(*places)


def test_a_wrong_first_mask_shows_at_once_and_a_right_one_starts_anew(lu_avs):
    places = (lu_avs / "videos", lu_avs / "lists", lu_avs / "out")
    with pytest.raises(DataError, match=f"{LOUD}: its lowest number is 0, expected 1 as --first"):
        convert_lu_avs(*places, first_number=1)
    assert not places[2].exists()
    convert_lu_avs(*places)
    for folder in (lu_avs / "lists/project/LAVS_Seg_Annos").iterdir():
        for number in reversed(range(len([*folder.iterdir()]))):
            (folder / f"{number:05d}.png").rename(folder / f"{number + 1:05d}.png")
    clip = places[2] / "v2" / f"{LOUD}_3000_13000"
    (clip / "labels_rgb/0.png").write_bytes(b"of the wrong number")
    with pytest.raises(DataError, match="its lowest number is 1, expected 0"):
        convert_lu_avs(*places)
    convert_lu_avs(*places, first_number=1)
    assert (read_labels(clip / "labels_rgb/0.png") > 0).sum() // 48 == 1 + 98 % 60
    assert (places[2] / "metadata.csv").is_file()


def test_a_second_video_or_second_masks_of_a_name_are_told(lu_avs):
    places = (lu_avs / "videos", lu_avs / "lists", lu_avs / "out")
    (lu_avs / "videos" / f"{LOUD}.json").write_text("no video")
    (lu_avs / "videos" / f"{LOUD}.mkv").write_bytes(b"")
    copy = lu_avs / "lists/copy" / QUIET
    copy.mkdir(parents=True)
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(copy / "00000.png")
    with pytest.raises(DataError) as raised:
        convert_lu_avs(*places)
    said = str(raised.value)
    assert f"a second video of {LOUD}, besides" in said and ".json" not in said
    assert f"second masks of {QUIET}, besides {copy}" in said
    with pytest.raises(DataError, match="nowhere: no such folder"):
        convert_lu_avs(lu_avs / "nowhere", *places[1:])


@pytest.mark.parametrize(
    ("segments", "start"),
    [
        (((0, 24, "a"),), 0),
        (((500, 749, "a"),), 20),  # ten whole seconds from 20 s on
        (((25, 49, "a"), (500, 549, "a")), 12),  # 20 s and 21 s against 1 s; the earliest with both
        (((0, 49, "a"), (400, 449, "a")), 0),
    ],
)
def test_the_ten_seconds_that_sound_most(segments, start):
    assert densest(segments, FPS) == start
