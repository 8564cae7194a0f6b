"""tables.md: what was measured, how to read it, then every table."""

from collections.abc import Mapping, Sequence

from benchmarks.common.tables import NONE
from benchmarks.report import text
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section
from benchmarks.report.table1 import DEAF
from benchmarks.scoring.records import Key, Record

PROFILES = {
    "paper": "Measured on the real data with the published encoders.",
    "miniature": (
        "Real measurements on a small procedural world with small encoders. They compare the rows "
        "with one another. They are not comparable with the paper's figures, which stand beside "
        "them for their order alone."
    ),
    "smoke": "A check that everything runs: the numbers mean nothing.",
}
UNKNOWN = "A profile of your own: compare the rows with one another, not with the paper's figures."

HOW_TO_READ = f"""\
## How to read

- **mIoU** (%) at threshold 0.5, at the mask's own size, mean over frames; a frame where nothing
  sounds counts its share of dark pixels. **F** (0 to 1): β² = 0.3, best of 255 thresholds a clip.
- **±** standard deviation over runs: training seeds, or seeds with draws of training clips.
  **[a, b]** 95 % interval, videos and runs drawn together.
- **Δ** paired difference in points. **{text.NOISE}** inside the noise (p ≥ 0.05, Holm over the
  table): read it as a tie. **detectable** the smallest difference that one comparison would have
  shown (80 % power, before Holm). **decided**, **undecided**: p below 0.05 after Holm, or not.
- **track** P: a system as published. C: on the same frozen SAM embeddings as `gavs`, with its
  resolution, data and optimiser steps (few shots of AVS-V3: epochs). "Prompt against fusion" is a
  claim about track C.
- **floor** mIoU of the same method trained and tested in silence. **shuffled** mIoU with the sound
  of clips of other classes; **{DEAF}** not shown to be lower than with its own (the interval of the
  loss reaches 0). Both on the seeds for which they are run.
- **paper** what the paper prints, on real data. **{NONE}** no record, or no such figure."""


def page(plan: Plan, sections: Sequence[Section], records: Mapping[Key, Record]) -> str:
    """The whole of tables.md."""
    seeds = ", ".join(map(str, plan.seeds))
    contents = [part for section in sections for part in section.parts if part.startswith("## ")]
    parts = [
        f"# Results on profile `{plan.profile}`",
        PROFILES.get(plan.profile, UNKNOWN),
        " ".join(
            filter(
                None,
                [f"{len(records)} records, seeds {seeds}.", _frames(plan), _sources(records)],
            )
        ),
        "\n".join(f"- {heading.removeprefix('## ')}" for heading in contents),
        HOW_TO_READ,
        *(part for section in sections for part in section.parts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _frames(plan: Plan) -> str:
    n = plan.frames_per_clip
    return f"{n} frames a clip are scored, evenly spaced." if n else ""


def _sources(records: Mapping[Key, Record]) -> str:
    """Which data and which code the numbers come from; a mixture is said aloud."""
    data = sorted({record.checksums.index[:12] for record in records.values()})
    by_row: dict[str, set[str]] = {}
    for key, record in records.items():
        by_row.setdefault(key.row, set()).add(record.checksums.code[:12])
    code = sorted(set().union(*by_row.values()))
    mixed = [f"`{row}`" for row, found in by_row.items() if len(found) > 1]
    if len(data) > 1:
        return f"**They come from {len(data)} states of the data: run `dvc repro`.**"
    if mixed:
        return f"**More than one state of the code in {', '.join(mixed)}: run `dvc repro`.**"
    if not records:
        return ""
    own = f"`{code[0]}`" if len(code) == 1 else f"{len(code)} checksums, one a method"
    return f"Checksum of the data: `{data[0]}`; of the code: {own}."
