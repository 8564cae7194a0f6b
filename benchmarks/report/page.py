"""Page tables.md: what was measured, who leads, the verdicts; and one page per table."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.common.remedy import spelled
from benchmarks.common.tables import NONE, Grid, bold, markdown, number
from benchmarks.report.agreement import Agreement
from benchmarks.report.claims import Claim, counts
from benchmarks.report.contests import Contest, main_contests
from benchmarks.report.layout import BELOW, OUT, TIED, UNDECIDED, Section, title_of
from benchmarks.report.measure import Table, missing_of
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import DEAF
from benchmarks.report.verdicts import BEST, counted, trainings
from benchmarks.scoring.records import Key, Record

PROFILES = {
    "paper": "Measured on the real data with the published encoders.",
    "miniature": (
        "Real measurements on a small procedural world with small encoders: of these rows, at the "
        "updates that stand beside them, on this world. They are not comparable with the paper's "
        "figures, which stand beside them for their order alone."
    ),
    "study": (
        "The default's cells with more seeds and draws, its own seed among them: real measurements "
        "on its small procedural world, with its encoders and updates. They are not comparable "
        "with the paper's figures, which stand beside them for their order alone."
    ),
    "smoke": "A check that everything runs: the numbers mean nothing.",
    "quick": "A first look at the default's world: one seed, five rows, the default's numbers.",
    **dict.fromkeys(
        ("unseen", "balanced", "listening", "v1m_clips"),
        "One question to the default's world, or to a variant of it (docs/miniature.md): real "
        "measurements with its encoders, which are not comparable with the paper's figures.",
    ),
}
MASKS = "Masks of every row with their IoU: "
UNKNOWN = "A profile of your own: its figures don't compare with the paper's."

HOW_TO_READ = f"""\
## How to read

- **mIoU** (%) at threshold 0.5, at the mask's own size, mean over frames; a frame where nothing
  sounds counts its share of dark pixels. **F** (0 to 1): β² = 0.3, best of 255 thresholds per clip.
- Rows by score within a track; **bold**: the highest of the rows that take part in verdicts, per
  track where tracks stand in one table.
- **±** standard deviation over runs: training seeds, or seeds with draws of training clips, as
  many as there are seeds unless n says otherwise. **[a, b]** 95 % interval: variance over videos
  (linearised) plus s²/n over runs, t with Satterthwaite's degrees of freedom, never narrower than
  the runs alone. With one run it is over videos only, about this training and not about the method.
- **{TIED}** can't be told from the best of its column (and track): the best against each other
  row, p ≥ 0.05 after Holm over all pairs of these rows.
- **{OUT}** in no verdict: not shown to be above all dark, or above its floor (where silent rivals
  are in view, if the data say where), at threshold 0.5, by p < 0.05 after Holm over a row's two
  tests. Such a row is neither best nor tied, and no difference to it is tested.
- **Δ** difference in points on the same videos; of scores by draws of training clips on the draws
  that both rows have. **{UNDECIDED}** undecided: p ≥ 0.05 after Holm
  over the table, though the 95 % interval, of this comparison alone, may lie on one side of 0.
  **detectable** the smallest difference that one comparison would have shown (80 % power, before
  Holm).
- **Verdicts** on the paper's orderings of these rows by its first figure (mIoU, or cIoU), and on
  prompt against fusion in pairs that differ in that alone: holds or reversed where p < 0.05 after
  Holm over every comparison of the table, else undecided; "depends" where it is another at the
  threshold that validation chooses. **n** runs of the side that has fewer.
- **track** P: the published system, at sizes and budgets of this profile. C: heads on the same
  frozen SAM embeddings as `gavs`, at its resolution and on its data.
- **floor** mIoU of the same method trained and tested in silence; **{BELOW}** not shown to be
  lower than with sound. **shuffled** mIoU with the sound of clips of other classes; **{DEAF}** not
  shown to be lower than with its own. Both over all clips, by p < 0.05, Holm over the rows, on the
  seeds for which they are run. **silent rivals in view** clips that show a silent object that
  could sound: there a model that can't hear does worse, elsewhere it need not.
