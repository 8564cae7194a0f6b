"""vggss.json: the boxes of VGG-SS, repaired, and the 224 x 224 map that everybody rasterises.

The file (hche11/Localizing-Visual-Sounds-the-Hard-Way) is a list of {file, class, bbox}; `file` is
YouTube's id, "_" and the clip's first second in six digits; a box is [xmin, ymin, xmax, ymax] as
fractions of the frame. The released file has boxes that end at -2.9e16 and boxes without width.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from splits.tables import SplitError

SIZE = 224  # pixels; the ground truth of every published figure is rasterised at this size
FILE = re.compile(r"[\w-]{11}_\d{6}", re.ASCII)


def read_annotations(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Boxes of every clip, clipped to the frame, unusable ones dropped.

    Returns:
        Columns file, label, boxes (list of [xmin, ymin, xmax, ymax] in 0..1, with min < max) and
        empty (no pixel of the 224 x 224 map is lit; read it as frame["empty"], `frame.empty` is
        pandas' own), in the file's order; and one line a repair.

    Raises:
        SplitError: not a list of {file, class, bbox}, a file twice, a box that isn't four numbers.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"), parse_int=float)
    except (OSError, ValueError) as error:
        raise SplitError([f"{path}: {error}"]) from error
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
                done = "dropped" if fixed is None else f"clipped to {fixed}"
                repairs.append(f"{entry['file']}: box {box} {done}")
        empty = not rasterise(boxes).any()
        if empty:
            repairs.append(f"{entry['file']}: no pixel inside its boxes at {SIZE}: empty")
        rows.append((entry["file"], entry["class"], boxes, empty))
    if problems:
        raise SplitError(problems)
    return pd.DataFrame(rows, columns=["file", "label", "boxes", "empty"]), repairs


def rasterise(boxes: Sequence[Sequence[float]], size: int = SIZE) -> np.ndarray:
    """Union of boxes in 0..1, (size, size) bool; edges truncated to pixels, the end excluded."""
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
    if not isinstance(entry["class"], str) or not entry["class"] or "_" in entry["class"]:
        return f"{entry['file']}: class {entry['class']!r}, expected words without _"
    boxes = entry["bbox"]
    if not isinstance(boxes, list) or not all(_is_box(box) for box in boxes):
        return f"{entry['file']}: bbox {boxes!r:.80}, expected a list of [xmin, ymin, xmax, ymax]"
    return None


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, float) for v in box)


def _repair(box: list[float]) -> list[float] | None:
    """The box inside the frame; None if that leaves nothing or a number is NaN or infinite."""
    if not all(map(math.isfinite, box)):
        return None
    left, top, right, bottom = (min(max(v, 0.0), 1.0) for v in box)
    return [left, top, right, bottom] if left < right and top < bottom else None
