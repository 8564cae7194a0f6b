"""AVS-V3 on metadata worked out by hand, and what it refuses."""

import pandas as pd
import pytest

from splits import avs_v3
from splits.files import SplitError
from splits.tables import read_metadata

UNSEEN = ["fox", "owl"]


def video(rows: pd.DataFrame) -> set[str]:
    return {vid[:11].rstrip("-") for vid in rows.vid}


@pytest.mark.parametrize("seed", range(5))
def test_the_protocol_worked_out_by_hand(hand, seed):
    v3 = avs_v3.split(hand, None, UNSEEN, draws=[0, 1], shots=(1, 2), seed=seed)
    # Ten videos of each seen class, one clip each: every fold has one cat and one dog.
    assert v3.folds.groupby("fold").size().tolist() == [2] * 10
    for part in (v3.seen_test, v3.seen_val):
        assert sorted(part.a_obj) == ["cat", "dog"]
    assert len(v3.seen_train) == 16
    assert len(v3.unseen) == len(v3.pool) == 3 + 8 + 2
    for draw in (0, 1):
        one, two, test = v3.shots[draw][1], v3.shots[draw][2], v3.test[draw]
        assert one.a_obj.tolist() == ["fox", "owl"]
        assert two.a_obj.tolist() == ["fox", "fox", "owl", "owl"]
        assert set(one.uid) < set(two.uid)
        owls = two[two.a_obj == "owl"]
        assert owls.vid.nunique() == 2  # a second video before a second clip
        # fox has a single video and keeps its third clip; two owl videos give shots, the other two
        # are tested whole; of the clips with both, the fox video's goes, the other stays.
        assert test.a_obj.value_counts().to_dict() == {"fox": 1, "owl": 4, "owl_fox": 1}
        assert not set(owls.vid) & set(test.vid)
        assert not set(two.uid) & set(test.uid)
        # Two clips for the two shots of k = 1, four for k = 2; the two seen classes take turns.
        first, both = v3.control[draw][1], v3.control[draw][2]
        assert sorted(first.a_obj) == ["cat", "dog"]
        assert sorted(both.a_obj) == ["cat", "cat", "dog", "dog"]
        assert set(first.uid) < set(both.uid) <= set(v3.seen_train.uid)
        assert set(both["split"]) == {"train"}
    assert set(v3.control[0][2].uid) != set(v3.control[1][2].uid)


def test_the_control_spreads_over_videos_and_takes_single_class_clips(build):
    """One fox shot's control: a cat clip; of k = 3 three clips of three videos, though one video
    has twenty clips; the clips of two classes stay out."""
    clips = [(f"cat{i}", "cat") for i in range(12)] + [("cat0", "cat")] * 20
    clips += [(f"two{i}", "cat_dog") for i in range(40)] + [(f"fox{i}", "fox") for i in range(5)]
    v3 = avs_v3.split(build(clips), None, ["fox"], range(5), (1, 3))
    for by_k in v3.control.values():
        assert [len(by_k[k]) for k in (1, 3)] == [1, 3]
        assert set(by_k[3].a_obj) == {"cat"} and len(video(by_k[3])) == 3


def test_a_control_of_too_few_clips_is_refused(build):
    clips = [(f"cat{i}", "cat") for i in range(3)] + [(f"two{i}", "cat_dog") for i in range(40)]
    clips += [(f"fox{i}", "fox") for i in range(9)]
    with pytest.raises(SplitError, match="control: 8 single-class clips of seen_train expected"):
        avs_v3.split(build(clips), None, ["fox"], [0], (8,))


def test_only_the_given_strings_are_unseen(hand):
    seen, unseen = avs_v3.membership(hand, ["fox", "owl", "fox_owl"], UNSEEN)
    assert unseen.a_obj.value_counts().to_dict() == {"owl": 8, "fox": 3, "fox_owl": 1}
    assert set(seen.a_obj) == {"cat", "dog"}


def test_split_says_what_the_file_is_for(hand):
    v3 = avs_v3.split(hand.assign(split="val"), None, UNSEEN, [0], (1,))
    for part, expected in (
        (v3.seen_train, "train"),
        (v3.seen_val, "val"),
        (v3.seen_test, "test"),
        (v3.unseen, "test"),
        (v3.shots[0][1], "train"),
        (v3.test[0], "test"),
    ):
        assert set(part["split"]) == {expected}
        assert list(part) == list(hand)


