"""The published schedules beside a profile's own: optimiser steps, equal or with the reason."""

import math
from dataclasses import dataclass

from benchmarks.common.tables import Grid, markdown
from benchmarks.params import Params
from benchmarks.preflight.nominal import updates_of


@dataclass(frozen=True)
class Schedule:
    """A published training: clips of the set, epochs, clips of a step, and the rate."""

    clips: int
    epochs: int
    batch: int
    lr: float
    source: str

    @property
    def updates(self) -> int:
        """Optimiser steps."""
        return self.epochs * math.ceil(self.clips / self.batch)


_GAVS = "GeWu-Lab/Generalizable-Audio-Visual-Segmentation at"
_SCRIPTS = f"{_GAVS} 753b23b, scripts"
_NO_SCRIPT = f"{_SCRIPTS} of V1M and V3; taken for {{}}, which has none"
_SECOND = f"{_GAVS} 0013686: the default, as its commands name no epochs"
_AVSBENCH, _FORMER = "OpenNLPLab/AVSBench", "vvvb-github/AVSegFormer"
_SAMA, _HARD = "jinxiang-liu/anno-free-AVS", "hche11/Localizing-Visual-Sounds-the-Hard-Way"


def _gavs(clips: int, source: str = _SCRIPTS, epochs: int = 60) -> Schedule:
    return Schedule(clips, epochs, 1, 1e-3, source)


# What the originals count on our benchmarks' clips: AVSBench's and AVSegFormer's V2 are the 8,498
# clips of all three labels there. AVS-V3 as the released lists have it, where code is released.
PUBLISHED = {
    **{("avsbench", b): Schedule(n, e, 4, 1e-4, _AVSBENCH) for b, n, e in (
        ("v1s", 3452, 15), ("v1m", 296, 30), ("v2", 4750, 60))},
    **{("avsegformer", b): Schedule(n, e, size, 2e-5, _FORMER) for b, n, e, size in (
        ("v1s", 3452, 30, 2), ("v1m", 296, 60, 2), ("v2", 4750, 30, 4))},
    **{("sama", b): Schedule(n, 80, 2, 2e-4, _SAMA) for b, n in (("v1s", 3452), ("v1m", 296))},
    **{(row, b): _gavs(n, source) for row in ("gavs_released", "gavs_released_fixed", "gavs")
       for b, n, source in (("v1s", 3452, _NO_SCRIPT.format("V1S")), ("v1m", 296, _SCRIPTS),
                            ("v2", 4750, _NO_SCRIPT.format("V2")))},
    **{("gavs_lora", b): _gavs(n, _SECOND, 80) for b, n in (("v1s", 3452), ("v1m", 296))},
    ("gavs", "v3"): _gavs(4807),
    ("hardway", "vggsound"): Schedule(144_000, 80, 256, 1e-4, f"paper; {_HARD} has no training"),
    ("ez_vsl", "vggsound"): Schedule(144_000, 20, 128, 1e-4, "stoneMo/EZ-VSL"),
    ("slavc", "vggsound"): Schedule(144_000, 20, 128, 1e-4, "stoneMo/SLAVC"),
    ("avin", "vggsound"): Schedule(144_000, 100, 128, 1e-4, "AVIN-RN's code"),
}  # fmt: skip
LAST_BATCH = "the incomplete last batch of an epoch is left out"
CONTROLLED = (
    "the second schedule, `controlled`: as many frames, 16 a step, with every row on frozen SAM "
    "embeddings and rates by `tune`; one clip a step leaves the alignment no negatives"
)
REASONS = {  # of what isn't equal for another reason than LAST_BATCH
    "gavs": CONTROLLED,
    "v3": f"our split has 4,274 clips, the release's 4,807; {CONTROLLED}",
    "vggsound": "2,000 of the clips are held out to select by",
}


def updates_text(params: Params) -> str:
    """Table of the published and the profile's optimiser steps, in Markdown.

    Raises:
        ValueError: they differ, and no reason is known.
    """
    lines = []
    for (name, benchmark), published in PUBLISHED.items():
        row = params.row(name, benchmark)
        training = row.training
        ours = training.steps or updates_of(row, training, f"{benchmark}/train")
        lines.append(
            [
                name,
                benchmark,
                f"{published.batch} x {published.epochs} epochs",
                f"{published.updates:,}",
                _batch(params, name, benchmark),
                f"{ours:,}",
                f"{published.lr:g} / {training.lr:g}",
                "fp32" if not training.amp else "bf16",
                reason(name, benchmark, published, ours, training.epochs),
                published.source,
            ]
        )
    header = ["row", "benchmark", "published: clips a step", "updates", "here: a step", "updates"]
    header += ["rate, published / here", "precision", "equal, or why not", "source"]
    return markdown(Grid(header, lines, "llrrrrllll"))


def _batch(params: Params, name: str, benchmark: str) -> str:
    row = params.row(name, benchmark)
    if row.by_clip or benchmark == "vggsound":
        return f"{row.samples(benchmark)} clips"
    return f"{row.training.batch_frames} frames"


def reason(name: str, benchmark: str, published: Schedule, ours: int, epochs: int) -> str:
    """`equal`, or why a row's optimiser steps differ from the published ones.

    Raises:
        ValueError: no reason is known.
    """
    if ours == published.updates:
        return "equal"
    for key in (benchmark, name):
        if key in REASONS:
            return REASONS[key]
    if published.updates - ours == epochs and published.clips % published.batch:
        return LAST_BATCH
    raise ValueError(
        f"{name} on {benchmark}: {ours:,} updates, published {published.updates:,} "
        f"({published.source}), and preflight/schedules.py gives no reason"
    )
