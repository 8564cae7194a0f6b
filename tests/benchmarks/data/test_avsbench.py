import logging
import pickle
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.data.avsbench import indexed_metadata, read_avsbench
from benchmarks.data.files import frame_file, read_labels
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.preflight.fake_data import write_avsbench_object, write_avsbench_semantic
from splits.tables import read_metadata

V1S, V1M, V2 = "a0000000002_6000_11000", "-0000011000", "b0000022003_65000_75000"
FOLDER = f"v2/{V2}"
SHARED = ["uid", "video", "benchmark", "split", "classes", "frames", "second", "boxes"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four clips a split in both layouts, oddities included."""
    folder = tmp_path_factory.mktemp("avsbench")
    write_avsbench_semantic(folder / "semantic", 4)
    write_avsbench_object(folder / "object", 4, size=(32, 32))
    return folder


@pytest.fixture
def semantic(written, tmp_path):
    return shutil.copytree(written / "semantic", tmp_path / "semantic")


@pytest.fixture
def released(written, tmp_path):
    """AVSBench-object."""
    return shutil.copytree(written / "object", tmp_path / "object")


def read_object(root, **options):
    return read_avsbench(root, labels=["v1s", "v1m"], **options)


def test_index_of_avsbench_semantic(written):
    index = read_avsbench(written / "semantic").set_index("uid")
    assert index.groupby(["benchmark", "split"]).size().unique().tolist() == [4]
    assert index.loc[[V1S, V1M, V2], "frames"].tolist() == [5, 5, 10]
    first_only = (index.benchmark == "v1s") & (index.split == "train")
    assert (index.supervision == np.where(first_only, "first_frame", "all")).all()
    assert index.video["_0000010001_1"] == "_0000010001"  # V1M's number is no video's
    assert index.video[V1M] == V1M
    assert index.classes["-0000000000_0_5000"] == "horse"  # the release's `h orse`
    assert index.classes["-0000010000"] == "background"
    assert index.classes["-0000020000_0_10000"] == "off-the-screen"
    shapes = set(zip(index.height, index.width, strict=True))
    assert shapes == {(30, 40), (40, 30), (22, 40), (30, 31)}
    files = [frame_file(row.mask_path, k) for row in index.itertuples() for k in range(row.frames)]
    lost = [p for p in files if not p.is_file()]
    assert len(lost) == 4 * 4 and all("/v1s/" in str(p) for p in lost)  # 4 training clips
    lit = {uid: read_labels(frame_file(index.mask_path[uid], 1)) > 0 for uid in (V1M, V2)}
    assert lit[V1M][7:15, 10:30].all() and lit[V1M].sum() == 8 * 20
    assert not (read_labels(frame_file(index.mask_path["-0000010000"], 0)) > 0).any()


@pytest.mark.parametrize("audio", ["audio_log_mel", "audio_wav"])
def test_avsbench_object_gives_the_same_clips(written, tmp_path, audio):
    if audio == "audio_log_mel":
        root = written / "object"
    else:  # those are taken where there are both
        root = tmp_path
        write_avsbench_object(root, 4, size=(32, 32), audio=("audio_log_mel", "audio_wav"))
    theirs = read_avsbench(written / "semantic")
    ours = read_object(root)
    columns = [*SHARED, "supervision"]
    v1 = theirs[theirs.benchmark != "v2"][columns]
    pd.testing.assert_frame_equal(ours[columns], v1)
    assert set(ours.height) == set(ours.width) == {32}
    assert ours.audio_path.map(lambda p: f"/{audio}/" in p and p.endswith(audio[-3:])).sum() == (
        len(ours) if audio == "audio_wav" else 0
    )
    for row in ours.itertuples():
        assert frame_file(row.frame_path, 0).name.endswith("_1.png")
        labelled = 1 if row.supervision == "first_frame" else 5
        for k in range(labelled):  # 1, L, P and RGB are the same mask
            lit = read_labels(frame_file(row.mask_path, k)) > 0
            expected = np.zeros((32, 32), bool)
            expected[8:16, 8:24] = row.classes != "background"
            np.testing.assert_array_equal(lit, expected)


def test_both_layouts_lie_side_by_side(tmp_path, caplog):
    write_avsbench_semantic(tmp_path, 1, labels=["v2"])
    write_avsbench_object(tmp_path, 1, size=(32, 32))
    with caplog.at_level(logging.INFO):
        index = read_avsbench(tmp_path)
    assert index.benchmark.tolist() == ["v1s"] * 3 + ["v1m"] * 3 + ["v2"] * 3
    assert "v1m: AVSBench-object's Multi-sources" in caplog.messages


def test_clips_are_ordered_by_label_whatever_the_order_of_rows(semantic):
    path, before = semantic / "metadata.csv", read_avsbench(semantic)
    header, *rows = path.read_text().split("\n")
    mixed = sorted(rows, key=lambda row: row.split(",")[0][1:])
    path.write_text("\n".join([header, *mixed]))
    after = read_avsbench(semantic)
    assert after.benchmark.tolist() == before.benchmark.tolist()
    assert sorted(after.digest) == sorted(before.digest)


def test_the_index_survives_its_file_and_workers_do_not_change_it(semantic, tmp_path):
    index = read_avsbench(semantic)
    content = write_index(index)
    assert write_index(read_avsbench(semantic, workers=2)) == content
    (tmp_path / "index.csv").write_bytes(content)
    assert load_index(tmp_path / "index.csv").to_dict("list") == index.to_dict("list")


def test_the_digest_follows_the_content(semantic):
    before = read_avsbench(semantic).set_index("uid").digest
    Image.new("RGB", (31, 30)).save(semantic / FOLDER / "frames/3.jpg")
    after = read_avsbench(semantic).set_index("uid").digest
    assert before.index[before != after].tolist() == [V2]


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _image(mode="RGB", size=(31, 30), colour=0):
    return lambda path: Image.new(mode, size, colour).save(path)


def _sound(seconds, rate=16_000, channels=1, value=0.0):
    samples = np.zeros((seconds * rate, channels), np.float32)
    samples[123] = value
    return lambda path: soundfile.write(path, samples, rate, subtype="FLOAT")


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("labels_rgb/4.png", lambda p: p.unlink(), f"missing; {V2} must have 10 frames, 10 masks"),
        ("frames/9.jpg", lambda p: p.unlink(), "missing; "),
        ("frames/7.jpg", _truncate, "can't be read"),
        ("labels_rgb/2.png", _truncate, "can't be read"),
        ("labels_rgb/2.png", _image(size=(3, 4)), "3x4 pixels, but 0.jpg has 31x30"),
        ("labels_rgb/2.png", _image("L", colour=255), "mode L in #ffffff, expected the colours"),
        ("labels_rgb/2.png", _image("L", colour=23), "mode L in #171717, expected the colours"),
        ("labels_rgb/2.png", _image("L", colour=32), "mode L in #202020, expected the colours"),
        ("labels_rgb/2.png", _image("1", colour=1), "mode 1 in #ffffff, expected the colours"),
        ("labels_rgb/2.png", _image("RGB", colour="white"), "in #ffffff, expected the colours"),
        ("audio.wav", _sound(7), "7.00 s long, expected 10 s"),
        ("audio.wav", _sound(10, value=np.nan), "sample 123 is NaN"),
        ("audio.wav", lambda p: p.unlink(), "missing"),
        ("audio.wav", _truncate, "it is cut"),
        ("audio.wav", lambda p: p.write_bytes(b"no sound"), "can't be read as a sound"),
    ],
)
def test_a_broken_file_is_named_with_its_reason(semantic, name, damage, reason):
    damage(semantic / FOLDER / name)
    with pytest.raises(DataError, match=f"1 problem.*\n.*{FOLDER}/{name}: .*{reason}"):
        read_avsbench(semantic)


def test_stereo_of_another_rate_is_sound(semantic):
    _sound(10, 44_100, 2, 1.0)(semantic / FOLDER / "audio.wav")
    assert V2 in set(read_avsbench(semantic).uid)


def test_a_clip_of_four_frames_is_refused(semantic):
    clip = semantic / "v1s" / V1S
    (clip / "frames/4.jpg").unlink()
    _sound(4)(clip / "audio.wav")
    with pytest.raises(DataError, match=f"2 problem(.|\n)*{V1S} must have 5 frames, 1 masks"):
        read_avsbench(semantic)


def test_a_missing_second_is_refused(semantic):
    for name in ("frames/9.jpg", "labels_rgb/9.png"):
        (semantic / FOLDER / name).unlink()
    _sound(9)(semantic / FOLDER / "audio.wav")
    with pytest.raises(DataError) as caught:
        read_avsbench(semantic)
    lines = [line.rsplit("/", 1)[-1] for line in caught.value.problems]
    assert [line.split(":")[0] for line in lines] == ["9.jpg", "9.png", "audio.wav"]
    assert "9.00 s long, expected 10 s" in lines[-1]


def test_all_problems_are_in_one_list_with_what_to_leave_out(semantic):
    (semantic / FOLDER / "audio.wav").unlink()
    (semantic / f"v1m/{V1M}/frames/0.jpg").unlink()
    with pytest.raises(DataError) as caught:
        read_avsbench(semantic)
    assert len(caught.value.problems) == 2
    said = YAML(typ="safe").load(str(caught.value).splitlines()[-1])  # to be pasted as it stands
    assert sorted(said["data.exclude"]) == sorted([V2, V1M])
    index = read_avsbench(semantic, exclude=said["data.exclude"])
    assert len(index) == 34 and not {V2, V1M} & set(index.uid)
    with pytest.raises(DataError, match="no clip other"):
        read_avsbench(semantic, exclude=["other"])


def test_a_missing_folder_is_one_line(semantic, released):
    shutil.rmtree(semantic / FOLDER)
    shutil.rmtree(semantic / "v1m")
    with pytest.raises(DataError, match=r"semantic/v1m: no such folder.* 12 v1m clips.*") as caught:
        read_avsbench(semantic)
    assert len(caught.value.problems) == 1
    with pytest.raises(DataError, match=f"1 problem.*\n.*{FOLDER}: no such folder\n"):
        read_avsbench(semantic, labels=["v1s", "v2"])
    shutil.rmtree(released / "Single-source/s4_data/gt_masks/val/dog_barking")
    shutil.rmtree(released / "Multi-sources/ms3_data/visual_frames")
    with pytest.raises(DataError) as caught:
        read_object(released)
    assert [re.sub(".*object/", "", line) for line in caught.value.problems] == [
        "Single-source/s4_data/gt_masks/val/dog_barking: no such folder",
        "Multi-sources/ms3_data/visual_frames: no such folder, needed by 12 clips",
    ]


HEADER = "vid,uid,s_min,s_sec,a_obj,split,label"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",", ";", r"missing; found \['vid;uid;s_min"),
        (",", "\t", r"missing; found \['vid\\tuid\\ts_min"),
        ("vid,uid", "id,uid", r"\['vid'\] missing"),
        (V2, V1M, f"uid {V1M} twice"),
        (V2, "../C", "'../C' is no folder name"),
        (V2, "C{}", "'C{}' is no folder name"),
        ("test,v2", "tset,v2", "split 'tset', expected one of"),
        ("test,v2", "test,v9", "label 'v9', expected"),
        ("test,v2", "Test,v2", "split 'Test', expected one of train, val, test"),
        ("test,v2", "test", "line 34: has 6 fields, expected 7: vid,uid"),
        (",v2", ",v2,", "line 26: has 8 fields, and ends in a comma, expected 7"),
        ("uid,", "uid,uid,", "line 1: column 'uid' twice"),
        (V2, f"{V2}\x1b[2J", rf"line 37: '{V2}\\x1b\[2J', expected printable text"),
        ("1,5,guitar", "1,five,guitar", "s_sec 'five', expected a number"),
    ],
)
def test_broken_metadata(semantic, old, new, reason):
    path = semantic / "metadata.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=reason):
        read_avsbench(semantic)


def test_half_downloaded_lists(semantic):
    path = semantic / "metadata.csv"
    whole = path.read_text()
    path.write_text(whole[:-5])
    with pytest.raises(DataError, match="line 37: has 6 fields, expected 7"):
        read_avsbench(semantic)
    path.write_bytes(whole.encode("utf-16"))
    with pytest.raises(DataError, match="metadata.csv: line 1: text in UTF-16, expected UTF-8"):
        read_avsbench(semantic)
    path.write_bytes(whole.replace("\n", "\r\n").encode("utf-8-sig"))  # as Excel: harmless
    assert len(read_avsbench(semantic)) == 36
    _truncate(semantic / "label2idx.json")
    with pytest.raises(DataError, match="label2idx.json: "):
        read_avsbench(semantic)
    path.unlink()
    with pytest.raises(DataError, match="metadata.csv: no such file"):
        read_avsbench(semantic)


S4, MS3 = "Single-source/s4_meta_data.csv", "Multi-sources/ms3_meta_data.csv"


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        (S4, ",", ";", r"\['split', 'category'\] missing; found \['name;start;category;split'\]"),
        (MS3, ",", "\t", r"\['split'\] missing; found \['video_id\\tsplit'\]"),
        (S4, "dog_barking", "../dog", "category '../dog' is no folder name"),
        (S4, "a0000000002", "../../a", "vid '../../a' is no folder name"),
        (MS3, "val", "..", "split '..' is no folder name"),
        (MS3, V1M, "b0000012003_3", "b0000012003_3 twice"),
        (MS3, V1M, "another", f"lacks {V1M}, a clip of metadata.csv"),
        (S4, "cat_meowing", "cats", "val/cats: no such folder"),
    ],
)
def test_broken_lists_of_avsbench_object(released, name, old, new, reason):
    path = released / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=f"{name}: .*{reason}" if new != "cats" else reason):
        read_object(released)


def test_broken_files_of_avsbench_object(released):
    place = released / "Multi-sources/ms3_data"
    log_mel = place / f"audio_log_mel/val/{V1M}.pkl"
    windows = pickle.loads(log_mel.read_bytes())
    mask = Image.new("P", (32, 32), 0)
    mask.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white
    mask.save(place / f"gt_masks/val/{V1M}/{V1M}_5.png")
    frame = place / f"visual_frames/{V1M}/{V1M}.mp4_2.png"
    frame.rename(frame.with_name(f"{V1M}_2.png"))
    for content, reason in (
        (windows[:4].clone(), "4.00 s long, expected 5 s"),
        (print, "asks for builtins.print; only arrays are read"),
    ):
        log_mel.write_bytes(pickle.dumps(content))
        with pytest.raises(DataError) as caught:
            read_object(released)
        lines = [line.replace(f"{place}/", "") for line in caught.value.problems]
        assert lines[0].startswith(f"visual_frames/{V1M}/{V1M}.mp4_2.png: missing")
        assert lines[1].startswith(f"gt_masks/val/{V1M}/{V1M}_5.png: a palette in which index 0")
        assert lines[2].startswith(f"audio_log_mel/val/{V1M}.pkl: ") and reason in lines[2]


def test_splits_replace_the_column_and_select_the_clips(semantic, tmp_path):
    splits = tmp_path / "splits.csv"
    table = pd.DataFrame({"uid": [V2], "split": ["train"]})
    table.to_csv(splits, index=False)
    index = read_avsbench(semantic, splits)
    assert list(index.uid) == [V2] and list(index.split) == ["train"]
    for change, reason in (
        ({"uid": "nobody"}, "unknown uid nobody"),
        ({"split": "testing"}, "split 'testing', expected one of"),
    ):
        table.assign(**change).to_csv(splits, index=False)
        with pytest.raises(DataError, match=f"splits.csv: {reason}"):
            read_avsbench(semantic, splits)
    table.to_csv(splits, index=False, sep=";")
    with pytest.raises(DataError, match="splits.csv: .*missing; found"):
        read_avsbench(semantic, splits)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[:1], r"no row of uid {1}, a clip of the index \(35 of 36 rows\)"),
        (lambda t: t[1:], r"no row of uid {0}, a clip of the index \(1 of 36 rows\)"),
        (lambda t: pd.concat([t, t[:1]]), "uid {0} twice"),
        (lambda t: t.assign(uid=t.uid.str.upper()), "no row of uid"),
        (lambda t: pd.concat([t, t[:1].assign(uid="x")]), "uid x is no clip of metadata.csv"),
        (lambda t: t.assign(frames=3), "column 'frames' is the index's own"),
        (lambda t: t.assign(world=3), "column 'world' is the index's own"),
        (lambda t: t.assign(seal=3), "column 'seal' is the index's own"),
        (lambda t: t.drop(columns="uid"), r"\['uid'\] missing"),
    ],
)
def test_scenes_have_a_row_per_clip(semantic, change, reason):
    uids = read_avsbench(semantic).uid
    scenes = pd.DataFrame({"uid": uids, "n": range(36), "share": 0.5})
    scenes[::-1].to_csv(semantic / "scenes.csv", index=False)
    index = read_avsbench(semantic, labels=["v2"])  # a part of them may be asked for
    assert index.n.tolist() == list(range(24, 36)) and (index.share == 0.5).all()
    change(scenes).to_csv(semantic / "scenes.csv", index=False)
    with pytest.raises(DataError, match=f"scenes.csv: .*{reason.format(*uids)}"):
        read_avsbench(semantic)


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("labels_rgb/2.png", _image("RGB", colour=(1, 1, 1))),
        ("labels_rgb/2.png", _image("RGBA", colour=(128, 0, 0, 128))),
        ("labels_rgb/2.png", _image("RGBA", colour=(0, 0, 0, 0))),
    ],
)
def test_a_mask_that_is_none_is_a_problem_of_its_file(semantic, name, mask):
    mask(semantic / FOLDER / name)
    with pytest.raises(DataError, match=f"1 problem.*\n.*{FOLDER}/{name}: .*930 of 930 pixels"):
        read_avsbench(semantic)


def test_two_clips_of_one_video_share_no_files_of_avsbench_object(released):
    path = released / "metadata.csv"
    row = next(line for line in path.read_text().split("\n") if line.startswith("a0000000002,"))
    path.write_text(path.read_text() + "\n" + row.replace("_6000_11000,0,6,", "_7000_12000,0,7,"))
    with pytest.raises(DataError, match="vid a0000000002 of two Single-source clips"):
        read_object(released)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",cat_horse,train,v2", ",cat,train,v2", "classes 'cat', but .* has 'cat_horse'"),
        (f"b0000022003,{V2}", f"c0000022003,{V2}", "video 'c0000022003', but .* 'b0000022003'"),
        (f"\nb0000022003,{V2},1,5,guitar_marimba,test,v2", "", f"lacks uid {V2}"),
    ],
)
def test_a_list_that_changed_since_its_clips_were_indexed(semantic, old, new, reason):
    index, path = read_avsbench(semantic), semantic / "metadata.csv"
    assert indexed_metadata(semantic, index).uid.tolist() == read_metadata(path)[0].uid.tolist()
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=f"metadata.csv: .*{reason}"):
        indexed_metadata(semantic, index)
