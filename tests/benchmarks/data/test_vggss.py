import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from benchmarks.common.files import sha256
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.data.vggss import indexed_annotations, read_vggss

FIRST, SECOND = "A-A_AAAAAAA_000007", "BBBBBBBBBBB_000130"
CLIPS = [
    {"file": FIRST, "class": "dog barking, howling", "bbox": [[0, 0.25, 0.5, 1.0]]},
    {"file": SECOND, "class": "playing cello", "bbox": [[0.1, 0.1, 0.2, 0.2], [0.3, 0, 1, 0.5]]},
]


@pytest.fixture
def root(tmp_path):
    """Two clips in VGG-SS's layout."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "audio").mkdir()
    for clip in CLIPS:
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / f"frames/{clip['file']}.jpg")
        soundfile.write(tmp_path / f"audio/{clip['file']}.wav", np.zeros(160_000), 16_000)
    (tmp_path / "vggss.json").write_text(json.dumps(CLIPS))
    return tmp_path


@pytest.fixture
def annotate(root):
    """annotate(key=value): change an entry of vggss.json, the first unless `entry` says."""

    def change(entry=0, **values):
        clips = [dict(clip) for clip in CLIPS]
        clips[entry].update(values)
        (root / "vggss.json").write_text(json.dumps(clips))

    return change


def test_index_of_a_good_folder(root):
    index = read_vggss(root)
    assert list(index.uid) == [FIRST, SECOND]
    assert list(index.video) == ["A-A_AAAAAAA", "BBBBBBBBBBB"]
    assert list(index.classes) == ["dog barking, howling", "playing cello"]
    assert [json.loads(b) for b in index.boxes] == [clip["bbox"] for clip in CLIPS]
    constant = {
        "benchmark": "vggss", "split": "test", "frames": 1, "height": 6, "width": 8,
        "mask_path": "", "supervision": "boxes", "second": 5,
    }  # fmt: skip
    for column, value in constant.items():
        assert (index[column] == value).all(), column
    for row in index.itertuples():  # paths open as they stand
        Image.open(row.frame_path).close()
        soundfile.info(row.audio_path)
    assert index.frame_path[0] == str(root / "frames" / f"{FIRST}.jpg")


def test_the_index_survives_its_file(root, tmp_path):
    index = read_vggss(root)
    (tmp_path / "index.csv").write_bytes(write_index(index))
    found = load_index(tmp_path / "index.csv")
    assert found.to_dict("list") == index.to_dict("list")


def test_scenes_are_carried_on(root):
    scenes = pd.DataFrame({"uid": [SECOND, FIRST], "n_objects": [3, 1], "shown": ["a_b", "a"]})
    scenes.to_csv(root / "scenes.csv", index=False)
    index = read_vggss(root)
    assert index.n_objects.tolist() == [1, 3] and index.shown.tolist() == ["a", "a_b"]
    assert read_vggss(root, exclude=[FIRST]).n_objects.tolist() == [3]
    scenes[:1].to_csv(root / "scenes.csv", index=False)
    with pytest.raises(DataError, match=f"scenes.csv: no row of uid {FIRST}"):
        read_vggss(root)
    scenes.assign(uid=["x", FIRST]).to_csv(root / "scenes.csv", index=False)
    with pytest.raises(DataError, match="uid x is no clip of vggss.json"):
        read_vggss(root)


def test_the_digest_follows_files_and_boxes(root, annotate):
    before = read_vggss(root).digest
    Image.fromarray(np.ones((3, 4, 3), np.uint8)).save(root / "frames" / f"{FIRST}.jpg")
    annotate(entry=1, bbox=[[0.1, 0.1, 0.2, 0.2]])
    after = read_vggss(root).digest
    assert before[0] != after[0] and before[1] != after[1]
    boxes = json.dumps([[0.1, 0.1, 0.2, 0.2]]).encode()
    assert after[1] == sha256(root / f"frames/{SECOND}.jpg", root / f"audio/{SECOND}.wav", boxes)


def test_workers_do_not_change_the_index(root):
    one, two = (write_index(read_vggss(root, workers=n)) for n in (1, 2))
    assert one == two


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _short(path):
    soundfile.write(path, np.zeros(7 * 16_000), 16_000)


def _nan(path):
    samples = np.zeros(160_000, np.float32)
    samples[123] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        (f"frames/{SECOND}.jpg", lambda p: p.unlink(), "missing"),
        (f"frames/{SECOND}.jpg", _truncate, "can't be read"),
        (f"frames/{SECOND}.jpg", lambda p: p.write_bytes(b"no image"), "can't be read"),
        (f"audio/{SECOND}.wav", lambda p: p.unlink(), "missing"),
        (f"audio/{SECOND}.wav", _short, "7.00 s long, expected 10 s"),
        (f"audio/{SECOND}.wav", _nan, "sample 123 is NaN"),
        (f"audio/{SECOND}.wav", lambda p: p.write_bytes(b"no sound"), "can't be read as a sound"),
    ],
)
def test_a_broken_file_is_named_with_its_reason(root, name, damage, reason):
    damage(root / name)
    with pytest.raises(DataError, match=f"1 problem.*\n.*{name}: .*{reason}"):
        read_vggss(root)


def test_every_problem_is_in_one_list_and_can_be_excluded(root):
    (root / "frames" / f"{FIRST}.jpg").unlink()
    (root / "audio" / f"{FIRST}.wav").unlink()
    (root / "audio" / f"{SECOND}.wav").unlink()
    with pytest.raises(DataError) as caught:
        read_vggss(root, workers=2)
    assert len(caught.value.problems) == 3
    with pytest.raises(DataError, match=f"1 problem.*\n.*{SECOND}.wav"):
        read_vggss(root, exclude=[FIRST])
    with pytest.raises(DataError, match="data.vggss_exclude: no clip other in .*vggss.json"):
        read_vggss(root, exclude=["other"])


def test_a_missing_folder_is_one_line(root):
    shutil.rmtree(root / "audio")
    with pytest.raises(DataError) as caught:
        read_vggss(root)
    assert caught.value.problems == [f"{root / 'audio'}: no such folder, needed by 2 clips"]


@pytest.mark.parametrize(
    ("bbox", "kept", "repair"),
    [
        ([[float("nan"), 0, 1, 1]], [], "dropped"),
        ([[0.6, 0.2, 0.4, 0.8], [0, 0, 1, 1]], [[0, 0, 1, 1]], "dropped"),  # reversed
        ([[0.5, 0.5, 0.5, 0.8]], [], "dropped"),
        ([[0.25, 0.5, 0.75, -2.9e16]], [], "dropped"),  # as released
        ([[-0.5, 0.5, 0.75, 1.5]], [[0, 0.5, 0.75, 1]], "clipped"),
        ([], [], "empty"),
    ],
)
def test_wrong_boxes_are_repaired_and_logged(root, annotate, caplog, bbox, kept, repair):
    annotate(bbox=bbox)
    with caplog.at_level(logging.INFO):
        index = read_vggss(root)
    assert json.loads(index.boxes[0]) == kept
    assert any(FIRST in line and repair in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"bbox": [[0, 0, 1]]}, "bbox"),
        ({"bbox": "0 0 1 1"}, "bbox"),
        ({"class": "dog_barking"}, "class 'dog_barking'"),
        ({"class": ""}, "class ''"),
        ({"file": "../../elsewhere"}, "file '../../elsewhere'"),
        ({"file": SECOND}, f"{SECOND} twice"),
    ],
)
def test_broken_annotations(root, annotate, values, reason):
    annotate(**values)
    with pytest.raises(DataError, match=reason):
        read_vggss(root)


def test_the_root_may_not_hold_a_placeholder(root):
    with pytest.raises(DataError, match="a brace in the path"):
        read_vggss(root.rename(root.with_name("{}")))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda p: p.unlink(), "vggss.json: no such file"),
        (_truncate, "vggss.json: "),
        (lambda p: p.write_text("{}"), "vggss.json: expected a list"),
    ],
)
def test_a_broken_annotation_file(root, damage, reason):
    damage(root / "vggss.json")
    with pytest.raises(DataError, match=reason):
        read_vggss(root)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"class": "cat purring"}, "classes 'cat purring', but the clip index has 'dog barking"),
        ({"bbox": [[0, 0.25, 0.5, 0.9]]}, "boxes '.*0.9.*', but the clip index has '.*1.0"),
        ({"file": "CCCCCCCCCCC_000007"}, f"lacks uid {FIRST}"),
    ],
)
def test_annotations_that_changed_since_their_clips_were_indexed(root, annotate, values, reason):
    index = read_vggss(root)
    assert indexed_annotations(root, index).file.tolist() == [FIRST, SECOND]
    annotate(**values)
    with pytest.raises(DataError, match=f"vggss.json: .*{reason}"):
        indexed_annotations(root, index)
