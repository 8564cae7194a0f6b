"""Page tables.md: what was measured, how to read it, then every table."""

from collections.abc import Mapping, Sequence

from benchmarks.common.tables import NONE
from benchmarks.report.layout import BELOW, NOISE, Section
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import DEAF
from benchmarks.scoring.records import Key, Record

PROFILES = {
    "paper": "Measured on the real data with the published encoders.",
    "miniature": (
        "Real measurements on a small procedural world with small encoders: of these rows, at the "
        "updates that stand beside them, on this world. They are not comparable with the paper's "
        "figures, which stand beside them for their order alone. What they say to the paper's "
        "claims is in [verdicts.md](verdicts.md)."
    ),
    "smoke": "A check that everything runs: the numbers mean nothing.",
}
UNKNOWN = "A profile of your own: its figures don't compare with the paper's."

HOW_TO_READ = f"""\
## How to read

- **mIoU** (%) at threshold 0.5, at the mask's own size, mean over frames; a frame where nothing
  sounds counts its share of dark pixels. **F** (0 to 1): β² = 0.3, best of 255 thresholds per clip.
- Rows by score within a track; **bold**: the highest, per track where tracks stand in one table,
  the ceiling left out.
- **±** standard deviation over runs: training seeds, or seeds with draws of training clips, as
  many as there are seeds unless n says otherwise. **[a, b]** 95 % interval: variance over videos
  (bootstrap) plus s²/n over runs, t with Satterthwaite's degrees of freedom. With one run it is
  over videos only, about this training and not about the method.
- **Δ** difference in points on the same videos. **{NOISE}** inside the noise (p ≥ 0.05, Holm over
  the table) or of a row that is in no verdict: read it as a tie. **detectable** the smallest
  difference that one comparison would have shown (80 % power, before Holm).
- **Verdicts** on the paper's orderings of these rows by its first figure (mIoU, or cIoU), and on
  prompt against fusion in pairs that differ in that alone: holds or reversed where p < 0.05 after
  Holm over every comparison of the table, else undecided; "depends" where it is another at the
  threshold that validation chooses. Rows that aren't shown to be above all dark, or above their
  floor (where silent rivals are in view, if the data say where), are in no verdict.
- **track** P: the published system, at sizes and budgets of this profile. C: heads on the same
  frozen SAM embeddings as `gavs`, at its resolution and on its data.
- **floor** mIoU of the same method trained and tested in silence; **{BELOW}** not shown to be
  lower than with sound. **shuffled** mIoU with the sound of clips of other classes; **{DEAF}** not
  shown to be lower than with its own. By p < 0.05, Holm over the rows, on the seeds for which they
  are run. **silent rivals in view** clips that show a silent object that could sound: there a
  model that can't hear does worse, elsewhere it need not.
- **threshold** one cut for a whole test set, the best on the validation clips of all seeds of a
  row; where the records don't hold these clips' scores there is 0.5 alone.
- **(a to b)** the range over SAM-Fusion's operators, since the paper doesn't name its own; the
  default concatenates and takes a 1×1 convolution.
- **paper** what the paper prints, on real data. **{NONE}** no record, or no such figure."""

ONE_SEED = (
    "**One seed: intervals are over videos, and what is decided is decided of these trainings.**"
)


def page(plan: Plan, sections: Sequence[Section], records: Mapping[Key, Record]) -> str:
    """Text of tables.md."""
    contents = [part for section in sections for part in section.parts if part.startswith("## ")]
    n = plan.frames_per_clip
    facts = [
        f"{len(records)} records, seeds {', '.join(map(str, plan.seeds))}.",
        ONE_SEED if len(plan.seeds) == 1 else "",
        f"{n} frames per clip are scored, evenly spaced." if n else "",
        _sources(records),
    ]
    parts = [
        f"# Results on profile `{plan.profile}`",
        PROFILES.get(plan.profile, UNKNOWN),
        " ".join(filter(None, facts)),
        "\n".join(f"- {heading.removeprefix('## ')}" for heading in contents),
        HOW_TO_READ,
        *(part for section in sections for part in section.parts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sources(records: Mapping[Key, Record]) -> str:
    """Sentence on the data and the code behind the numbers; a mixture is a warning."""
    data = sorted({record.checksums.index[:12] for record in records.values()})
    # Floors, fractions and few shots go through other code than plain trainings: only seeds and
    # draws of one cell must have the same.
    by_cell: dict[tuple[str, str, str], set[str]] = {}
    for key, record in records.items():
        cell = (key.row, key.benchmark, key.setting)
        by_cell.setdefault(cell, set()).add(record.checksums.code[:12])
    code = sorted(set().union(*by_cell.values()))
    mixed = list(dict.fromkeys(f"`{row}`" for (row, _, _), s in by_cell.items() if len(s) > 1))
    if len(data) > 1:
        return f"**They come from {len(data)} states of the data: run `dvc repro`.**"
    if mixed:
        return f"**More than one state of the code in {', '.join(mixed)}: run `dvc repro`.**"
    states = (
        f"`{code[0]}`"
        if len(code) == 1
        else f"{len(code)} checksums, one per method and kind of training"
    )
    return f"Checksum of the data: `{data[0]}`; of the code: {states}."
