"""File names that other code gives to its predictions: which clip and frame each is of.

Facts were read off the code at these places; where none is named, it is this suite's own.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

Frame = tuple[str, int]  # clip and frame, from 0


class FileNames(NamedTuple):
    """Names of files below the folder of predictions, without their suffix."""

    pattern: str  # groups `clip`, and `frame` (a bare number) or `nth` (after the clip's name)
    first: int = 0  # number that `nth` begins with
    masks: bool = True  # binary by construction
    source: str = ""

    def place(self, name: str) -> Frame | None:
        """Clip and frame of a file; None where the name isn't of this layout."""
        match = re.fullmatch(self.pattern, name)
        if match is None:
            return None
        parts = match.groupdict()
        if parts.get("nth"):
            return parts["clip"], int(parts["nth"]) - self.first
        return parts["clip"], int(parts.get("frame") or 0)


_NTH = r"(?:.*/)?(?P<clip>[^/]+)/(?P=clip)_(?P<nth>\d+)"
# As the frames are called: from 1 in AVSBench-object, bare numbers from 0 in AVSBench-semantic.
_FRAMES = (
    r"(?:.*/)?(?P<clip>(?!(?:processed_)?frames/)[^/]+)/(?:(?:processed_)?frames/)?"
    r"(?:(?P=clip)(?:\.mp4)?_(?P<nth>\d+)|(?P<frame>\d+))"
)
LAYOUTS: Mapping[str, FileNames] = {
    "suite": FileNames(r"(?P<clip>[^/]+)(?:/(?P<frame>\d+))?", masks=False),
    "avsbench": FileNames(
        _NTH, source="OpenNLPLab/AVSBench, avs_scripts: save_mask, save_color_mask"
    ),
    "avsegformer": FileNames(
        _NTH, source="vvvb-github/AVSegFormer, scripts/*/utility.py and utils/vis_mask.py"
    ),
    "gavs": FileNames(
        r"(?:.*/)?(?P<clip>[^/]+)/(?P<frame>\d+)",
        source="GeWu-Lab/Generalizable-Audio-Visual-Segmentation, utils/utils.py: save_mask",
    ),
    "combo": FileNames(
        _FRAMES, 1, source="yannqi/COMBO-AVS, models/evaluation/evaluator.py: the frames' names"
    ),
    "vct": FileNames(
        _FRAMES, 1, source="spyflying/VCT_AVS, models/evaluation/evaluator.py: the frames' names"
    ),
    "tavis": FileNames(_NTH, 1, source="Sssssuperior/TAViS, test_avs.py: evaluate_avs_S4"),
}


def likely(names: list[str], known: Callable[[str], bool]) -> list[str]:
    """Layouts by which a name is of a known clip, for an error's remedy."""
    return [
        key
        for key, layout in LAYOUTS.items()
        if any((place := layout.place(name)) and known(place[0]) for name in names)
    ]
