"""Two sides on the same clips: differences paired by video, with interval, p and by class."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.common.tables import PERCENT, SHARE, Unit, number, share, signed
from benchmarks.predictions.sides import Operand, Place
from benchmarks.predictions.states import CompareError, aligned
from benchmarks.scoring.boxes import BoxScores, box_terms
from benchmarks.scoring.metrics import Terms, fscore_terms, iou_terms, restrict
from benchmarks.scoring.npz import Scores
from benchmarks.scoring.statistics import Difference, Run, adjusted, difference, sample

Metric = Callable[[Any], Terms]
MASKS: dict[str, Metric] = {"miou": iou_terms, "fscore": fscore_terms}
BOXES: dict[str, Metric] = {
    "mean_iou": partial(box_terms, figure="mean_iou"),
    "success": partial(box_terms, figure="success"),
}
CONTROLS = re.compile(r"floor|negatives|.*_(shuffled|silence|noise|guided)")
UNITS = {"fscore": SHARE}  # others in per cent
CLASSES = 10  # of a test, by the size of the difference


def metrics_of(scores: Scores) -> dict[str, Metric]:
    """Metrics of masks' scores or of boxes', the tables' first."""
    return BOXES if isinstance(scores, BoxScores) else MASKS


def terms_of(scores: Scores) -> Terms:
    """Terms of the first of them, one per scored frame or image, in stored order."""
    return next(iter(metrics_of(scores).values()))(scores)


def by_clip(scores: Scores) -> pd.Series:
    """Their mean over each clip's frames, 0 to 1, by uid."""
    return pd.Series(terms_of(scores).numerator).groupby(scores.uid).mean()


@dataclass(frozen=True)
class Compared:
    """One score of both sides and their difference, first minus second."""

    row: str  # empty where each side has one row
    benchmark: str
    setting: str
    evaluation: str
    metric: str
    classes: str  # empty: of all
    first: float
    second: float
    difference: Difference  # p of one class as it is, of others by Holm over all
    runs: int  # of the same seed and draw on both sides
    clips: int  # that both are scored on
    left_out: int  # clips that one side alone is scored on

    @property
    def unit(self) -> Unit:
        """Unit of print."""
        return UNITS.get(self.metric, PERCENT)

    def content(self) -> dict[str, Any]:
        """Fields for JSON, scores 0 to 1."""
        return {**asdict(self), "decided": self.difference.decided}


def compare(
    first: Operand, second: Operand, controls: bool = False
) -> tuple[list[Compared], list[Compared]]:
    """Compare two sides on every test that both were scored on: lines of all, lines by class.

    Args:
        controls: tests with wrong sound or none too; else only where there is no other.

    Raises:
        CompareError: they have no test, run or clip in common, or other frames or another truth
            of a clip, as of two worlds.
    """
    masks = first.masks or second.masks
    tests = _common(first, second)
    lines: list[Compared] = []
    classes: list[Compared] = []
    for (row, benchmark, setting), pairs in tests.items():
        loaded = [(run, a(), b()) for run, a, b in pairs]
        for evaluation in sorted({name for _, a, b in loaded for name in set(a) & set(b)}):
            chosen = [one for one in loaded if evaluation in {*one[1]} & {*one[2]}]
            both = [(a[evaluation], b[evaluation]) for _, a, b in chosen]
            runs = [run for run, _, _ in chosen]
            if type(both[0][0]) is not type(both[0][1]):
                continue
            line = partial(Compared, row, benchmark, setting, evaluation)
            try:
                made, split = _test(both, runs, line, masks)
            except CompareError as error:
                where = f"{first.name} and {second.name}, {benchmark} {setting} {evaluation}"
                raise CompareError(f"{where}: {error}") from None
            lines += made
            classes += split
    if not controls:
        plain = [x for x in lines if not _control(x)]
        lines, classes = plain or lines, [x for x in classes if not plain or not _control(x)]
    if not lines:
        raise CompareError(f"{first.name} and {second.name}: no clip that both were scored on")
    p = adjusted({i: line.difference for i, line in enumerate(lines)})
    return [Compared(**{**vars(x), "difference": p[i]}) for i, x in enumerate(lines)], classes


def _control(line: Compared) -> bool:
    return any(CONTROLS.fullmatch(name) for name in (line.setting, line.evaluation))


def _common(first: Operand, second: Operand) -> dict[tuple, list[tuple[Run, Callable, Callable]]]:
    """The pairs of runs of the same seed and draw, by row, benchmark and setting."""
    several = len(first.rows) > 1 or len(second.rows) > 1

    def place(cell: Place) -> tuple:
        return (cell.row if several else "", *cell[1:])

    other = {place(cell): scores for cell, scores in second.cells.items()}
    tests: dict[tuple, list[tuple[Run, Callable, Callable]]] = defaultdict(list)
    for cell, scores in sorted(first.cells.items(), key=lambda item: str(item[0])):
        if (key := place(cell)) in other:
            tests[key[:3]].append((key[3:], scores, other[key]))
    if not tests:
        sides = "; ".join(f"{side.name} has {_listed(side)}" for side in (first, second))
        raise CompareError(f"nothing in common: {sides}")
    return tests