- **threshold** one cut for a whole test set, the best on the validation clips of all seeds of a
  row (few shots leave none: their 0-shot models' cut); where the records don't hold these clips'
  scores there is 0.5 alone.
- **(a to b)** the range over SAM-Fusion's operators, since the paper doesn't name its own; the
  default concatenates and takes a 1×1 convolution.
- **paper** what the paper prints, on real data; in parentheses: of the original system, which had
  no public code and which the row re-creates. **{NONE}** no record, or no such figure."""

ONE_SEED = (
    "**One seed: intervals are over videos, and what is decided is decided of these trainings.**"
)


MISSING = (
    "**Records that are missing: {}. Means are over the runs that exist; each table names what it "
    "lacks.**"
)


def page(
    plan: Plan,
    sections: Sequence[Section],
    records: Mapping[Key, Record],
    judged: Sequence[Claim],
    overlays: Sequence[str] = (),
    agreed: Agreement | None = None,
) -> str:
    """Text of tables.md, the front page: at most 150 lines, with links to each table's own page.

    Args:
        overlays: names of figures that are linked, since they are large.
        agreed: with the study's numbers.
    """
    n = plan.frames_per_clip
    missing = len(missing_of(section.table for section in sections if section.table))
    facts = [
        f"{len(records)} records, seeds {', '.join(map(str, plan.seeds))}{_more(plan)}.",
        ONE_SEED if len(plan.seeds) == 1 else "",
        MISSING.format(missing) if missing else "",
        f"Scored per clip: {n} evenly spaced frames." if n and n > 1 else "",
        "Scored per clip: its middle frame." if n == 1 else "",
        _sources(records),
    ]
    tables = {section.name: section.table for section in sections if section.table}
    masks = [f"[{text.removeprefix(MASKS)}]({path})" for text, path in overlay_images(overlays)]
    figures = [image for section in sections for part in section.parts for image in images(part)]
    parts = [
        f"# Results on profile `{plan.profile}`",
        PROFILES.get(plan.profile, UNKNOWN),
        " ".join(filter(None, facts)),
        "**[index.html](index.html)** is the same to explore in a browser: sort, compare any two "
        "rows, look at clips and hear them. Download all of the results and open the file.",
        f"[Beside the study](agreement.md): {agreed.summary}" if agreed else "",
        *_overview(plan, tables),
        *_claims(judged),
        "## The tables",
        "\n".join(f"- [{s.title}](tables/{s.name}.md)" for s in sections),
        HOW_TO_READ,
        "## Figures" if figures else "",
        *(f"![{text}]({path})\n{_sentence(text)}" for text, path in figures),
        f"{MASKS}{', '.join(masks)}." if overlays else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_page(section: Section) -> str:
    """Text of one table's page, tables/{name}.md."""
    title, *parts = (part.removeprefix("#") for part in section.parts if part)
    guide = "[How to read it](../tables.md#how-to-read); all tables: [tables.md](../tables.md)."
    return "\n\n".join([title, guide, *parts]).replace("](figures/", "](../figures/") + "\n"


def images(part: str) -> list[tuple[str, str]]:
    """Text and path of each image of a part."""
    return re.findall(r"!\[([^]]*)\]\(([^)]*)\)", part)


def _sentence(text: str) -> str:
    """The words as a sentence; mIoU keeps its letters."""
    return f"{text if text[1:2].isupper() else text[:1].upper() + text[1:]}."


def overlay_images(names: Sequence[str]) -> list[tuple[str, str]]:
    """Text and path of the figures of masks."""
    titles = {"overlays_unseen": "unseen classes of V3"}
    texts = [f"{MASKS}{titles.get(name) or title_of(name[9:])}" for name in names]
    return [(text, f"figures/{name}.png") for text, name in zip(texts, names, strict=True)]


def _overview(plan: Plan, tables: Mapping[str, Table]) -> list[str]:
    """Leaderboard: every system in every contest, the best bold and its ties marked."""
    contests = main_contests(plan, tables)
    if not contests:
        return []
    first = next((s for s in contests if s.name == "v2"), contests[0])
    ceiling = plan.tables.table1.ceiling
    every = dict.fromkeys(row for s in contests for row in tables[s.table].rows)
    rows = [row for row in every if row not in plan.tables.table1.operators]

    def mean(row: str, contest: Contest) -> float:
        return tables[contest.table].mean(row, contest.column)

    tied = {
        s.name: tables[s.table].tied(s.column, [row for row in rows if row != ceiling])
        for s in contests
    }

    def cell(row: str, contest: Contest) -> str:
        text, ties = number(mean(row, contest), 100, 1), tied[contest.name]
        if row in ties[:1]:
            return bold(text)
        out = text != NONE and (row, contest.column) in tables[contest.table].left_out
        return text + f" {TIED}" * (row in ties) + f" {OUT}" * out

    def place(row: str) -> tuple:
        return row == ceiling, np.isnan(mean(row, first)), -mean(row, first)

    lines = [
        [plan.label(row), plan.track(row) or NONE] + [cell(row, contest) for contest in contests]
        for row in sorted(rows, key=place)
        if any(not np.isnan(mean(row, contest)) for contest in contests)
    ]
    grid = Grid(["row", "track", *(s.title for s in contests)], lines, "ll" + "r" * len(contests))
    text = (
        "Mean over seeds, % (mIoU; on VGG-SS mean IoU with the boxes; robust: harmonic mean of mIoU"
        f" and of what wrong sound leaves dark), rows by {first.title}. **Bold**: the best of a "
        f"column; {TIED}: can't be told from it; {OUT}: in no verdict, since not shown to be above "
        "all dark or its floor. Intervals, controls, the paper's figures: in the tables below."
    )
    return ["## Leaderboard", text, markdown(grid)]


def _claims(judged: Sequence[Claim]) -> list[str]:
    """The paper's claims, each in a line; what a verdict rests on stands in verdicts.md."""
    lines = []
    for claim in judged:
        comparisons = counts(claim.contrasts) if claim.contrasts else NONE
        cells = [claim.text, claim.source, bold(claim.verdict), comparisons, trainings(claim)]
        lines.append([*cells, ", ".join(claim.depends)])
    header = ["claim", "paper", "verdict", "comparisons", "n", "another verdict by"]
    grid = Grid(header, lines, "llllrl")
    text = f"{counted(judged)} {BEST} Evidence, rules and orderings: [verdicts.md](verdicts.md)."
    return ["## The paper's claims", text, markdown(grid)]


def _more(plan: Plan) -> str:
    """Text of the further seeds that some rows have: , of 26 rows 3, 4 too."""
    further = [str(seed) for seed, _ in plan.runs[len(plan.seeds) :]]
    return f", of {len(plan.more_seeds)} rows {', '.join(further)} too" if further else ""


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
        return spelled(f"**They come from {len(data)} states of the data: run `dvc repro`.**")
    if mixed:
        rows = ", ".join(mixed)
        return spelled(f"**More than one state of the code in {rows}: run `dvc repro`.**")
    states = (
        f"`{code[0]}`"
        if len(code) == 1
        else f"{len(code)} checksums, one per method and kind of training"
    )
    return f"Checksum of the data: `{data[0]}`; of the code: {states}."