def test_draws_and_seeds_differ(build):
    clips = [(f"{c}{i}", c) for c in ("cat", "fox", "owl") for i in range(60)]
    metadata = build(clips)
    v3 = avs_v3.split(metadata, None, UNSEEN, range(3))
    other = avs_v3.split(metadata, None, UNSEEN, range(3), seed=1)
    drawn = [*(s[5] for s in v3.shots.values()), *(s[5] for s in other.shots.values())]
    assert len({tuple(rows.uid) for rows in drawn}) == 6
    assert set(v3.seen_test.uid) != set(other.seen_test.uid)


def test_a_class_of_one_video_is_trained_on(build):
    clips = [(f"cat{i}", "cat") for i in range(20)] + [("emu", "emu")]
    clips += [(f"fox{i}", "fox") for i in range(3)]
    for seed in range(20):
        v3 = avs_v3.split(build(clips), None, ["fox"], [0], (1,), seed=seed)
        assert "emu" in set(v3.seen_train.a_obj)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.assign(uid=m.uid.where(m.index != 1, m.uid[0])),
            f"{'cat0'.ljust(11, '-')}.*twice",
        ),
        (lambda m: m.assign(label="v3"), "label 'v3', expected"),
        (
            lambda m: m.assign(a_obj=m.a_obj.replace("cat", "cat__dog")),
            "a_obj 'cat__dog', expected classes joined by _, none empty",
        ),
        (lambda m: m.assign(vid="short"), "vid 'short', expected YouTube's 11 characters"),
        (lambda m: m.drop(columns="a_obj"), r"column\(s\) \['a_obj'\] missing"),
        (lambda m: m[:0], "no rows"),
        (lambda m: m[m.a_obj != "fox"], "'fox': 0 clips, but 2 shots and a test need at least 3"),
        (lambda m: m[~m.a_obj.isin(["fox", "fox_owl", "owl_fox", "cat_fox"])], "unknown .* 'fox'"),
        (lambda m: m[~m.a_obj.isin(["cat", "dog"])], "seen: empty"),
        (lambda m: m[~m.vid.str.contains("cat[1-9]|dog")], "seen_val: empty"),
    ],
)
def test_bad_metadata_is_one_clear_error(hand, change, message):
    with pytest.raises(SplitError, match=message):
        avs_v3.split(change(hand), None, UNSEEN, [0], (1, 2))


def test_all_problems_are_listed(hand):
    with pytest.raises(SplitError) as caught:
        avs_v3.membership(hand, ["fox", "emu", "cat_fox"], ["fox", "owl", "yak"])
    assert len(caught.value.problems) == 4  # yak, emu (its class and the string), cat_fox
    with pytest.raises(SplitError, match="shots"):
        avs_v3.split(hand, None, UNSEEN, [0], (0, 1))
    with pytest.raises(SplitError, match="draws"):
        avs_v3.split(hand, None, UNSEEN, [0, 0], (1,))


def test_reading_repairs_a_space_and_refuses_unknown_classes(hand, tmp_path):
    path = tmp_path / "metadata.csv"
    hand.assign(a_obj=hand.a_obj.replace("dog", "d og")).to_csv(path, index=False)
    table, repairs = read_metadata(path)
    assert table.equals(hand) and len(repairs) == 10 and "'d og'" in repairs[0]
    labels = '{"background": 0, "cat": 1, "dog": 2, "owl": 3}'
    path.with_name("label2idx.json").write_text(labels)
    with pytest.raises(SplitError, match="unknown class 'fox'") as caught:
        read_metadata(path)
    assert len(caught.value.problems) == 6
    with pytest.raises(SplitError, match="no such file"):
        read_metadata(tmp_path / "none.csv")


def test_unseen_files(tmp_path):
    path = tmp_path / "unseen.csv"
    path.write_text("a_obj\ngirl\ngirl_boy\n")
    assert avs_v3.read_unseen(path) == (["girl", "girl_boy"], ["boy", "girl"])
    path.write_text("class\ngirl\n")
    assert avs_v3.read_unseen(path) == (None, ["girl"])
    path.write_text("name\ngirl\n")
    with pytest.raises(SplitError, match="a_obj or class"):
        avs_v3.read_unseen(path)


class Release:
    """The released files of the hand-made metadata, with the release's faults."""

    def __init__(self, hand: pd.DataFrame, folder) -> None:
        self.hand, self.folder = hand, folder
        seen = hand[hand.a_obj.isin(["cat", "dog"]) & (hand.label != "v1s")]
        unseen = hand[hand.a_obj.isin(["fox", "owl", "fox_owl", "owl_fox"])]
        owls = unseen[unseen.a_obj == "owl"]
        self.files = {
            "meta_v3_seen_train": seen[2:],
            "meta_v3_seen_val": seen[:2],
            "meta_v3_unseen": unseen,
            "v3_1_shot/train": owls[:1],
            "v3_1_shot/test": owls[1:],
            "v3_2_shot/train": owls[:2],
            "v3_2_shot/test": owls[2:],
        }

    def read(self, metadata=None, excluded=()):
        for name, rows in self.files.items():
            if "shot" in name:
                rows = rows.assign(s_min="", s_sec="", a_obj="", split="v3_1_shot_train")
            path = self.folder / f"{name}.csv"
            path.parent.mkdir(exist_ok=True)
            rows.to_csv(path, index=False)
        metadata = self.hand if metadata is None else metadata
        return avs_v3.official(self.folder, metadata, None, UNSEEN, (1, 2), excluded)


