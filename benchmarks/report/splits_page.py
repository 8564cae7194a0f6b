"""Page splits.md: the sets that are learned from and tested on, and the videos they share."""

import os
from pathlib import Path

import pandas as pd

from benchmarks.common.tables import Grid, markdown, number
from benchmarks.data.config import VGGSoundParams
from benchmarks.grid.clip_sets import ClipSets
from benchmarks.params import Params
from splits import vggsound
from splits.vggss_boxes import read_annotations

TEXT = """\
# Splits of profile `{profile}`

Drawn by `splits/` ([definitions and reasons]({readme})). "Unseen" means never learned
from as an audio-visual pair; the frozen encoders may know the class. Classes are those of the
labels, the miniature's `off-the-screen` among them; VGG-Sound's clips are read without labels.

{sizes}

## What tests share with what is learned

One row per pair of sets of which one is learned from, or selects, before the other is tested. With
`protocol.strict` (AVS-V3) and a strict list under `data.splits` (`python -m splits audit --strict`)
such test clips are dropped.

{leaks}"""
VGGSOUND = """\
## What VGG-Sound's lists share with VGG-SS

Localisers learn from `{list}`; the videos that VGG-SS tests are {fate}.

{table}"""


def splits_page(params: Params, clip_sets: ClipSets) -> str:
    """Text of splits.md: clips, videos and frames of every set, then the audit of leaks."""
    names = [f"{b}/{s}" for b in params.data.labels for s in ("train", "val", "test")]
    if "v2" in params.data.labels:
        fractions = params.protocol.fractions
        names += [f"v2/fraction-{f}-{d}" for f in fractions for d in _draws(params, "v2")]
        names += ["v3/train", "v3/val", "v3/seen_test", "v3/unseen", "v3/pool"]
        names += _few_shot(params, "v3", ("shot", "shot-control"))
    if params.data.vggss is not None:
        names += ["vggss/all", "vggss_sub/novel", "vggss_sub/seen"]
        names += _few_shot(params, "vggss_sub", ("shot", "shot-control"))
    if params.data.vggsound is not None:
        names += ["vggsound/train", "vggsound/val"]
    lines = [_sizes(f"`{name}`", clip_sets[name]) for name in names]
    if "v2" in params.data.labels and "shown" in clip_sets.index:
        shows = not params.protocol.seen_shows_unseen
        protocol = params.protocol.model_copy(update={"seen_shows_unseen": shows})
        other = ClipSets(params.model_copy(update={"protocol": protocol}), clip_sets.index)
        where = f"with `protocol.seen_shows_unseen: {str(shows).lower()}`"
        seen = ("v3/train", "v3/val", "v3/seen_test")
        lines += [_sizes(f"`{name}` {where}", other[name]) for name in seen]
    sizes = markdown(Grid(["set", "clips", "videos", "frames", "classes"], lines))
    leaks = clip_sets.leaks() if "v2" in params.data.labels else "Without V2 none are drawn."
    readme = Path(os.path.relpath("splits/README.md", params.results)).as_posix()
    text = TEXT.format(profile=params.profile, readme=readme, sizes=sizes, leaks=leaks)
    if params.data.vggsound and params.data.vggss:
        text = f"{text.rstrip()}\n\n{_vggsound(params.data.vggsound, params.data.vggss)}"
    return text.rstrip() + "\n"


def _sizes(name: str, rows: pd.DataFrame) -> list[str]:
    """Cells of a set: clips, videos, frames, classes."""
    classes = {token for joined in rows.classes for token in joined.split("_") if token}
    counts = (len(rows), rows.video.nunique(), rows.frames.sum(), len(classes))
    return [name, *map(number, counts)]


def _vggsound(data: VGGSoundParams, tested: Path) -> str:
    """Text on the clips that every list in VGG-Sound's folder shares with VGG-SS."""
    root, table = data.root, data.root / "vggsound.csv"
    annotations, _ = read_annotations(tested / "vggss.json")
    lists = {path.stem: vggsound.read_list(path) for path in sorted(root.glob("*.txt"))}
    clips = vggsound.read_clips(table) if table.is_file() else None
    return VGGSOUND.format(
        list=data.list,
        fate="left out" if data.exclude_tests else "learned from",
        table=vggsound.markdown(lists, annotations, clips),
    )


def _few_shot(params: Params, benchmark: str, kinds: tuple[str, ...]) -> list[str]:
    """Names of the clip sets of every draw: shots of each kind, and the test."""
    return [
        f"{benchmark}/{part}-{draw}"
        for draw in _draws(params, benchmark)
        for part in [*(f"{k}-{kind}" for kind in kinds for k in params.protocol.shots), "test"]
    ]


def _draws(params: Params, benchmark: str) -> list[int | str]:
    """Names of a benchmark's draws."""
    return sorted({draw for _, draw in params.draws(benchmark)})
