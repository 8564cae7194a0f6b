"""VGG-Sound's lists: how they are read, and what VGG-SS tests of them."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits import vggsound
from splits.files import SplitError, read_table

HERE = Path(vggsound.__file__).parent


def ids(*names):
    """ "a7" stands for video a, second 7."""
    return [f"{name[0] * 11}_{int(name[1:]):06d}" for name in names]


def table(*rows):
    """("a7", label, split)"""
    return pd.DataFrame([(*ids(n), *rest) for n, *rest in rows], columns=["file", "label", "split"])


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "aaaaaaaaaaa_000007\n-_B-_B-_B-__000000\n",  # as EZ-VSL's
        "aaaaaaaaaaa_000007\r\n-_B-_B-_B-__000000",  # as HardWay's test list
        "aaaaaaaaaaa_000007.jpg\n-_B-_B-_B-__000000.mp4\n",  # as SSL-TIE's
        "\n  aaaaaaaaaaa_000007 \n\n-_B-_B-_B-__000000\n\n",
    ],
)
def test_forms_of_lists(tmp_path, text):
    (tmp_path / "list.txt").write_text(text, newline="")
    found = vggsound.read_list(tmp_path / "list.txt")
    assert found == ["aaaaaaaaaaa_000007", "-_B-_B-_B-__000000"]
    vggsound.write_list(found, tmp_path / "new" / "list.txt")
    assert vggsound.read_list(tmp_path / "new" / "list.txt") == found


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("aaaaaaaaaaa", "line 2: 'aaaaaaaaaaa' isn't a VGG-Sound id"),
        ("aaaaaaaaaaa_00007", "isn't"),
        ("aaaaaaaaaaa_0000007", "isn't"),
        ("aaaaaaaaaaa_00000٧", "isn't"),  # a digit, but no ASCII one
        ("äaaaaaaaaaa_000007", "isn't"),
        ("../aaaaaaaa_000007", "isn't"),
        ("frames/aaaaaaaaaaa_000007.jpg", "isn't"),
        ("aaaaaaaaaaa_000007.jpg/..", "isn't"),
        ("aaaaaaaaaaa_000007 bbbbbbbbbbb_000007", "isn't"),
        ("aaaaaaaaaaa_000007,dog barking", "isn't"),
        ("bbbbbbbbbbb_000000", "line 2: bbbbbbbbbbb_000000 twice"),
        ("bbbbbbbbbbb_000000.mp4", "line 2: bbbbbbbbbbb_000000 twice"),
    ],
)
def test_lines_that_are_refused(tmp_path, line, reason):
    path = tmp_path / "list.txt"
    path.write_text(f"bbbbbbbbbbb_000000\n{line}\n", encoding="utf-8")
    with pytest.raises(SplitError, match=reason) as caught:
        vggsound.read_list(path)
    assert len(caught.value.problems) == 1 and "list.txt" in str(caught.value)


def test_a_wrong_file_gives_a_short_message(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("aaaaaaaaaaa,7,dog barking,train\n" * 1000)
    with pytest.raises(SplitError, match="line 20: .*\n  and 980 more") as caught:
        vggsound.read_list(path)
    assert "line 21" not in str(caught.value)
    path.write_text("\n")
    with pytest.raises(SplitError, match=r"list\.txt: empty"):
        vggsound.read_list(path)
    with pytest.raises(SplitError, match=r"none\.txt"):
        vggsound.read_list(tmp_path / "none.txt")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SplitError, match=r"list\.txt"):
        vggsound.read_list(path)


def test_vggsounds_own_table(tmp_path):
    path = tmp_path / "vggsound.csv"
    path.write_text(
        '---g-f_I2yQ,1,people marching,test\n--9O4XZOge4,30,"female speech, woman speaking",train\n'
        "NA---------,1234,NA,train\n"
    )
    assert vggsound.read_clips(path).to_dict("list") == {
        "file": ["---g-f_I2yQ_000001", "--9O4XZOge4_000030", "NA---------_001234"],
        "label": ["people marching", "female speech, woman speaking", "NA"],
        "split": ["test", "train", "train"],
    }
    path.write_text(
        "aaaaaaaaaaa,1,dog,train\naaaaaaaaaaa,x,dog,train\n../aaaaaaaa,1,dog,train\n"
        "aaaaaaaaaaa,-1,dog,train\naaaaaaaaaaa,1,,train\naaaaaaaaaaa,1,dog,val\n"
    )
    with pytest.raises(SplitError, match="line 2: 'aaaaaaaaaaa, x, dog, train'") as caught:
        vggsound.read_clips(path)
    rows = [problem.split()[2] for problem in caught.value.problems]
    assert rows == ["2:", "3:", "4:", "5:", "6:"]
    path.write_text("aaaaaaaaaaa_000007.mp4,dog\n")
    with pytest.raises(SplitError, match="2 columns, expected"):
        vggsound.read_clips(path)
    with pytest.raises(SplitError, match=r"none\.csv"):
        vggsound.read_clips(tmp_path / "none.csv")


# --- lists ------------------------------------------------------------------------------------

CLIPS = table(
    ("b0", "dog", "train"),
    ("a7", "dog", "train"),
    ("a90", "cat", "train"),
    ("c0", "cat", "train"),
    ("c5", "owl", "train"),  # 5 s after a test clip of its video
    ("d0", "owl", "train"),
    ("e0", "fox", "test"),
    ("c10", "cat", "test"),
)


def test_lists_worked_out_by_hand():
    tests = ids("c10", "e0", "z0")
    assert vggsound.clean_list(CLIPS, tests) == ids("a7", "a90", "b0", "d0")
    assert vggsound.clean_list(CLIPS, []) == ids("a7", "a90", "b0", "c0", "c5", "d0")
    assert vggsound.heard_list(CLIPS, tests, ["cat", "dog"]) == ids("a7", "a90", "b0")
    with pytest.raises(SplitError, match="no training clip of label 'fox'"):
        vggsound.heard_list(CLIPS, tests, ["fox", "dog"])
    assert vggsound.without_tests(ids("d0", "c5", "a7"), tests) == ids("d0", "a7")
    assert vggsound.heard_labels(CLIPS, ids("a7", "c5", "q3")) == {"dog", "owl"}


def test_the_overlap_counts_clips_and_videos():
    found = vggsound.overlap("list", ids("c5", "c10", "a7", "d0"), ids("c10", "d99", "e0"))
    assert found.identical == tuple(ids("c10"))
    assert found.clips == tuple(ids("c10", "d99"))
    assert (found.videos, found.test_clips) == (2, 3)


def test_the_table_of_lists():
    tests = table(("c10", "cat", ""), ("d99", "cat", ""), ("e0", "fox", ""))
    lists = {"one": ids("c5", "c10", "a7", "d0"), "two": ids("b0")}
    text = vggsound.markdown(lists, tests, CLIPS).splitlines()
    assert text[2:] == [
        "| `one` | 4 | 3 | 1 | 2 | 1 | 2 | 1 |",
        "| `two` | 1 | 1 | 0 | 0 | 0 | 0 | 3 |",
    ]
    assert vggsound.markdown({"one": lists["one"]}, tests).splitlines()[2] == (
        "| `one` | 4 | 3 | 1 | 2 | – | – | – |"
    )


names = st.builds("{}{}".format, st.sampled_from("abcdefgh"), st.integers(0, 40))


@given(
    rows=st.dictionaries(
        names, st.tuples(st.sampled_from(["ant", "bee", "cat"]), st.sampled_from(["train", "test"]))
    ),
    tests=st.lists(names, max_size=5).map(lambda found: ids(*found)),
    seed=st.randoms(),
)
def test_laws_of_the_lists(rows, tests, seed):
    clips = table(*((name, *rest) for name, rest in rows.items()))
    clean = vggsound.clean_list(clips, tests)
    assert not vggsound.overlap("clean", clean, tests).clips
    for row in clips.itertuples():  # nothing else is lost
        tested = any(test[:11] == row.file[:11] for test in tests)
        assert (row.file in clean) == (row.split == "train" and not tested)
    learned = set(clips.label[clips["split"] == "train"])
    heard = set(vggsound.heard_list(clips, tests, learned - {"ant"}))
    unheard = set(vggsound.heard_list(clips, tests, learned & {"ant"}))
    assert not heard & unheard and heard | unheard == set(clean)
    assert "ant" not in vggsound.heard_labels(clips, heard)
    mixed = seed.sample(clean, len(clean))
    parts = [vggsound.draw(clean, n) for n in range(len(clean) + 1)]
    for n, part in enumerate(parts):
        assert len(part) == n and part == [file for file in clean if file in part]
        assert set(part) == set(vggsound.draw(mixed, n))
        assert n == 0 or set(parts[n - 1]) < set(part)
    message = f"expected at least {len(clean) + 1} clips, found {len(clean)}"
    with pytest.raises(SplitError, match=message):
        vggsound.draw(clean, len(clean) + 1)


# --- heard and unheard labels -----------------------------------------------------------------


def test_groups_of_labels_are_read_or_refused(tmp_path):
    path = tmp_path / "heard.csv"
    path.write_text("label,group\ndog,heard\ncat,unheard\n")
    assert vggsound.read_heard(path) == {"heard": {"dog"}, "unheard": {"cat"}}
    path.write_text("label,group\ndog,Heard\ncat,heard\n")
    with pytest.raises(SplitError, match="'dog' is in group 'Heard'"):
        vggsound.read_heard(path)
    path.write_text("label,group\ncat,unheard\n")
    with pytest.raises(SplitError, match="no label is heard"):
        vggsound.read_heard(path)
    path.write_text("label,class\ncat,dog\n")
    with pytest.raises(SplitError, match=r"column\(s\) \['group'\] missing"):
        vggsound.read_heard(path)


def test_the_committed_groups():
    groups = read_table(HERE / "vggss_heard.csv", ["label", "group"])
    assert groups.group.value_counts().to_dict() == {"heard": 110, "unheard": 110}
    labels = set(read_table(HERE / "vggss_labels.csv", ["label"]).label)
    assert groups.label.is_unique and labels - set(groups.label) == {"singing choir"}
    assert set(groups.label) < labels
