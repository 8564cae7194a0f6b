"""On the public files, where environment variables say where they lie.

AVS_METADATA: AVSBench-semantic's metadata.csv. AVS_V3_OFFICIAL: the folder of the released AVS-V3
CSVs. VGGSS_JSON: vggss.json. EZVSL_LISTS: the folder of EZ-VSL's lists.
"""

import os
from pathlib import Path

import pytest

from splits import audit, avs_v3, vggsound, vggss_sub
from splits.files import read_table
from splits.tables import read_metadata, videos
from splits.vggss_boxes import rasterise, read_annotations

HERE = Path(avs_v3.__file__).parent


def public(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} gives no path")
    return Path(os.environ[variable])


@pytest.fixture(scope="module")
def metadata():
    table, repairs = read_metadata(public("AVS_METADATA"))
    assert repairs == ["zVfLHhs9uv8_3000_8000: a_obj 'h orse' read without its space"]
    return table


@pytest.fixture(scope="module")
def unseen():
    return avs_v3.read_unseen(HERE / "avs_v3_unseen.csv")


@pytest.fixture(scope="module")
def v3(metadata, unseen):
    return avs_v3.split(metadata, *unseen, range(10))


def test_sizes(v3, unseen):
    assert len(unseen[0]) == 15 and len(unseen[1]) == 14
    seen = [*v3.seen_train.uid, *v3.seen_val.uid, *v3.seen_test.uid]
    assert len(seen) == len(set(seen)) == 5342
    assert len(v3.unseen) == 758
    assert all(len(by_k[5]) == 70 for by_k in v3.shots.values())


def test_membership_is_the_release_s(v3):
    folder = public("AVS_V3_OFFICIAL")
    ours = {
        "seen": [*v3.seen_train.uid, *v3.seen_val.uid, *v3.seen_test.uid],
        "unseen": v3.unseen.uid,
    }
    for name, uids in ours.items():
        assert sorted(uids) == sorted(read_table(folder / f"meta_v3_{name}.csv", ["uid"]).uid)


def test_the_release_is_imported(metadata, unseen):
    folder = public("AVS_V3_OFFICIAL")
    v3, repairs = avs_v3.official(folder, metadata, *unseen)
    sizes = {part: len(getattr(v3, part)) for part in avs_v3.PARTS}
    assert sizes == {
        "seen_train": 4807,
        "seen_val": 379,
        "seen_test": 156,
        "unseen": 758,
        "pool": 543,
    }
    assert {k: len(rows) for k, rows in v3.shots["official"].items()} == {1: 11, 3: 33, 5: 55}
    assert len(v3.test["official"]) == 488
    assert (
        "v3_5_shot/test.csv: a_obj of 488 rows (488 empty) taken from metadata.csv by uid"
        in repairs
    )
    found = {(f.train, f.test): f for f in audit.audit(metadata, {"V3": v3})}
    assert len(found["V3 seen_train", "V3 seen_val"].clips) == 379
    assert len(found["V3 5-shot, draw official", "V3 test, draw official"].clips) == 16


def test_vggss(metadata):
    clips, repairs = read_annotations(public("VGGSS_JSON"))
    assert len(clips) == 5158 and clips.label.nunique() == 221
    assert sum("dropped" in line for line in repairs) == 18
    assert clips.file[clips["empty"]].tolist() == ["M1P1xla8rg0_000000", "MKC9LvRivTM_000030"]
    areas = [rasterise(boxes).mean() for boxes in clips.boxes]
    assert sum(areas) / len(areas) == pytest.approx(0.312, abs=5e-4)
    found = {f.train: f for f in audit.audit(metadata, vggss=clips) if f.test == "VGG-SS"}
    assert len(found["v2"].clips) == 22 and len(found["v1s"].clips) == 146
    assert len(found["v2 train"].clips) == 16 and len(found["v2 train"].overlapping) == 7
    labels = read_table(HERE / "vggss_labels.csv", ["label", "class"])
    classes = {t for a in metadata.a_obj for t in a.split("_")}
    learned = set(videos(metadata[metadata.label == "v2"]))
    sub = vggss_sub.split(clips, labels, learned, range(10), classes=classes)
    groups = sub.clips.groupby("group").agg(labels=("label", "nunique"), clips=("file", "size"))
    assert groups.loc["novel"].tolist() == [44, 1075]
    assert groups.loc["mapped"].tolist() == [164, 3907]
    assert all(len(by_k[5]) == 220 for by_k in sub.shots.values())


@pytest.mark.parametrize(
    ("name", "clips", "identical", "of_videos"),
    [("144k", 144_000, 3_709, 3_784), ("10k", 10_000, 238, 252), ("heard", 59_468, 0, 1)],
)
def test_published_lists_hold_test_clips(name, clips, identical, of_videos):
    files = vggsound.read_list(public("EZVSL_LISTS") / f"vggss_{name}.txt")
    tests = vggsound.read_list(public("EZVSL_LISTS") / "vggss_test.csv")
    assert len(files) == clips and len(tests) == 5158
    found = vggsound.overlap(name, files, tests)
    assert (len(found.identical), len(found.clips)) == (identical, of_videos)


@pytest.mark.parametrize("group", ["heard", "unheard"])
def test_the_published_heard_and_unheard_tests_are_of_these_labels(group):
    clips, _ = read_annotations(public("VGGSS_JSON"))
    groups = read_table(HERE / "vggss_heard.csv", ["label", "group"])
    of_group = clips[clips.label.isin(groups.label[groups.group == group])]
    listed = vggsound.read_list(public("EZVSL_LISTS") / f"vggss_{group}_test.csv")
    assert set(listed) == set(of_group.file)
