import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from benchmarks.data.index import DataError, read_avsbench_semantic, write_index

HEADER = "vid,uid,s_min,s_sec,a_obj,split,label"
CLIPS = [
    ("AAAAAAAAAAA", "AAAAAAAAAAA_1000_6000", "dog", "train", "v1s", 5),
    ("BBBBBBBBBBB_2", "BBBBBBBBBBB_2", "dog_h orse", "val", "v1m", 5),
    ("CCCCCCCCCCC", "CCCCCCCCCCC_0_10000", "cat", "test", "v2", 10),
]


@pytest.fixture
def root(tmp_path):
    """Three clips in AVSBench-semantic's layout; the V1S training clip has its first mask only."""
    lines = [HEADER]
    for vid, uid, a_obj, split, label, seconds in CLIPS:
        lines.append(f"{vid},{uid},0,1,{a_obj},{split},{label}")
        folder = tmp_path / label / uid
        (folder / "frames").mkdir(parents=True)
        (folder / "labels_rgb").mkdir()
        for k in range(seconds):
            frame = np.full((6, 8, 3), 10 * k, np.uint8)
            Image.fromarray(frame).save(folder / "frames" / f"{k}.jpg")
            if split != "train" or k == 0:
                mask = np.zeros((6, 8, 3), np.uint8)
                mask[:2, :3] = (128, 0, 0)
                Image.fromarray(mask).save(folder / "labels_rgb" / f"{k}.png")
        soundfile.write(folder / "audio.wav", np.zeros(seconds * 16_000), 16_000)
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    return tmp_path


def test_index_of_a_good_folder(root):
    index = read_avsbench_semantic(root).set_index("uid")
    assert list(index.benchmark) == ["v1s", "v1m", "v2"]
    assert list(index.frames) == [5, 5, 10]
    assert list(index.supervision) == ["first_frame", "all", "all"]
    assert list(index.video) == ["AAAAAAAAAAA", "BBBBBBBBBBB", "CCCCCCCCCCC"]  # _2 is no video
    assert index.classes["BBBBBBBBBBB_2"] == "dog_horse"  # the release's typo
    assert set(zip(index.height, index.width, strict=True)) == {(6, 8)}
    path = index.mask_path["CCCCCCCCCCC_0_10000"].format(9)
    assert (root / path).is_file()


def test_the_digest_follows_the_content(root):
    before = read_avsbench_semantic(root).digest
    Image.fromarray(np.ones((6, 8, 3), np.uint8)).save(root / "v2/CCCCCCCCCCC_0_10000/frames/3.jpg")
    after = read_avsbench_semantic(root).digest
    assert list(before == after) == [True, True, False]


def test_workers_do_not_change_the_index(root):
    one, two = (write_index(read_avsbench_semantic(root, workers=n)) for n in (1, 2))
    assert one == two


V2 = "v2/CCCCCCCCCCC_0_10000"


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _resize(path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(path)


def _short(path):
    soundfile.write(path, np.zeros(7 * 16_000), 16_000)


def _nan(path):
    samples = np.zeros(10 * 16_000, np.float32)
    samples[123] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("labels_rgb/4.png", lambda p: p.unlink(), "missing"),
        ("frames/7.jpg", _truncate, "can't be decoded"),
        ("labels_rgb/2.png", _truncate, "can't be decoded"),
        ("labels_rgb/2.png", _resize, "4x3 pixels, but 0.jpg has 8x6"),
        ("audio.wav", _short, "7.00 s long, expected 10 s"),
        ("audio.wav", _nan, "sample 123 is NaN"),
        ("audio.wav", lambda p: p.unlink(), "missing"),
        ("audio.wav", lambda p: p.write_bytes(b"no sound"), "Format not recognised"),
    ],
)
def test_a_broken_file_is_named_with_its_reason(root, name, damage, reason):
    damage(root / V2 / name)
    with pytest.raises(DataError, match=f"{V2}/{name}: .*{reason}"):
        read_avsbench_semantic(root)


def test_every_problem_is_in_one_list_and_can_be_excluded(root):
    (root / V2 / "audio.wav").unlink()
    (root / "v1m/BBBBBBBBBBB_2/frames/0.jpg").unlink()
    with pytest.raises(DataError) as caught:
        read_avsbench_semantic(root)
    assert len(caught.value.problems) == 2
    bad = ["CCCCCCCCCCC_0_10000", "BBBBBBBBBBB_2"]
    assert list(read_avsbench_semantic(root, exclude=bad).benchmark) == ["v1s"]
    with pytest.raises(DataError, match="no clip other"):
        read_avsbench_semantic(root, exclude=["other"])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (HEADER, HEADER.replace(",", ";"), "columns .* expected"),
        ("CCCCCCCCCCC_0_10000", "AAAAAAAAAAA_1000_6000", "uid AAAAAAAAAAA_1000_6000 twice"),
        ("CCCCCCCCCCC_0_10000", "../C", "'../C' is no folder name"),
        ("test,v2", "tset,v2", "split 'tset', expected one of"),
        ("test,v2", "test,v9", "label 'v9', expected one of"),
    ],
)
def test_broken_metadata(root, old, new, reason):
    path = root / "metadata.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=reason):
        read_avsbench_semantic(root)


def test_splits_replace_the_column_and_select_the_clips(root, tmp_path):
    splits = tmp_path / "splits.csv"
    table = pd.DataFrame({"uid": ["CCCCCCCCCCC_0_10000"], "split": ["train"]})
    table.to_csv(splits, index=False)
    index = read_avsbench_semantic(root, splits)
    assert list(index.uid) == ["CCCCCCCCCCC_0_10000"] and list(index.split) == ["train"]
    table.assign(uid="nobody").to_csv(splits, index=False)
    with pytest.raises(DataError, match="splits.csv: unknown uid nobody"):
        read_avsbench_semantic(root, splits)
