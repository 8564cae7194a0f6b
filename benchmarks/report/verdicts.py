"""Page verdicts.md: what this world says to each claim of the paper, and how firmly."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.common.tables import NONE, Grid, bold, markdown, signed
from benchmarks.report.claims import (
    CLAIM_VERDICTS,
    HEADLINE,
    NOT_MEASURED,
    Claim,
    Contrast,
    Pairs,
)
from benchmarks.report.exports import as_csv
from benchmarks.report.layout import title_of
from benchmarks.report.measure import Table, missing_of
from benchmarks.report.plan import Plan
from benchmarks.report.standing import AT, Standing
from benchmarks.report.study import lines_of
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import VERDICTS, Difference

STUDIES = ("dispersion", "budget")  # that write {name}.csv and {name}_pairs.csv
PAIR = ("benchmark", "alternative", "better", "worse")
FIGURES = ("difference", "low", "high", "p_alone")
DEFAULT = "default"  # alternative of theirs that is the tables' own
ROUNDED = 1e-6  # of their scores
SIGNS = dict(zip(VERDICTS, "+−·", strict=True))
INTRODUCTION = """\
What the records of profile `{profile}` (number of seeds: {seeds}) say to the paper's claims. These
are verdicts on this world, with these encoders and budgets; the paper's figures are of real data.

A claim is a list of comparisons, tested together: p < 0.05 after Holm's rule over the claim's,
seeds and videos in the variance. **holds**: at least one comparison holds and none is reversed;
**reversed**: the other way round; **mixed**: some hold, others are reversed; **undecided**: all
else. {best} **n**: trainings of a comparison's side that has fewer, a range where comparisons
differ in it.
**evidence**: how many comparisons say what, then the lowest and the highest difference of those
that are decided, or of all where none is, each with a 95 % interval of its own. Rows that aren't
shown to be above all dark or their floor are left out and named; **not judged**: no comparison is
left.{alone}"""
BEST = (
    'A claim of "best", or above "all", "any" or "other" rows, holds if every comparison does and '
    "is reversed by one."
)
ALONE = """

With one training per side the interval is over videos only, and the verdict is on these trainings,
not on the methods."""
MISSING = (
    "**Records that are missing: {}. Comparisons that need them are on fewer trainings, or aren't "
    "made.**"
)
HOW = """\
The verdict by other readings of the same predictions, and under the studies' other worlds, weights
and budgets. In parentheses: of how many of a claim's comparisons, where not of all. **Bold** where
it is another than at threshold 0.5 on the same comparisons. {none}: not measured. Of boxes, *oracle
size* lights as many pixels as the truth has, and *success rate* counts IoUs of 0.5 or more. *SAM's
weights* are those without a semantic head, the *regime* is V1S's balanced scenes, the *precision*
bf16 (`dispersion.md`). Studies have their own number of seeds; whether a row is left out is the
tables' matter there too."""
CONTEXT = """\
Differences of `{base}` to rows of fusion that differ from it in more than the paradigm (decoder,
loss, backbone), in points: context, on which no verdict rests. *Italic*: the 95 % interval
contains 0."""
MATRIX = """\
The row's method against the column's, which the paper prints below it, in the table's columns from
left to right: **+** as the paper has it, **−** reversed, **·** undecided (p ≥ 0.05 after Holm's
rule over the table), **_** not compared."""


class Studies(NamedTuple):
    """Pairs under the studies' alternatives, and mIoU of the default beside each."""

    pairs: Pairs
    means: Mapping[tuple[str, str, str], tuple[float, int]]  # by alternative; number of seeds


