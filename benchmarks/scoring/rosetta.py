"""One set of predictions under the rule of each repository: how far the rules alone move a score.

Rules are applied at the resolution of the stored counts. AVSegFormer scores at 512 x 512, which
moves a score by about 0.1 point; the rules move it by up to 5.
"""

from dataclasses import dataclass

import pandas as pd

from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import (
    Empty,
    FEmpty,
    FUnit,
    Resolution,
    Unit,
    fscore_curves,
    fscore_terms,
    miou,
)


@dataclass(frozen=True)
class Rule:
    """The arguments of `miou` and of `fscore` that make a published rule."""

    name: str
    source: str
    threshold: float = 0.5
    unit: Unit = "frame"
    empty: Empty = "soft"
    resolution: Resolution = "native"
    f_unit: FUnit | None = "clip"  # None: F is not kept at this resolution
    f_empty: FEmpty = "zero"


RULES = (
    Rule("tables", "this benchmark"),
    Rule("gavs_released", "released GAVS code: 1 clip per batch", threshold=0.4, unit="clip"),
    Rule("avsbench", "OpenNLPLab/AVSBench, test script: 4 clips per batch", unit=4, f_unit=4),
    Rule("avsbench_default", "OpenNLPLab/AVSBench, default: 1 clip per batch", unit="clip"),
    Rule(
        "avsbench_squash",
        "OpenNLPLab/AVSBench, frames squashed to a square",
        unit=4,
        resolution="squash",
        f_unit=None,
    ),
    Rule("avsegformer", "vvvb-github/AVSegFormer: 2 clips per batch", unit=2, f_unit=2),
    Rule("frame", "mean over frames, F too", f_unit="frame", f_empty="skip"),
    Rule("dataset", "summed pixels, one F curve", unit="dataset", f_unit="set"),
    Rule("hard_empty", "a silent frame is right or wrong", empty="hard"),
    Rule("non_empty", "frames and clips with a target", empty="skip", f_empty="skip"),
)


def rosetta(scores: FrameScores) -> pd.DataFrame:
    """One row per rule: name, source, choices, `miou` and `fscore` (0..1, NaN where not kept)."""
    curves = fscore_curves(scores)
    rows = []
    for rule in RULES:
        iou = miou(scores, rule.threshold, rule.unit, rule.empty, rule.resolution)
        f = float("nan")
        if rule.f_unit is not None:
            f = fscore_terms(scores, rule.f_unit, rule.f_empty, curves).value
        rows.append({**vars(rule), "miou": iou, "fscore": f})
    return pd.DataFrame(rows)
