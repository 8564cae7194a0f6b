"""The paper's claims, each judged on the records: as data, for whoever prints them.

A claim is a list of comparisons (who above whom, where) and a rule for what they say together. Its
comparisons are a family of Holm's rule. Each is made again by other readings of the same
predictions, and looked up in the studies, so that it is seen what a verdict depends on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from benchmarks.experiments import SPECS
from benchmarks.report.layout import difference_text, title_of
from benchmarks.report.ledger import CHOSEN, RIVALS, Ledger, Part
from benchmarks.report.measure import read_paper
from benchmarks.report.plan import Plan
from benchmarks.report.standing import Standing
from benchmarks.report.statements import Comparison, Statement, statements
from benchmarks.scoring import statistics
from benchmarks.scoring.statistics import VERDICTS, Difference

HOLDS, REVERSED, UNDECIDED = VERDICTS
MIXED, NOT_JUDGED, NOT_MEASURED = "mixed", "not judged", "not measured"
CLAIM_VERDICTS = (HOLDS, REVERSED, MIXED, UNDECIDED, NOT_JUDGED, NOT_MEASURED)
NO_VERDICT = (NOT_JUDGED, NOT_MEASURED)  # without a comparison
HEADLINE, RIVALS_IN_VIEW = "threshold 0.5", "silent rivals in view"
READINGS = {  # name -> metric of masks, metric of boxes; "": there is none
    HEADLINE: ("miou", "mean_iou/fixed/mask"),
    "validation's threshold": ("miou_chosen", ""),
    "threshold 0.4": ("terms/threshold_0.4", ""),
    "best threshold per clip (F)": ("fscore", ""),
    "oracle size": ("", "mean_iou/oracle/mask"),
    "success rate": ("", "success/fixed/mask"),
    "frames with a target": ("miou_nonempty", ""),
    "data set's IoU": ("terms/dataset", ""),
    "hard empty frames": ("terms/hard", ""),
    RIVALS_IN_VIEW: ("miou", ""),
}
STUDIES = {  # alternatives of the studies' tables of pairs -> what they change
    "aux0": "SAM's weights",
    "balanced": "regime",
    "bf16": "precision",
    "half": "half the budget",
    "double": "twice the budget",
}
Pairs = Mapping[tuple[str, str, str, str], Difference]  # alternative, benchmark, better, worse


@dataclass(frozen=True)
class Contrast:
    """One comparison of a claim: the first said to be above the second."""

    where: str
    better: str
    worse: str
    difference: Difference  # p adjusted over the claim's comparisons


class Reading(NamedTuple):
    """Verdict on a claim by another reading, or in a study, on those comparisons that it has."""

    verdict: str  # of CLAIM_VERDICTS
    headline: str  # verdict at the headline's threshold on the same comparisons
    comparisons: int


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what this world says to it."""

    name: str
    text: str
    source: str  # where the paper says so
    verdict: str  # of CLAIM_VERDICTS
    evidence: str  # one line
    runs: tuple[int, int] | None  # fewest and most trainings behind a side of a comparison
    contrasts: tuple[Contrast, ...] = ()
    sensitivity: Mapping[str, Reading] = field(default_factory=dict)  # by reading or study
    context: tuple[Contrast, ...] = ()  # comparisons that differ in more than the claim is about

    @property
    def depends(self) -> list[str]:
        """Readings and studies that have another verdict on the same comparisons."""
        return [
            name
            for name, reading in self.sensitivity.items()
            if reading.verdict not in (reading.headline, NOT_MEASURED)
        ]


Measured = Mapping[Comparison, Difference]  # p not adjusted


def claims(plan: Plan, ledger: Ledger, studies: Pairs | None = None) -> list[Claim]:
    """Judge every claim of the paper by the records that exist.

    Rows without standing (`Ledger.not_above`) take no part.

    Args:
        studies: pairs under other worlds, weights and budgets, better minus worse as `dispersion`
            writes them, p of each alone.
    """
    said = statements(plan, {table: read_paper(table) for table in SPECS})
    made = []
    for statement in said:
        measured = _measure(ledger, statement)
        headline = measured.pop(HEADLINE)
        contrasts, left_out = _judge(headline), _left_out(ledger, statement)
        sides = [contrast.difference.runs for contrast in contrasts]
        context = (c for c in statement.comparisons if c.context and _standing(ledger, c))
        sensitivity = {n: _reading(statement, found, headline) for n, found in measured.items()}
        claim = Claim(
            statement.name,
            statement.text,
            statement.source,
            NOT_JUDGED if left_out and not contrasts else _verdict(statement, headline),
            _evidence(contrasts, left_out),
            (min(sides), max(sides)) if sides else None,
            tuple(contrasts),
            sensitivity | _studies(statement, headline, studies or {}),
            tuple(_contrast(c, d) for c in context if (d := _difference(ledger, c, HEADLINE))),
        )
        made.append(claim)
    return made


def _measure(ledger: Ledger, statement: Statement) -> dict[str, dict[Comparison, Difference]]:
    """Compare by every reading, only rows with standing; at validation's threshold there too."""
    measured: dict[str, dict[Comparison, Difference]] = {name: {} for name in READINGS}
    for comparison in statement.comparisons:
        if comparison.context or not _standing(ledger, comparison):
            continue
        for name, (metric, _) in READINGS.items():  # all of one record at a time: it is read once
            if metric in CHOSEN and not _standing(ledger, comparison, metric):
                continue
            if difference := _difference(ledger, comparison, name):
                measured[name][comparison] = difference
    return measured


