"""VGG-SS-Sub: worked out by hand, as laws, and what it refuses."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splits import vggss_sub
from splits.files import SplitError, read_table

LABELS = pd.DataFrame(
    [("owl", ""), ("fox", ""), ("rare", ""), ("cat purring", "cat"), ("people", "man_woman")],
    columns=["label", "class"],
)


def annotations(clips) -> pd.DataFrame:
    """(video, label[, empty]): files start 10 s apart in a video."""
    rows, count = [], Counter()
    for name, label, *empty in clips:
        count[name] += 1
        rows.append((f"{name:-<11}_{10 * count[name]:06d}", label, bool(empty)))
    return pd.DataFrame(rows, columns=["file", "label", "empty"])


HAND = annotations(
    [
        *((f"owl{i}", "owl") for i in range(3)),
        ("owl0", "owl"),
        *((f"fox{i}", "fox") for i in range(4)),
        ("learned", "fox"),  # in V2
        ("blank", "fox", True),  # nothing inside its boxes
        ("rare", "rare"),
        ("fox0", "cat purring"),  # a novel clip's video: no control
        *((f"cat{i}", "cat purring") for i in range(3)),
        *((f"man{i}", "people") for i in range(5)),
    ]
)


def test_the_protocol_worked_out_by_hand():
    sub = vggss_sub.split(HAND, LABELS, {"learned----"}, range(4), (1, 2), min_clips=4)
    groups = Counter(zip(sub.clips.label, sub.clips.group, strict=True))
    assert groups == {
        ("owl", "novel"): 4,
        ("fox", "novel"): 4,
        ("cat purring", "mapped"): 4,
        ("people", "mapped"): 5,
    }
    assert list(sub.clips) == ["file", "label", "video", "group"]
    for draw in range(4):
        one, two = sub.shots[draw][1], sub.shots[draw][2]
        assert Counter(one.label) == {"owl": 1, "fox": 1} and set(one.file) < set(two.file)
        assert two.video.nunique() == 4
        test = sub.test[draw]
        assert not set(test.file) & set(two.file) and set(test.label) == {"owl", "fox"}
        # Of four fox videos two are left. Of the owls two clips are left; if one of them is the
        # other clip of a shot's video, a clean one alone is fewer than the two shots: both stay.
        assert Counter(test.label) == {"owl": 2, "fox": 2}
        # The labels take turns: one each for one shot of two labels, two each for two shots.
        assert Counter(sub.control[draw][1].label) == {"cat purring": 1, "people": 1}
        assert Counter(sub.control[draw][2].label) == {"cat purring": 2, "people": 2}
        assert set(sub.control[draw][1].file) < set(sub.control[draw][2].file)
        assert "fox0-------" not in set(sub.control[draw][2].video)
    assert len({tuple(s[2].file) for s in sub.shots.values()}) > 1
    assert len({tuple(c[2].file) for c in sub.control.values()}) > 1


def test_a_control_smaller_than_a_turn_takes_other_labels_in_other_draws():
    clips = HAND[HAND.label != "owl"].reset_index(drop=True)
    sub = vggss_sub.split(clips, LABELS, (), range(10), (1,), min_clips=4)
    assert {sub.control[draw][1].label.item() for draw in range(10)} == {"cat purring", "people"}


@settings(max_examples=25)
@given(
    sizes=st.lists(st.lists(st.integers(1, 3), min_size=4, max_size=9), min_size=4, max_size=6),
    shared=st.integers(0, 3),
    draw=st.integers(0, 99),
)
def test_laws(sizes, shared, draw):
    """sizes: by label, clips of each video; every second label is mapped; some videos show two."""
    clips = [
        (f"v{label}-{i}", f"label {label}", *([True] if i == 8 else []))
        for label, videos in enumerate(sizes)
        for i, count in enumerate(videos)
        for _ in range(count)
    ]
    clips += [(f"v0-{i}", "label 1") for i in range(shared)]
    clips += [(f"more{i}", "label 1") for i in range(9)]
    table = annotations(clips)
    labels = pd.DataFrame({"label": sorted(set(table.label))})
    labels["class"] = labels.label.map(lambda label: "cat" if int(label[-1]) % 2 else "")
    learned = {"v0-0-------"}
    sub = vggss_sub.split(table, labels, learned, [draw], (1, 2), min_clips=3)
    usable = {r.file for r in table.itertuples() if not r.empty and r.file[:11] not in learned}
    assert set(sub.clips.file) <= usable
    novel = sub.clips[sub.clips.group == "novel"]
    assert not set(novel.label) & set(labels.label[labels["class"] != ""])
    shots, control, test = sub.shots[draw], sub.control[draw], sub.test[draw]
    for k in (1, 2):
        assert Counter(shots[k].label) == dict.fromkeys(novel.label.unique(), k)
        assert len(control[k]) == len(shots[k])
        assert set(control[k].group) == {"mapped"}
        counts = Counter(control[k].label)
        assert max(counts.values()) - min(counts.get(n, 0) for n in counts) <= max(sizes[1])
        assert not set(control[k].video) & set(novel.video)
    assert set(shots[1].file) < set(shots[2].file) and set(control[1].file) < set(control[2].file)
    assert set(test.file) <= set(novel.file) - set(shots[2].file)
    assert set(test.label) == set(novel.label)
    again = vggss_sub.split(table[::-1], labels, learned, [draw, draw + 1], (1, 2), min_clips=3)
    assert set(again.shots[draw][2].file) == set(shots[2].file)
    assert set(again.control[draw][2].file) == set(control[2].file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, m: (pd.concat([a, a[:1]]), m), r"file owl0-+_000010 twice"),
        (lambda a, m: (a, pd.concat([m, m[:1]])), "label 'owl' twice"),
        (lambda a, m: (a, m[1:]), "no entry for label 'owl'"),
        (lambda a, m: (a, m.replace("man_woman", "man_wman")), "'people': unknown class 'wman'"),
        (lambda a, m: (a, m.assign(**{"class": "cat"})), "no novel clips"),
        (lambda a, m: (a, m.assign(**{"class": ""})), "no mapped clips"),
        (
            lambda a, m: (a[~a.label.isin(["people", "cat purring"]) | (a.index == 11)], m),
            "control",
        ),
        (lambda a, m: (a.drop(columns="empty"), m), "columns .* expected"),
        (lambda a, m: (a, m.drop(columns="class")), "columns .* expected"),
    ],
)
def test_bad_input_is_one_clear_error(change, message):
    table, labels = change(HAND, LABELS)
    classes = ["cat", "man", "woman"]
    with pytest.raises(SplitError, match=message):
        vggss_sub.split(table, labels, (), [0], (1, 2), min_clips=4, classes=classes)


def test_fewer_clips_than_shots():
    with pytest.raises(SplitError, match="'owl': 4 clips, but 4 shots and a test need at least 5"):
        vggss_sub.split(HAND, LABELS, (), [0], (1, 4), min_clips=4)


def test_the_committed_map(request):
    labels = read_table(request.config.rootpath / "splits" / "vggss_labels.csv", ["label", "class"])
    assert len(labels) == 221 and labels.label.is_unique and labels.label.is_monotonic_increasing
    classes = dict(zip(labels.label, labels["class"], strict=True))
    for label, expected in {
        "lawn mowing": "mower",
        "playing glockenspiel": "marimba",
        "coyote howling": "wolf",
        "male singing": "man",
        "singing choir": "man_woman",
        "telephone bell ringing": "",
        "singing bowl": "",
    }.items():
        assert classes[label] == expected
    assert sum(c == "" for c in classes.values()) == 57
