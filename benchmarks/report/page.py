"""tables.md: what was measured, how to read it, then every table."""

from collections.abc import Mapping

from benchmarks.report import tables
from benchmarks.report.formats import NONE, markdown
from benchmarks.report.records import Key, Record
from benchmarks.report.summary import Table

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
- **mIoU** (%) at threshold 0.5, at the mask's own size, mean over frames; a frame where nothing
  sounds counts its share of dark pixels. **F** (0 to 1): β² = 0.3, best of 255 thresholds a clip.
- **±** standard deviation over seeds. **[a, b]** 95 % interval, videos and seeds drawn together.
- **Δ** paired difference in mIoU points. **{tables.NOISE}** inside the noise (p ≥ 0.05, Holm over
  the table): read it as a tie. **detectable** the smallest difference that would have shown (80 %
  power).
- **floor** mIoU of the same method trained and tested in silence. **shuffled** mIoU with the sound
  of clips of other classes; **{tables.DEAF}** not lower than with its own (the interval of the loss
  reaches 0). Both on the seeds for which they are run.
- **paper** what the paper prints, on real data. **{NONE}** no record, or no such figure."""


def page(table1: Table, ablations: Table, records: Mapping[Key, Record]) -> str:
    """The whole of tables.md."""
    profile, seeds = table1.plan.profile, ", ".join(map(str, table1.plan.seeds))
    parts = [
        f"# Results on profile `{profile}`",
        PROFILES.get(profile, UNKNOWN),
        f"{len(records)} records, seeds {seeds}. {_sources(records)}",
        f"## How to read\n\n{HOW_TO_READ}",
        *_table1(table1),
        *_ablations(ablations),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table1(table: Table) -> list[str]:
    label = f"profile `{table.plan.profile}`"
    parts = [
        f"## Table 1: AVS benchmarks, {label}",
        markdown(tables.overview(table)),
        "![mIoU with its interval, floor and ceiling](figures/table1.png)",
        tables.sound_in_words(table),
    ]
    if table.orderings:
        parts += [tables.orderings_in_words(table), markdown(tables.orderings(table))]
    noted = [row for row in table.plan.rows if table.plan.notes.get(row)]
    parts += ["\n".join(f"- `{row}`: {table.plan.notes[row]}" for row in noted), _missing(table)]
    for benchmark in table.plan.benchmarks:
        parts += [
            f"### {benchmark.upper()}, {label}",
            markdown(tables.details(table, benchmark)),
            "The same predictions by other readings of the metric:",
            markdown(tables.readings(table, benchmark)),
        ]
    return [*parts, "![loss and validation mIoU by epoch](figures/training_curves.png)"]


def _ablations(table: Table) -> list[str]:
    plan = table.plan
    return [
        f"## Ablations of `{plan.base}` on {plan.benchmarks[0].upper()}, profile `{plan.profile}`",
        markdown(tables.ablations(table)),
        tables.ablations_in_words(table),
        "![difference to the base, with its interval](figures/ablations.png)",
        _missing(table),
    ]


def _missing(table: Table) -> str:
    """The records that the table lacks; a row that lacks all of them is named once."""
    names = []
    for row in table.plan.rows:
        lacking = [key for key in table.missing if key.row == row]
        wanted = [key for key in table.plan.keys() if key.row == row]
        names += [f"`{row}/*`"] if lacking == wanted else [f"`{key}`" for key in lacking]
    if not names:
        return ""
    return f"Missing records ({len(table.missing)}): {', '.join(names)}."


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