def verdicts_page(
    plan: Plan,
    claims: Sequence[Claim],
    below: Mapping[str, Standing],
    tables: Sequence[Table],
) -> str:
    """Text of verdicts.md."""
    single = any(claim.runs and claim.runs[0] == 1 for claim in claims)
    parts = [
        f"# Verdicts on the paper's claims, profile `{plan.profile}`",
        INTRODUCTION.format(
            profile=plan.profile, seeds=plan.trainings, best=BEST, alone=ALONE if single else ""
        ),
        MISSING.format(missing) if (missing := len(missing_of(tables))) else "",
        counted(claims),
        markdown(claims_grid(claims)),
        "## What a verdict depends on",
        HOW.format(none=NONE),
        _elsewhere(claims),
        markdown(sensitivity_grid(claims)),
    ]
    if context := [contrast for claim in claims for contrast in claim.context]:
        text, grid = CONTEXT.format(base=plan.base), markdown(_context(plan.base, context))
        parts += ["## Prompt and fusion, not in pairs", text, grid]
    if any(below.values()):
        shots = " with shots" if plan.tables.table2.floor else ""
        parts += [
            "## Rows that take part in no verdict",
            "A row is judged on a benchmark where it is shown to be above all dark and above its "
            "floor (p < 0.05 after Holm's rule over the two; the floor where silent rivals are in "
            "view, if the data say where; a row that has no floor, such as a variant or any on "
            f"AVS-V3{shots}, above all dark alone). These rows aren't. On VGG-SS, VGG-SS-Sub and "
            "fractions of V2 a row stands as it does on V2, with shots as with none; § in Table 3 "
            "marks who isn't shown to be above a square there. Verdicts at validation's threshold "
            "are of rows that stand at both thresholds, all others of those that do at 0.5.",
            markdown(_without(below)),
        ]
    if orderings := [part for table in tables for part in _orderings(table)]:
        parts += ["## The paper's orderings", MATRIX, *orderings]
    return "\n\n".join(filter(None, parts)) + "\n"


def counted(claims: Sequence[Claim]) -> str:
    """Sentence of how many claims have each verdict."""
    verdicts = [claim.verdict for claim in claims]
    return ", ".join(f"{name} {verdicts.count(name)}" for name in CLAIM_VERDICTS) + "."


def trainings(claim: Claim) -> str:
    """Fewest and most trainings behind a side of a claim's comparisons: 3, or 1–3."""
    return NONE if claim.runs is None else "–".join(map(str, dict.fromkeys(claim.runs)))


def claims_grid(claims: Sequence[Claim]) -> Grid:
    """Grid of the claims: verdict, trainings, evidence, what would turn it."""
    lines = []
    for claim in claims:
        depends = ", ".join(claim.depends) or ("" if claim.contrasts else NONE)
        verdict = bold(claim.verdict)
        lines.append([claim.text, claim.source, verdict, trainings(claim), claim.evidence, depends])
    header = ["claim", "paper", "verdict", "n", "evidence (points)", "another verdict by"]
    return Grid(header, lines, "lllrll")


def sensitivity_grid(claims: Sequence[Claim]) -> Grid:
    """Grid of claims and readings: the verdict by each."""
    names = [name for name, measured in _measured(claims).items() if measured]
    lines = []
    for claim in claims:
        cells = []
        for name in names:
            reading = claim.sensitivity.get(name)
            if reading is None or reading.verdict == NOT_MEASURED:
                cells.append(NONE)
                continue
            part = f" ({reading.comparisons} of {len(claim.contrasts)})"
            verdict = bold(reading.verdict) if name in claim.depends else reading.verdict
            cells.append(verdict + part * (reading.comparisons < len(claim.contrasts)))
        headline = claim.verdict if claim.contrasts else NONE
        lines.append([claim.text, headline, *cells])
    return Grid(["claim", HEADLINE, *names], lines, "l" * (2 + len(names)))


def _measured(claims: Sequence[Claim]) -> dict[str, bool]:
    """Readings and studies, and whether any claim has a verdict by them."""
    every = [item for claim in claims for item in claim.sensitivity.items()]
    with_verdict = {name for name, reading in every if reading.verdict != NOT_MEASURED}
    return {name: name in with_verdict for name, _ in every}


def _elsewhere(claims: Sequence[Claim]) -> str:
    """Sentence on the readings and studies that no claim has a verdict by."""
    absent = [name for name, measured in _measured(claims).items() if not measured]
    return f"Not measured here: {', '.join(absent)}." if absent else ""


def claims_csv(claims: Sequence[Claim]) -> str:
    """CSV of the claims, a line each, for programs and for a comparison of two runs."""
    lines = [
        {
            "claim": claim.name,
            "text": claim.text,
            "source": claim.source,
            "verdict": claim.verdict,
            "runs": claim.runs[0] if claim.runs else 0,
            "evidence": claim.evidence,
            **{name: reading.verdict for name, reading in claim.sensitivity.items()},
        }
        for claim in claims
    ]
    return as_csv(pd.DataFrame(lines))


