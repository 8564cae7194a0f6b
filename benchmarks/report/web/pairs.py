"""Any two rows of a contest against each other: overall, and within groups of the test's clips."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.predictions.compare import terms_of
from benchmarks.report.contests import Contest
from benchmarks.report.ledger import Ledger
from benchmarks.report.measure import Table
from benchmarks.scoring import statistics
from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.npz import Scores
from benchmarks.scoring.statistics import Run, Sample

VIDEOS = 5  # of a group at least
SIZES = ("smallest third", "middle third", "largest third")


def differences(table: Table, contest: Contest, rows: Sequence[str]) -> list[list]:
    """Compare any two rows: their numbers in `rows`, mean, low, high (points), p alone, p by
    Holm's rule over all of these pairs (None of rows in no verdict, which aren't counted), smallest
    detectable difference (points)."""
    alone = {
        (i, j): difference
        for (i, a), (j, b) in itertools.combinations(enumerate(rows), 2)
        if (difference := table.compared(contest.column, a, b))
    }
    out = {i for i, row in enumerate(rows) if (row, contest.column) in table.left_out}
    judged = statistics.adjusted({pair: d for pair, d in alone.items() if not out & {*pair}})
    return [
        [
            *pair,
            *_points(d.mean, d.low, d.high),
            _p(d.p),
            _p(judged[pair].p) if pair in judged else None,
            *_points(d.detectable),
        ]
        for pair, d in alone.items()
    ]


def by_group(
    ledger: Ledger,
    contest: Contest,
    rows: Sequence[str],
    runs: Sequence[Run],
    index: pd.DataFrame,
) -> list[dict]:
    """Compare any two rows within each group of frames.

    Returns:
        Per group its kind, name and number of videos, each row's mean (%, None without a score),
        and per pair the mean, low and high of the difference (points), in the order of
        `itertools.combinations` of the rows.
    """
    terms: dict[str, dict[Run, Terms]] = {}
    masks: dict[tuple[str, str], np.ndarray] = {}
    frames: list[str] = []
    for row in rows:
        for source, run in itertools.product(contest.sources, runs):
            record = ledger.record(row, source, run)
            if record and source.evaluation in record.evaluations:
                scores = ledger.scores(row, source, run)
                if not frames:
                    frames, masks = scores.uid.tolist(), groups_of(scores, index)
                if scores.uid.tolist() == frames:  # all rows are scored on the same, in order
                    terms.setdefault(row, {})[run] = terms_of(scores)
    groups = []
    for (kind, name), mask in masks.items():
        by_row = {row: _within(by_run, mask) for row, by_run in terms.items()}
        samples = [by_row.get(row) for row in rows]
        videos = {len(np.unique(t.video[mask])) for runs in terms.values() for t in runs.values()}
        if max(videos) < VIDEOS:
            continue
        means = [None if s is None else round(100 * s.mean, 1) for s in samples]
        pairs = [_compare(a, b) for a, b in itertools.combinations(samples, 2)]
        groups.append(
            {"kind": kind, "name": name, "videos": max(videos), "means": means, "pairs": pairs}
        )
    return groups


def groups_of(scores: Scores, index: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Masks (N,) of frames by kind and name of a group: class, silent rivals, size, sound."""
    masks: dict[tuple[str, str], np.ndarray] = {}
    lists = [str(names).split("_") for names in scores.classes]
    for name in sorted({name for names in lists for name in names}):
        masks["class", name] = np.array([name in names for names in lists])
    target = np.asarray(scores.target, float)
    lit = target > 0
    if lit.any():
        low, high = np.quantile(target[lit], (1 / 3, 2 / 3))
        thirds = np.digitize(target, (low, high))
        for third, name in enumerate(SIZES):
            masks["size of the truth", name] = lit & (thirds == third)
    masks["sound", "nothing in view sounds"] = ~lit
    rivals = rivals_of(index).reindex(scores.uid).to_numpy(float)
    for count in np.unique(rivals[~np.isnan(rivals)]):
        masks["silent rivals in view", f"{count:g}"] = rivals == count
    return {place: mask for place, mask in masks.items() if mask.any()}


def rivals_of(index: pd.DataFrame) -> pd.Series:
    """Objects in view that don't sound, by uid; NaN where the data set doesn't say."""
    by_uid = index.set_index("uid")
    if not {"n_objects", "heard", "shown"} <= set(index.columns):
        return pd.Series(np.nan, by_uid.index)
    heard, shown = (by_uid[name].fillna("").str.split("_") for name in ("heard", "shown"))
    sounding = [len(({*h} & {*s}) - {""}) for h, s in zip(heard, shown, strict=True)]
    return (pd.to_numeric(by_uid.n_objects, errors="coerce") - sounding).clip(lower=0)


def _within(by_run: Mapping[Run, Terms], mask: np.ndarray) -> Sample | None:
    """Scores of the frames of a group; None for fewer than two videos."""
    parts = [Terms(t.video[mask], t.numerator[mask], t.denominator[mask]) for t in by_run.values()]
    if any(len(np.unique(part.video)) < 2 for part in parts):
        return None
    return statistics.sample(parts, list(by_run))


def _compare(a: Sample | None, b: Sample | None) -> list[float] | None:
    """Mean, low and high of a difference in points."""
    if not a or not b:
        return None
    difference = statistics.difference(a, b)
    return _points(difference.mean, difference.low, difference.high, digits=1)


def _points(*values: float, digits: int = 3) -> list[float]:
    return [round(100 * value, digits) for value in values]


def _p(value: float) -> float:
    return float(f"{value:.2g}")