def _standing(ledger: Ledger, comparison: Comparison, metric: str = "miou") -> bool:
    sides = (comparison.better, comparison.worse)
    return not any(ledger.not_above(side.row, side.source, metric) for side in sides)


def _judge(measured: Measured) -> list[Contrast]:
    """Judge comparisons as a family of Holm's rule."""
    return [_contrast(c, d) for c, d in statistics.adjusted(measured).items()]


def _left_out(ledger: Ledger, statement: Statement) -> Standing:
    """Rows of a claim's measured comparisons that take no part, and what they aren't above."""
    rows: dict[tuple[str, str], str] = {}
    for comparison in statement.comparisons:
        sides = (comparison.better, comparison.worse)
        places = {
            (side.row, side.home): than
            for side in sides
            if (than := ledger.not_above(side.row, side.source))
        }
        if places and not comparison.context and _difference(ledger, comparison, HEADLINE):
            rows |= places
    return rows


def _difference(ledger: Ledger, comparison: Comparison, reading: str) -> Difference | None:
    """First minus second by one reading; None where it isn't on record."""
    samples = []
    for side in (comparison.better, comparison.worse):
        metric, source = READINGS[reading][side.boxed], side.source
        if source.benchmark == "vggss_sub" and "/fixed/" not in metric:
            return None  # scored by that rule alone
        if reading == RIVALS_IN_VIEW:
            if source.subset:
                return None
            source = source._replace(subset=RIVALS)
        if comparison.margin and metric == "fscore":
            return None  # the margin is one of mIoU
        part = Part(source, metric)
        runs = ledger.runs(side.row, [part], side.runs) if metric else ()
        if not runs:
            return None
        samples.append(ledger.sample(side.row, part, runs))
    better, worse = samples
    difference = statistics.difference(better, worse, over=-comparison.margin)
    return None if np.isnan(difference.low) else difference


def _contrast(comparison: Comparison, difference: Difference) -> Contrast:
    better, worse = comparison.better.label, comparison.worse.label
    return Contrast(comparison.where, better, worse, difference)


def _reading(statement: Statement, measured: Measured, headline: Measured) -> Reading:
    same = {c: headline[c] for c in measured}
    return Reading(_verdict(statement, measured), _verdict(statement, same), len(measured))


def _verdict(statement: Statement, measured: Measured) -> str:
    """Verdict of a claim's comparisons together.

    Of "best of all" one that is reversed is enough against it, and every one must hold. Of other
    claims: at least one holds and none is reversed, or the other way round, or both are there.
    """
    verdicts = [contrast.difference.verdict for contrast in _judge(measured)]
    if not verdicts:
        return NOT_MEASURED
    holds, against = verdicts.count(HOLDS), verdicts.count(REVERSED)
    if statement.best:
        return REVERSED if against else HOLDS if holds == len(verdicts) else UNDECIDED
    if holds and against:
        return MIXED
    return HOLDS if holds else REVERSED if against else UNDECIDED


def _evidence(contrasts: Sequence[Contrast], left_out: Standing) -> str:
    """One line: how many comparisons say what, the lowest and the highest, who takes no part.

    Those that are decided carry the verdict, so the extremes are theirs where there are any.
    """
    parts = []
    if contrasts:
        parts.append(counts(contrasts))
        shown = [c for c in contrasts if c.difference.verdict != UNDECIDED] or contrasts
        extremes = {pick(shown, key=lambda c: c.difference.mean): None for pick in (min, max)}
        parts += [describe(contrast) for contrast in extremes]
    if left_out:
        rows = (f"`{row}` ({title_of(b)}: not above {than})" for (row, b), than in left_out.items())
        parts.append(f"without {', '.join(rows)}")
    return "; ".join(parts) or "no record"


def counts(contrasts: Sequence[Contrast]) -> str:
    """Text of how many comparisons say what: holds 1, undecided 34 of 35."""
    verdicts = [contrast.difference.verdict for contrast in contrasts]
    parts = [f"{v} {verdicts.count(v)}" for v in VERDICTS if v in verdicts]
    return ", ".join(parts) + f" of {len(verdicts)}"


def describe(contrast: Contrast) -> str:
    """Text of a comparison: V2: `gavs` − `sam_fusion` −10.5 [−13.6, −7.4]."""
    figures = difference_text(contrast.difference)
    return f"{contrast.where}: `{contrast.better}` − `{contrast.worse}` {figures}"


def _studies(statement: Statement, headline: Measured, studies: Pairs) -> dict[str, Reading]:
    """Verdicts under other worlds, weights and budgets, of the comparisons that a study made."""
    made = {}
    for alternative, title in STUDIES.items():
        measured: dict[Comparison, Difference] = {}
        for c in headline:
            place = (alternative, c.better.home)
            plain = c.better.source == c.worse.source and c.better.source.setting == "train"
            if c.margin or not plain:
                continue
            if found := studies.get((*place, c.better.row, c.worse.row)):
                measured[c] = found
            elif found := studies.get((*place, c.worse.row, c.better.row)):
                measured[c] = found.turned()
        made[title] = _reading(statement, measured, headline)
    return made