def read_studies(results: Path) -> Studies:
    """Read the pairs that the studies left beside the tables, if they did.

    Raises:
        RecordError: a file can't be read.
    """
    pairs: dict[tuple[str, str, str, str], Difference] = {}
    means: dict[tuple[str, str, str], tuple[float, int]] = {}
    for name in STUDIES:
        alternatives = set()
        path = results / f"{name}_pairs.csv"
        for line in lines_of(path, dict.fromkeys(PAIR, str) | dict.fromkeys(FIGURES, float), PAIR):
            figures = (line.difference, line.low, line.high, line.p_alone)
            if not 0 <= line.p_alone <= 1:
                raise RecordError(f"{path}: {figures}, expected numbers, the last a p of 0 to 1")
            place = (line.alternative, line.benchmark, line.better, line.worse)
            pairs[place] = Difference(*figures, detectable=np.nan, runs=1)
            alternatives.add(line.alternative)
        columns = dict.fromkeys(PAIR[:2], str) | {"row": str, "miou": float, "seeds": int}
        for line in lines_of(results / f"{name}.csv", columns, (*PAIR[:2], "row")):
            if line.alternative == DEFAULT:
                default = (line.miou, line.seeds)
                means |= {(a, line.benchmark, line.row): default for a in alternatives}
    return Studies(pairs, means)


def current(studies: Studies, table: Table) -> Pairs:
    """Select the pairs of rows whose default, when a study was made, is what Table 1 has now.

    table: Table 1. A study of other records says nothing of these; one of fewer seeds has the
    first ones.
    """

    def same(alternative: str, benchmark: str, row: str) -> bool:
        mean, seeds = studies.means.get((alternative, benchmark, row), (np.nan, 0))
        scored = table.samples.get((row, f"{benchmark} miou"))
        if scored is None or seeds == 0:
            return False
        return abs(scored.values[:seeds].mean() - mean) < ROUNDED

    return {
        place: verdict
        for place, verdict in studies.pairs.items()
        if all(same(*place[:2], row) for row in place[2:])
    }


def _without(below: Mapping[str, Standing]) -> Grid:
    """Grid of the rows without standing, by benchmark and what they aren't above."""
    places: dict[tuple[str, str], dict[str, list[str]]] = {}
    for metric, rows in below.items():
        for (row, benchmark), than in rows.items():
            lists = places.setdefault((benchmark, than), {name: [] for name in AT})
            lists[metric].append(f"`{row}`")
    lines = [
        [title_of(b), than, *(", ".join(lists[metric]) or NONE for metric in AT)]
        for (b, than), lists in places.items()
    ]
    header = ["benchmark", "not above", "rows at threshold 0.5", "at validation's threshold"]
    return Grid(header, lines, "llll")


def _context(base: str, contrasts: Sequence[Contrast]) -> Grid:
    """Grid of the comparisons that are context: a row of fusion, a column a place."""
    points: dict[str, dict[str, str]] = {}
    for contrast in contrasts:
        d, row = contrast.difference, contrast.worse.partition(",")[0]
        text = signed(d.mean)
        points.setdefault(row, {})[contrast.where] = f"*{text}*" if d.low <= 0 <= d.high else text
    places = list(dict.fromkeys(contrast.where for contrast in contrasts))
    lines = [[f"`{row}`", *(by.get(p, NONE) for p in places)] for row, by in points.items()]
    return Grid([f"`{base}` minus", *places], lines)


def _orderings(table: Table) -> list[str]:
    """Heading and grid of the paper's orderings of a table."""
    printed = {
        row: next(f for name in table.judged if (f := table.figure(row, name)) is not None)
        for row in table.rows
        if any(table.figure(row, name) is not None for name in table.judged)
    }
    signs = {
        (v.column.name, v.better, v.worse): SIGNS[v.difference.verdict]
        for v in table.verdicts
        if None not in (table.figure(v.better, v.column.name), table.figure(v.worse, v.column.name))
    }
    rows = [row for row in printed if any(row in pair for _, *pair in signs)]
    rows.sort(key=lambda row: -printed[row])
    if not signs:
        return []
    pairs = {
        (a, b): [signs.get((name, a, b), "_") for name in table.judged] for a in rows for b in rows
    }
    cells = {pair: "".join(s) if set(s) != {"_"} else "" for pair, s in pairs.items()}
    lines = [[f"`{a}`", *(cells[a, b] for b in rows)] for a in rows]
    columns = ", ".join(title_of(table.columns[name].where) for name in table.judged)
    grid = Grid(["above", *(f"`{row}`" for row in rows)], lines, "l" * (len(rows) + 1))
    return [f"### {table.name}: {columns}", markdown(grid)]
