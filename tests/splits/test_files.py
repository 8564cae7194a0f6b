"""Tables and JSON of others: what is wrong is named by file and line, nothing is guessed."""

import os

import pytest

from splits.files import SplitError, read_json, read_table
from splits.tables import read_classes, read_metadata
from splits.vggsound import read_list

HEADER = "vid,uid,s_min,s_sec,a_obj,split,label"
ROW = "abcdefghijk,abcdefghijk_0_10000,0,0,cat,train,v2"
TABLE = f"{HEADER}\n{ROW}\n{ROW.replace('_0_', '_5_')}\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TABLE.encode("utf-16"), "line 1: text in UTF-16, expected UTF-8"),
        (TABLE.encode("utf-16-le"), "line 1: a NUL byte .*UTF-16"),
        (TABLE.replace("cat", "caf\xe9").encode("latin-1"), "line 2: byte 0xe9, perhaps Latin-1"),
        (TABLE.replace("_5_", "_\0_").encode(), "line 3: a NUL byte"),
        (
            TABLE.replace("v2", "v2,").encode(),
            "line 2: has 8 fields, and ends in a comma, expected 7",
        ),
        (TABLE[:-20].encode(), "line 3: has 2 fields, expected 7: vid,uid"),
        (TABLE.replace("label", "label,uid").encode(), "line 1: column 'uid' twice"),
        (TABLE.replace("cat", '"cat').encode(), "line 2: ',' expected after"),
        (TABLE.encode() + b'x,"y', "line 4: unexpected end of data"),
        (TABLE.replace("cat", "c" * 200_000).encode(), "line 2: field larger than field limit"),
        (TABLE.replace("cat", "c\x1b[2J").encode(), r"line 2: 'c\\x1b\[2J', expected printable"),
        (TABLE.replace("cat", '"ca\nt"').encode(), r"line 2: 'ca\\nt', expected printable"),
        (TABLE.replace("vid", "video").encode(), r"column\(s\) \['vid'\] missing; found"),
        (b"", "empty, expected a header"),
    ],
)
def test_a_table_that_is_no_plain_csv(tmp_path, content, reason):
    path = tmp_path / "metadata.csv"
    path.write_bytes(content)
    with pytest.raises(SplitError, match=f"{path}: {reason}"):
        read_table(path, HEADER.split(","))


@pytest.mark.parametrize("change", [str.encode, lambda t: t.encode("utf-8-sig"), (
    lambda t: t.replace("\n", "\r\n").encode()), lambda t: t.rstrip().encode(),
    lambda t: t.replace("\n", "\n\n").encode()])  # fmt: skip
def test_marks_line_ends_and_blank_lines_change_nothing(tmp_path, change):
    (tmp_path / "t.csv").write_bytes(change('a,b\nNA,"x, y"\n,\u00e4\n'))
    assert read_table(tmp_path / "t.csv", ["a"]).to_dict("list") == {
        "a": ["NA", ""],
        "b": ["x, y", "\u00e4"],
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("train", "Train", r"split 'Train', expected one of train, val, test \(uid .*, 2 row"),
        ("v2\n", "V2\n", "label 'V2', expected one of v1s, v1m, v2"),
        ("0,0,cat", "0,zero,cat", "uid abcdefghijk_0_10000: s_sec 'zero', expected a number"),
        ("_5_", "_0_", "uid abcdefghijk_0_10000 twice"),
        ("0,0,cat", "1,7,cat", "s_min and s_sec make 67 s, expected the uid's 0"),
        ("cat", "cat__dog", "a_obj 'cat__dog', expected classes joined by _"),
    ],
)
def test_metadata_says_file_uid_and_what_was_expected(tmp_path, old, new, reason):
    path = tmp_path / "metadata.csv"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(SplitError, match=f"{path}: .*{reason}"):
        read_metadata(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'{"background": 0, "cat": 1',
            "as JSON: Expecting ',' delimiter: line 1 column 27",
        ),
        ('{"background": 0, "cat": 1}'.encode("utf-16"), "line 1: text in UTF-16"),
        ('{"background": 0, "caf\xe9": 1}'.encode("latin-1"), "line 1: byte 0xe9, perhaps Latin-1"),
        (b'{"cat": 0, "cat": 1}', "as JSON: key 'cat' twice in one object"),
        (b'{"background": 0, "cat": "1"}', "key 'cat': '1', expected an object"),
        (b'{"background": 0, "cat": true}', "key 'cat': True, expected an object"),
        (b'{"background": 0, "cat": 0}', "number 0 twice"),
        (b'["background", "cat"]', r"\['background', 'cat'\], expected an object"),
        (b"[" * 100_000, "as JSON: maximum recursion depth"),
        (b"1" * 10_000, "as JSON: .*digits"),
    ],
)
def test_label2idx_json_that_is_broken(tmp_path, content, reason):
    path = tmp_path / "label2idx.json"
    path.write_bytes(content)
    with pytest.raises(SplitError, match=f"{path}: .*{reason}"):
        read_classes(path)
    path.write_bytes(b'\xef\xbb\xbf{"background": 0, "cat": 1}')  # harmless
    assert read_classes(path) == {"background": 0, "cat": 1}


@pytest.mark.parametrize("read", [lambda p: read_table(p, []), read_json, read_list])
def test_what_is_no_file_is_refused_at_once(tmp_path, read):
    os.mkfifo(tmp_path / "fifo\x1b[2J")
    for name, reason in (("fifo\x1b[2J", r"fifo\\x1b\[2J: is a FIFO"), ("none", "no such file")):
        with pytest.raises(SplitError, match=reason):
            read(tmp_path / name)
