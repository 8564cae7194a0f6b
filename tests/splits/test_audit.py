"""The audit against hand-worked pairs and a slow pair-by-pair one."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from splits import audit


def rows(*clips) -> pd.DataFrame:
    """(video, first second, label) as rows of metadata.csv."""
    return pd.DataFrame(
        [
            (v.ljust(11, "-"), f"{v}_{s}_{label}", str(s // 60), str(s % 60), label)
            for v, s, label in clips
        ],
        columns=["vid", "uid", "s_min", "s_sec", "label"],
    )


def test_overlap_worked_out_by_hand():
    train = rows(("a", 55, "v2"), ("b", 0, "v1m"), ("c", 10, "v1s"), ("d", 0, "v2"))
    test = rows(
        ("a", 64, "v2"),  # 64-74 meets 55-65
        ("a", 65, "v2"),  # begins where the other ends
        ("b", 0, "v2"),  # V1M doesn't say when
        ("c", 14, "v2"),  # 14-24 meets 10-15
        ("c", 15, "v2"),
        ("d", 0, "v2"),  # the very clip
        ("e", 0, "v2"),
    )
    found = audit.compare("train", train, "test", test)
    assert found.clips == ("a_64_v2", "a_65_v2", "b_0_v2", "c_14_v2", "c_15_v2", "d_0_v2")
    assert found.overlapping == ("a_64_v2", "c_14_v2", "d_0_v2")
    assert found.identical == ("d_0_v2",)
    assert (found.videos, found.test_clips) == (4, 7)


def test_vggss_against_avsbench_and_lists():
    vggss = pd.DataFrame({"file": [f"{'a':-<11}_000060", f"{'b':-<11}_000000"]})
    found = audit.compare("V2", rows(("a", 69, "v2")), "VGG-SS", vggss)
    assert found.overlapping == found.clips == (vggss.file[0],)
    assert not audit.compare("V2", rows(("a", 70, "v2")), "VGG-SS", vggss).overlapping
    listed = pd.DataFrame({"file": [f"{'b':-<11}_000000", f"{'a':-<11}_000090"]})
    found = audit.compare("list", listed, "VGG-SS", vggss)
    assert found.clips == tuple(vggss.file) and found.identical == (vggss.file[1],)


clips = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 90), st.sampled_from(["v1s", "v1m", "v2"])),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(clips, clips)
def test_against_a_pair_by_pair_audit(train, test):
    def seconds(clip):
        length = {"v1s": 5, "v1m": 0, "v2": 10}[clip[2]]
        return {2 * clip[1] + half for half in range(2 * length)}  # half seconds: open intervals

    expected_clips, expected_overlap = [], []
    for tested in test:
        same = [c for c in train if c[0] == tested[0]]
        name = "_".join(map(str, tested))
        if same:
            expected_clips.append(name)
        if any(seconds(c) & seconds(tested) for c in same):
            expected_overlap.append(name)
    found = audit.compare("train", rows(*train), "test", rows(*test))
    assert list(found.clips) == expected_clips
    assert list(found.overlapping) == expected_overlap


def test_strict_metadata_keeps_train(build):
    metadata = build(
        [
            ("a", "cat", "v2", "train"),
            ("a", "cat", "v2", "val"),
            ("a", "cat", "v2", "test"),
            ("b", "cat", "v2", "val"),
            ("b", "cat", "v2", "test"),
            ("c", "cat", "v2", "test"),
            ("a", "cat", "v1m", "test"),  # another benchmark
        ]
    )
    assert audit.strict_metadata(metadata).index.tolist() == [0, 3, 5, 6]


def test_markdown_counts_and_names():
    many = rows(*(("a", s, "v2") for s in range(60)))
    found = [
        audit.compare("V2 train", rows(("a", 0, "v2")), "V2 test", many),
        audit.compare("V2 val", rows(("b", 0, "v2")), "V2 test", many),
    ]
    text = audit.markdown(found)
    assert "| V2 train | V2 test | 60 | 60 | 1 | 1 | 10 |" in text
    assert "| V2 val | V2 test | 60 | 0 | 0 | 0 | 0 |" in text
    assert "**V2 train → V2 test**: `a_0_v2`, " in text and "`a_49_v2` and 10 more" in text
    assert "**V2 val" not in text


def test_sets_that_share_the_same_clips_with_a_test_have_one_list():
    test, learned = rows(("a", 0, "v2"), ("b", 0, "v2")), rows(("a", 9, "v2"))
    found = [audit.compare(name, learned, "test", test) for name in ("train", "all")]
    found += [audit.compare("other", rows(("b", 9, "v2")), "test", test)]
    found += [audit.compare("train", learned, "second test", test)]
    assert [line for line in audit.markdown(found).splitlines() if " → " in line] == [
        "**train, all → test**: `a_0_v2`",
        "**other → test**: `b_0_v2`",
        "**train → second test**: `a_0_v2`",
    ]