def _listed(side: Operand) -> str:
    cells = sorted({f"{c.row} {c.benchmark} {c.setting} seed {c.seed}" for c in side.cells})
    return ", ".join(cells[:5]) + (f" and {len(cells) - 5} more" if len(cells) > 5 else "")


def _test(
    both: list[tuple[Scores, Scores]],
    runs: list[Run],
    line: Callable[..., Compared],
    masks: bool,
) -> tuple[list[Compared], list[Compared]]:
    """Lines of one test, from the scores of both sides by run."""
    sets = [set(scores.uid) for pair in both for scores in pair]
    shared = set.intersection(*sets)
    left_out = len(set.union(*sets) - shared)
    if left_out:
        both = [(restrict(a, shared), restrict(b, shared)) for a, b in both]
    if len(shared) < 2:
        return [], []
    for a, b in both:
        _check_truth(a, b)
    metrics = metrics_of(both[0][0])
    if masks:
        metrics = {name: metric for name, metric in metrics.items() if name != "fscore"}

    def lines_of(pairs: list, uids: int, names: Sequence[str], classes: str) -> list[Compared]:
        made = []
        for name in names:
            a, b = (sample([metrics[name](pair[side]) for pair in pairs], runs) for side in (0, 1))
            judged = difference(a, b)
            made.append(line(name, classes, a.mean, b.mean, judged, len(pairs), uids, left_out))
        return made

    lines = lines_of(both, len(shared), list(metrics), "")
    split: list[Compared] = []
    first = both[0][0]
    uids: dict[str, set[str]] = defaultdict(set)
    videos: dict[str, set[str]] = defaultdict(set)
    for uid, video, names in zip(first.uid, first.video, first.classes, strict=True):
        for name in str(names).split("_"):
            uids[name].add(uid)
            videos[name].add(video)
    for name in sorted(uids):
        if name and len(videos[name]) > 1:
            pairs = [(restrict(a, uids[name]), restrict(b, uids[name])) for a, b in both]
            split += lines_of(pairs, len(uids[name]), list(metrics)[:1], name)
    return lines, split


def _check_truth(first: Scores, second: Scores) -> None:
    """Check that two scores are of the same frames with the same truth.

    Raises:
        CompareError: the first clip that isn't.
    """
    names = [name for name in ("uid", "frame", "target") if hasattr(first, name)]
    sides = [pd.DataFrame({n: getattr(s, n) for n in names}) for s in (first, second)]
    merged = sides[0].merge(sides[1], "outer", names, indicator="of")
    if odd := sorted(merged.uid[merged.of != "both"]):
        raise CompareError(
            f"clip {odd[0]} has other frames or another truth on one side; expected scores of the "
            "same clips: of one world or release, and one scoring.frames_per_clip"
        )


HEADER = ["test", "first", "second", "difference", "95 %", "p", "detectable", "runs", "clips"]


def text_of(lines: Sequence[Compared], classes: Sequence[Compared], names: tuple[str, str]) -> str:
    """Table for a terminal, the classes of each test that differ most after it."""
    table = [HEADER]
    notes = []
    for line in lines:
        where = " ".join(filter(None, (line.row, line.benchmark, line.setting, line.evaluation)))
        table.append([f"{where} {line.metric}", *_numbers(line)])
        if line.left_out:
            notes.append(f"{where}: {line.left_out} clips that one side alone was scored on")
        of_test = [c for c in classes if _test_of(c) == _test_of(line)]
        most = sorted(of_test, key=lambda c: -abs(c.difference.mean))[:CLASSES]
        table += [[f"  {c.classes}", *_numbers(c)] for c in most]
    text = aligned(table)
    notes.append(
        f"first: {names[0]}, second: {names[1]}; paired by video; p by Holm over the tests, "
        "of a class as it is"
    )
    return "\n".join([text, "", *dict.fromkeys(notes)])


def _test_of(line: Compared) -> tuple[str, ...]:
    return line.row, line.benchmark, line.setting, line.evaluation, line.metric


def _numbers(line: Compared) -> list[str]:
    d, unit = line.difference, line.unit
    return [
        share(line.first, unit),
        share(line.second, unit),
        signed(d.mean, unit),
        f"[{signed(d.low, unit)}, {signed(d.high, unit)}]",
        number(d.p, 1, 4),
        share(d.detectable, unit),
        str(line.runs),
        str(line.clips),
    ]