def test_official_lists_are_repaired_and_every_repair_is_named(hand, tmp_path):
    shared = hand.assign(vid=hand.vid.where(hand.vid != "cat0".ljust(11, "-"), hand.vid[5]))
    release = Release(shared, tmp_path)
    v3, repairs = release.read()
    # The two clips of seen_val: the first one's video is now cat5's, which is trained on.
    assert video(v3.seen_val) == {"cat5"} and video(v3.seen_test) == {"cat1"}
    assert len(v3.seen_train) == 18 and len(v3.unseen) == 13 and len(v3.pool) == 8
    assert set(v3.shots[avs_v3.OFFICIAL][2].a_obj) == {"owl"}
    assert set(v3.shots[avs_v3.OFFICIAL][2]["split"]) == {"train"}
    assert len(v3.control[avs_v3.OFFICIAL][2]) == 2
    assert set(v3.control[avs_v3.OFFICIAL][2].uid) <= set(v3.seen_train.uid)
    assert len(v3.test[avs_v3.OFFICIAL]) == 6 and set(v3.test[avs_v3.OFFICIAL].s_sec) == {"0", "10"}
    assert "v3_1_shot/test.csv: a_obj of 7 rows (7 empty) taken from metadata.csv by uid" in repairs
    assert any("v3_2_shot/test.csv: split column (v3_1_shot_train)" in line for line in repairs)
    assert any("1 of 2 clips share no video with seen_train" in line for line in repairs)
    assert not any("meta_v3_unseen.csv: a_obj" in line for line in repairs)


def test_clips_that_are_left_out_leave_the_release_too(hand, tmp_path):
    hand = hand.assign(vid=hand.vid.where(hand.vid != "cat0".ljust(11, "-"), hand.vid[5]))
    release = Release(hand, tmp_path)
    gone = [
        release.files["meta_v3_seen_train"].uid.iloc[0],
        release.files["v3_2_shot/test"].uid.iloc[0],
    ]
    v3, repairs = release.read(hand[~hand.uid.isin(gone)], gone)
    assert len(v3.seen_train) == 17 and len(v3.unseen) == 12 and len(v3.pool) == 7
    named = [line for line in repairs if line.endswith(" is excluded")]
    assert f"meta_v3_seen_train.csv: {gone[0]} is excluded" in named and len(named) == 4


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "v3_1_shot/train",
            lambda r: r.assign(uid="gone"),
            "v3_1_shot/train.csv: unknown uid gone",
        ),
        ("meta_v3_unseen", lambda r: pd.concat([r, r[:1]]), "meta_v3_unseen.csv: uid .* twice"),
        ("meta_v3_seen_train", lambda r: r[1:], "19 clips, expected the 20 of metadata.csv"),
        ("v3_1_shot/test", lambda r: r[1:], "1-shot train and test: 7 clips, expected the 8"),
        ("v3_2_shot/train", lambda r: r[1:], "isn't part of 2-shot train"),
    ],
)
def test_a_broken_release_is_refused(hand, tmp_path, name, change, message):
    release = Release(hand, tmp_path)
    release.files[name] = change(release.files[name])
    with pytest.raises(SplitError, match=message):
        release.read()


def test_strict_drops_the_tested_clip(build):
    clips = [(f"cat{i}", "cat") for i in range(20)]
    clips += [(f"cat{i}", "fox") for i in range(20)] + [(f"fox{i}", "fox") for i in range(5)]
    v3 = avs_v3.split(build(clips), None, ["fox"], [0], (1,))
    clean = avs_v3.strict(v3)
    # What remains of unseen: five videos of its own and the ones of seen_test, never learned from.
    assert video(clean.unseen) == video(v3.seen_test) | {f"fox{i}" for i in range(5)}
    assert clean.seen_train.equals(v3.seen_train)
    assert clean.shots[0][1].equals(v3.shots[0][1])
    assert clean.control[0][1].equals(v3.control[0][1])
    assert video(clean.test[0]) == video(clean.unseen) - video(v3.shots[0][1])
