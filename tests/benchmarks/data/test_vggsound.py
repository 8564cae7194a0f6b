"""The reader of unlabelled VGG-Sound clips."""

import logging

import numpy as np
import pytest
import soundfile
from PIL import Image
from pydantic import ValidationError

from benchmarks.common.files import sha256
from benchmarks.data import vggsound
from benchmarks.data.config import DataParams
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.data.read import read_index
from benchmarks.data.vggsound import VGGSoundParams, read_vggsound

VIDEOS = {"-_A": 3, "B": 1, "C": 1, "D": 2, "E": 1, "F": 1}  # clips of each
FILES = [f"{name:a<11}_{10 * k:06d}" for name, count in VIDEOS.items() for k in range(count)]
LISTED = FILES[::-1]  # in no order that sorting gives


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine clips of six videos."""
    root = tmp_path_factory.mktemp("vggsound")
    (root / "frames").mkdir()
    (root / "audio").mkdir()
    for number, file in enumerate(FILES):
        Image.fromarray(np.full((6, 8, 3), number, np.uint8)).save(root / f"frames/{file}.jpg")
        soundfile.write(root / f"audio/{file}.wav", np.full(160_000, number / 100), 16_000)
    return root


@pytest.fixture
def root(folder, tmp_path):
    """The same files, to be damaged, and a list of them."""
    for kind in ("frames", "audio"):
        (tmp_path / kind).mkdir()
        for path in (folder / kind).iterdir():
            (tmp_path / kind / path.name).symlink_to(path)
    (tmp_path / "all.txt").write_text("\n".join(LISTED))
    return tmp_path


def read(root, tests=(), workers=1, **params):
    params = {"list": "all", "val_clips": 2} | params
    return read_vggsound(VGGSoundParams(root=root, **params), tests, workers)


def test_index_of_a_good_folder(root):
    index = read(root)
    assert list(index.uid) == LISTED
    assert list(index.video) == [file[:11] for file in LISTED]
    constant = {
        "benchmark": "vggsound", "frames": 1, "height": 6, "width": 8, "classes": "", "boxes": "",
        "mask_path": "", "supervision": "none", "second": 5,
    }  # fmt: skip
    for column, value in constant.items():
        assert (index[column] == value).all(), column
    for row in index.itertuples():  # paths open as they stand
        assert row.frame_path == str(root / "frames" / f"{row.uid}.jpg")
        assert row.audio_path == str(root / "audio" / f"{row.uid}.wav")
        assert row.digest == sha256((root / row.frame_path), (root / row.audio_path))


def test_the_index_survives_its_file(root, tmp_path):
    index = read(root)
    (tmp_path / "index.csv").write_bytes(write_index(index))
    assert load_index(tmp_path / "index.csv").to_dict("list") == index.to_dict("list")


def test_workers_do_not_change_the_index(root):
    one, two = (write_index(read(root, workers=n)) for n in (1, 2))
    assert one == two


# --- what is held out -------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, 7))
def test_whole_videos_are_held_out_until_they_have_enough_clips(root, count):
    index = read(root, val_clips=count)
    sizes = index[index["split"] == "val"].groupby("video").size()
    assert count <= sizes.sum() < count + max(VIDEOS.values())
    assert index.groupby("video")["split"].nunique().max() == 1
    assert set(index["split"]) == {"train", "val"}


def test_what_is_held_out_follows_the_seed_and_no_order(root):
    index = read(root)
    held_out = set(index.uid[index["split"] == "val"])
    (root / "sorted.txt").write_text("\n".join(FILES))
    again = read(root, list="sorted")
    assert set(again.uid[again["split"] == "val"]) == held_out
    others = [read(root, seed=seed) for seed in range(1, 6)]
    assert any(set(other.uid[other["split"] == "val"]) != held_out for other in others)
    more = read(root, val_clips=5)
    assert held_out < set(more.uid[more["split"] == "val"])


def test_something_must_be_left_to_learn_from(root):
    with pytest.raises(DataError, match="all.txt: 9 clips, but data.vggsound.val_clips holds out"):
        read(root, val_clips=9)
    assert read(root, val_clips=6)["split"].eq("train").any()


# --- what VGG-SS tests ------------------------------------------------------------------------


def test_videos_that_vggss_tests_are_left_out_unless_told_otherwise(root, caplog):
    tests = [FILES[0], f"{'D':a<11}_000077", f"{'Z':a<11}_000000"]
    with caplog.at_level(logging.INFO):
        index = read(root, tests)
    gone = [file for file in LISTED if file[0] in "-D"]
    assert list(index.uid) == [file for file in LISTED if file not in gone] and len(gone) == 5
    said = "all.txt: VGG-SS tests 1 of its 9 clips, and 2 clips of its videos"
    assert f"{said}; these videos are left out" in caplog.messages
    caplog.clear()
    with caplog.at_level(logging.INFO):
        index = read(root, tests, exclude_tests=False)
    assert list(index.uid) == LISTED
    assert f"{said}; they are LEARNED FROM" in caplog.messages


def test_clips_that_are_left_out_are_not_looked_for(root):
    (root / "frames" / f"{FILES[0]}.jpg").unlink()
    assert FILES[0] not in set(read(root, [FILES[0]]).uid)
    with pytest.raises(DataError, match="1 of 9 clips of all.txt"):
        read(root, [FILES[0]], exclude_tests=False)


# --- what is missing or broken ----------------------------------------------------------------


def test_missing_clips_stop_the_run_until_they_are_confirmed(root, caplog):
    (root / "frames" / f"{LISTED[0]}.jpg").unlink()
    (root / "frames" / f"{LISTED[3]}.jpg").unlink()
    (root / "audio" / f"{LISTED[3]}.wav").unlink()
    (root / "audio" / f"{LISTED[5]}.wav").unlink()
    (root / "audio" / f"{LISTED[6]}.wav").rename(root / "audio" / f"{LISTED[6]}.flac")
    with pytest.raises(DataError, match="4 of 9 clips of all.txt have no frame or no") as caught:
        read(root)
    assert len(caught.value.problems) == 1 and LISTED[0] in str(caught.value)
    assert "data.vggsound.exclude to all_missing" in str(caught.value)
    missing = [LISTED[n] for n in (0, 3, 5, 6)]
    assert (root / "all_missing.txt").read_text().split() == sorted(missing)
    with caplog.at_level(logging.INFO):
        index = read(root, exclude="all_missing")
    assert list(index.uid) == [file for file in LISTED if file not in missing]
    assert "all.txt: 4 of 9 clips excluded" in caplog.messages
    # What is lost later adds to the list.
    (root / "frames" / f"{LISTED[1]}.jpg").unlink()
    with pytest.raises(DataError, match="1 of 5 clips"):
        read(root, exclude="all_missing")
    assert (root / "all_missing.txt").read_text().split() == sorted([*missing, LISTED[1]])
    assert len(read(root, exclude="all_missing")) == 4


def test_a_folder_that_cannot_be_written_hides_nothing(root, monkeypatch):
    (root / "frames" / f"{LISTED[0]}.jpg").unlink()

    def refuse(path, content):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(vggsound, "write_atomic", refuse)
    with pytest.raises(DataError, match="1 of 9 clips of all.txt.*Read-only file system"):
        read(root)


def test_a_missing_folder_is_one_problem(root):
    (root / "audio").rename(root / "sounds")
    with pytest.raises(DataError, match="1 problem.*\n.*audio: no such folder"):
        read(root)
    assert not (root / "all_missing.txt").exists()


def _half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _nan(path):
    soundfile.write(path, np.full(160_000, np.nan, np.float32), 16_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("kind", "damage", "reason"),
    [
        ("frames/{}.jpg", _half, "can't be read"),
        ("audio/{}.wav", lambda p: soundfile.write(p, np.zeros(99_200), 16_000), "6.20 s long"),
        ("audio/{}.wav", _nan, "sample 0 is NaN"),
        ("audio/{}.wav", lambda p: p.write_bytes(b"no sound"), "can't be read as a sound"),
    ],
)
def test_a_broken_file_is_named_with_its_reason(root, kind, damage, reason):
    path = root / kind.format(LISTED[4])
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    damage(path)
    with pytest.raises(DataError, match=f"1 problem.*\n.*{path.name}: .*{reason}") as caught:
        read(root)
    assert "set data.vggsound.exclude to all_missing" in str(caught.value)
    assert (root / "all_missing.txt").read_text() == f"{LISTED[4]}\n"
    assert len(read(root, exclude="all_missing")) == 8


@pytest.mark.parametrize("line", ["../../elsewhere_000000", LISTED[2], "aaaaaaaaaaa,7,dog,train"])
def test_a_broken_list_is_refused(root, line):
    (root / "all.txt").write_text("\n".join([*LISTED, line]))
    with pytest.raises(DataError, match=r"1 problem.*\n.*all\.txt: line 10: "):
        read(root)


def test_lists_that_are_not_there(root):
    with pytest.raises(DataError, match=r"none\.txt"):
        read(root, list="none")
    with pytest.raises(DataError, match=r"none\.txt"):
        read(root, exclude="none")


@pytest.mark.parametrize(
    "params",
    [{"list": "../all"}, {"list": ""}, {"exclude": "a/b"}, {"val_clips": 0}, {"val_share": 0.1}],
)
def test_parameters_that_are_refused(root, params):
    with pytest.raises(ValidationError):
        read(root, **params)


def test_the_root_may_not_hold_a_placeholder(root):
    with pytest.raises(DataError, match="a brace in the path"):
        read(root / "{}")


def test_what_is_missing_of_every_data_set_is_in_one_list(tmp_path):
    """VGG-Sound can't be read without vggss.json; its folder is looked for all the same."""
    data = DataParams(
        root=tmp_path / "avs",
        vggss=tmp_path / "vggss",
        vggsound=VGGSoundParams(root=tmp_path / "vggsound", list="train"),
    )
    with pytest.raises(DataError) as caught:
        read_index(data, 1)
    lost = [problem.split(":")[0] for problem in caught.value.problems]
    assert lost == [
        f"{tmp_path}/{name}" for name in ("avs/metadata.csv", "vggss/vggss.json", "vggsound")
    ]
