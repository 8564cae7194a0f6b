"""Boxes of VGG-SS (vggss.json), repaired, and the 224 x 224 map that published work scores on.

The file (hche11/Localizing-Visual-Sounds-the-Hard-Way) is a list of {file, class, bbox}; `file` is
YouTube's id, "_" and the clip's first second in six digits; a box is [xmin, ymin, xmax, ymax] as
fractions of the frame. The released file has boxes that end at -2.9e16 and boxes without width.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from splits.files import SplitError, raise_if, read_json, shortened

FAULTY = 0.05  # share of clips; in the released file fewer than one in 200 need a repair
SIZE = 224  # pixels; the ground truth of every published figure is rasterised at this size
FILE = re.compile(r"[\w-]{11}_\d{6}", re.ASCII)


def read_annotations(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the boxes of every clip, clipped to the frame, unusable ones dropped.

    Returns:
        Columns file, label, boxes (list of [xmin, ymin, xmax, ymax] in 0..1, with min < max) and
        empty (no pixel of the 224 x 224 map is lit; read it as frame["empty"], `frame.empty` is
        pandas' own), in the file's order; and one line per repair.

    Raises:
        SplitError: not a list of {file, class, bbox}, a file twice, a box that isn't four numbers,
            or more than `FAULTY` of the clips with boxes that no repair makes sense of.
    """
    entries = read_json(path, parse_int=float)
    if not isinstance(entries, list) or not entries:
        raise SplitError([f"{path}: expected a list of {{file, class, bbox}}"])
    rows, problems, repairs, seen = [], [], [], set()
    for number, entry in enumerate(entries):
        fault = _fault(entry)
        if fault is None and entry["file"] in seen:
            fault = f"file {entry['file']} twice"
        if fault is not None:
            problems.append(f"{path}: entry {number}: {fault}")
            continue
        seen.add(entry["file"])
        boxes = []
        for box in entry["bbox"]:
            fixed = _repair(box)
            if fixed is not None:
                boxes.append(fixed)
            if fixed != box:
                change = "dropped" if fixed is None else f"clipped to {fixed}"
                repairs.append(f"{entry['file']}: box {box} {change}")
        empty = not rasterise(boxes).any()
        if empty:
            repairs.append(f"{entry['file']}: no pixel inside its boxes at {SIZE}: empty")
        rows.append((entry["file"], entry["class"], boxes, empty))
    raise_if(shortened(problems))
    emptied = {file for file, _, boxes, _ in rows if not boxes}
    raise_if(_other_format(path, entries, emptied))
    return pd.DataFrame(rows, columns=["file", "label", "boxes", "empty"]), repairs


def _other_format(path: Path, entries: list[dict], emptied: set[str]) -> list[str]:
    """Line on a file whose numbers look like another format; none where repairs make sense.

    Too many of its clips lose all boxes (`emptied`) or have one cut by half a frame.

    The released file has 18 boxes without area and one at -2.9e16, in 5,158 clips.
    """
    cut = {e["file"] for e in entries if any(map(_half_cut, e["bbox"]))}
    wrong = {e["file"] for e in entries if e["bbox"] and e["file"] in emptied} | cut
    if len(wrong) < 2 or len(wrong) <= FAULTY * len(entries):
        return []
    boxes = np.array([box for e in entries for box in e["bbox"]])
    finite = boxes[np.isfinite(boxes).all(1)]
    first = next(e for e in entries if e["file"] in wrong)
    return [
        f"{path}: {len(wrong)} of {len(entries)} clips have boxes that no repair makes sense of, "
        f"{first['file']} first with {first['bbox']!r:.80}: {_looks(boxes, finite)}; expected "
        "[xmin, ymin, xmax, ymax] as fractions of the frame, 0 to 1, min before max"
    ]


def _looks(boxes: np.ndarray, finite: np.ndarray) -> str:
    """Name the format that boxes (N, 4) look like; `finite` are those without NaN or infinity."""
    if len(finite) < len(boxes) * (1 - FAULTY):
        return f"{len(boxes) - len(finite)} of {len(boxes)} boxes hold NaN or infinity"
    low, high = np.percentile(finite, [1, 99])
    within = f"their numbers lie in {low:.4g} to {high:.4g}"
    if high > 100:
        return f"{within}, as pixels do"
    if high > 2:
        return f"{within}, as per cent do (or pixels of a small frame)"
    if low < -FAULTY:
        return f"{within}, as fractions counted from the frame's centre do"
    backward = finite[:, 2:] <= finite[:, :2]
    if backward.all(1).mean() > 0.9:
        return f"{within}, with the corners swapped: xmax, ymax first"
    return (
        f"{within}, but {backward.any(1).sum()} of {len(boxes)} boxes end before they begin, as "
        "[x, y, width, height] do"
    )


def _half_cut(box: list[float]) -> bool:
    """Whether the repair moves an edge of the box by more than half a frame."""
    return _repair(box) is not None and not -0.5 <= min(box) <= max(box) <= 1.5


def rasterise(boxes: Sequence[Sequence[float]], size: int = SIZE) -> np.ndarray:
    """Draw the union of boxes in 0..1 as (size, size) bool; edges cut to pixels, end excluded."""
    lit = np.zeros((size, size), dtype=bool)
    for box in boxes:
        left, top, right, bottom = (int(size * edge) for edge in box)
        lit[top:bottom, left:right] = True
    return lit


def _fault(entry: object) -> str | None:
    if not isinstance(entry, dict) or not {"file", "class", "bbox"} <= set(entry):
        return f"expected keys file, class, bbox; found {entry!r:.80}"
    if not isinstance(entry["file"], str) or not FILE.fullmatch(entry["file"]):
        return f"file {entry['file']!r}, expected 11 characters, _ and 6 digits"
    if not isinstance(entry["class"], str) or not entry["class"] or not _words(entry["class"]):
        return f"{entry['file']}: class {entry['class']!r}, expected printable words without _"
    boxes = entry["bbox"]
    if not isinstance(boxes, list) or not all(_is_box(box) for box in boxes):
        return f"{entry['file']}: bbox {boxes!r:.80}, expected a list of [xmin, ymin, xmax, ymax]"
    return None


def _words(label: str) -> bool:
    return "_" not in label and label.isprintable()


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, float) for v in box)


def _repair(box: list[float]) -> list[float] | None:
    """Clip a box to the frame; None if that leaves nothing or a number is NaN or infinite."""
    if not all(map(math.isfinite, box)):
        return None
    left, top, right, bottom = (min(max(v, 0.0), 1.0) for v in box)
    return [left, top, right, bottom] if left < right and top < bottom else None
