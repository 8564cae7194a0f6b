"""vggss.json: every kind of broken box has its repair, every broken entry its error."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.files import SplitError
from splits.vggss_boxes import rasterise, read_annotations

FILE = "abcdefghijk_000012"


def read(tmp_path, *boxes, text=None, **entry):
    path = tmp_path / "vggss.json"
    entries = [{"file": FILE, "class": "cat purring", "bbox": list(boxes), **entry}]
    path.write_text(text or json.dumps(entries))
    return read_annotations(path)


@pytest.mark.parametrize(
    ("box", "kept", "repair"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4], None),
        ([0, 0, 1, 1], [0, 0, 1, 1], None),
        ([-0.5, 0.2, 0.3, 1.5], [0, 0.2, 0.3, 1], "clipped to"),
        ([0.4, 0.3, -2.9e16, 0.9], None, "dropped"),  # the released file's
        ([0.5, 0.2, 0.3, 0.4], None, "dropped"),  # reversed
        ([0.1, 0.4, 0.3, 0.2], None, "dropped"),
        ([0.3, 0.2, 0.3, 0.4], None, "dropped"),  # no width
        ([float("nan"), 0.2, 0.3, 0.4], None, "dropped"),
        ([0.1, 0.2, float("inf"), 0.4], None, "dropped"),
        ([0.1, 0.2, 10**400, 0.4], None, "dropped"),
        ([1.2, 0.2, 1.3, 0.4], None, "dropped"),  # outside the frame
    ],
)
def test_repairs(tmp_path, box, kept, repair):
    sound = [0.5, 0.5, 1.0, 1.0]
    clips, repairs = read(tmp_path, sound, box)
    assert clips.boxes[0] == [sound, *([kept] if kept else [])]
    assert not clips["empty"][0]
    assert len(repairs) == (repair is not None)
    assert repair is None or (FILE in repairs[0] and repair in repairs[0])


@pytest.mark.parametrize("boxes", [[], [[0.5, 0.2, 0.3, 0.4]], [[0.1, 0.1, 0.101, 0.9]]])
def test_an_empty_ground_truth_is_named(tmp_path, boxes):
    # The last box is narrower than a pixel: 0.1 and 0.101 are both in column 22.
    clips, repairs = read(tmp_path, *boxes)
    assert clips["empty"][0]
    assert repairs[-1] == f"{FILE}: no pixel inside its boxes at 224: empty"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"bbox": [[0.1, 0.2, 0.3]]}, r"expected a list of \[xmin"),
        ({"bbox": [[0.1, 0.2, 0.3, "0.4"]]}, r"expected a list of \[xmin"),
        ({"bbox": [[0.1, 0.2, 0.3, True]]}, r"expected a list of \[xmin"),
        ({"bbox": None}, r"expected a list of \[xmin"),
        ({"file": "../etc/passwd"}, "expected 11 characters, _ and 6 digits"),
        ({"file": 7}, "expected 11 characters, _ and 6 digits"),
        ({"class": ""}, "expected printable words without _"),
        ({"class": "man_woman"}, "expected printable words without _"),
    ],
)
def test_broken_entries_are_refused(tmp_path, entry, message):
    with pytest.raises(SplitError, match=message):
        read(tmp_path, **entry)


def test_broken_files_are_refused_with_all_problems(tmp_path):
    for text, message in (("{}", "expected a list"), ("[", "Expecting"), ("[]", "expected a list")):
        with pytest.raises(SplitError, match=message):
            read(tmp_path, text=text)
    sound = {"file": FILE, "class": "a", "bbox": []}
    with pytest.raises(SplitError, match=f"file {FILE} twice") as caught:
        read(tmp_path, text=json.dumps([sound, sound, {"file": FILE}, 3]))
    assert len(caught.value.problems) == 3
    with pytest.raises(SplitError, match="no such file"):
        read_annotations(tmp_path / "none.json")


def test_rasterising_worked_out_by_hand():
    # 4 x 4: edges 0.26 and 0.74 are pixels 1.04 and 2.96, truncated to 1 and 2.
    lit = rasterise([[0.26, 0.5, 0.74, 1.0], [0.0, 0.0, 0.25, 0.25]], 4)
    assert lit.astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]


unit = st.floats(0, 1)


@given(st.lists(st.tuples(unit, unit, unit, unit), max_size=4))
def test_rasterising_against_a_pixel_by_pixel_one(corners):
    boxes = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners]
    slow = np.zeros((8, 8), bool)
    for y in range(8):
        for x in range(8):
            slow[y, x] = any(
                np.floor(8 * left) <= x < np.floor(8 * right)
                and np.floor(8 * top) <= y < np.floor(8 * bottom)
                for left, top, right, bottom in boxes
            )
    assert (rasterise(boxes, 8) == slow).all()


def as_format(change, share=1.0):
    """Forty clips whose first boxes, of that share, are written otherwise."""
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0.02, 0.98, (40, 2, 2)), axis=1)  # min, max by clip
    boxes = [[*low, *high] for low, high in corners.tolist()]
    boxes = [change(*box) if i < 40 * share else box for i, box in enumerate(boxes)]
    return [
        {"file": f"v{i:010d}_{i:06d}", "class": "dog barking", "bbox": [box]}
        for i, box in enumerate(boxes)
    ]


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        (lambda a, b, c, d: [640 * a, 360 * b, 640 * c, 360 * d], "as pixels do"),
        (lambda a, b, c, d: [100 * a, 100 * b, 100 * c, 100 * d], "as per cent do"),
        (lambda a, b, c, d: [0, 0, 100 * c, 100 * d], "as per cent do"),  # clipped to the frame
        (lambda a, b, c, d: [a, b, c - a, d - b], r"as \[x, y, width, height\] do"),
        (lambda a, b, c, d: [c, d, a, b], "with the corners swapped"),
        (lambda a, b, c, d: [4 * v - 2 for v in (a, b, c, d)], "counted from the frame's centre"),
        (lambda a, b, c, d: [a, b, float("nan"), d], "40 of 40 boxes hold NaN"),
    ],
)
def test_boxes_of_another_format_are_refused_by_their_looks(tmp_path, change, looks):
    text = json.dumps(as_format(change))
    with pytest.raises(SplitError, match=rf"vggss.json: \d+ of 40 clips .*{looks}.*; expected"):
        read(tmp_path, text=text)


def test_a_few_broken_boxes_are_repaired_as_before(tmp_path):
    text = json.dumps(as_format(lambda a, b, c, d: [c, d, a, b], share=0.05))
    clips, repairs = read(tmp_path, text=text)
    assert (clips.boxes.str.len() == 0).sum() == 2
