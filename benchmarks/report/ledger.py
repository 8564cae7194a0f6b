"""Scores from records, each reduced once: by row, source, metric and run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from benchmarks.scoring.boxes import BoxScores, box_terms
from benchmarks.scoring.counts import STEPS, FrameScores
from benchmarks.scoring.metrics import (
    Terms,
    class_mean,
    fscore_terms,
    iou_terms,
    lit_area,
    lit_terms,
    miou,
    restrict,
)
from benchmarks.scoring.npz import Scores
from benchmarks.scoring.records import REMEDY, Key, Record, RecordError, Stored
from benchmarks.scoring.statistics import Run, Sample, sample, unsampled
from benchmarks.scoring.thresholds import best_threshold, terms_at


def _lit_boxes(scores: BoxScores) -> Terms:
    """Terms of the share of each image that is lit at probability 0.5."""
    lit = scores.lit_share[:, scores.rules.tolist().index("fixed"), 0]
    return Terms(scores.video, lit, np.ones(len(lit)))


def _dark(scores: FrameScores | BoxScores) -> Terms:
    """Terms of the score of a prediction that lights nothing."""
    return Terms(scores.video, (scores.target == 0).astype(float), np.ones(len(scores)))


RIVALS = "rivals"  # clips with a silent object in view that could sound
LEARNED = "learned"  # clips of AVS-V3's unseen classes that V2 tests too: its models learned them
STRATA = (RIVALS, LEARNED)
DARK, FLOOR = "all dark", "its silent floor"  # what a row without standing isn't above
VALIDATION = "val"  # evaluation of the validation clips
CHOSEN = {"miou_chosen": "miou", "fscore_chosen": "fscore"}  # at validation's threshold
# Terms have an interval over videos, a plain number has none.
METRICS: dict[str, Callable[[Any], Terms | float]] = {  # of masks' scores or of boxes'
    "miou": iou_terms,
    "fscore": fscore_terms,
    "lit": lit_terms,
    "miou_threshold_0.4": lambda s: miou(s, threshold=0.4) if 0.4 in s.thresholds else np.nan,
    "miou_squash": partial(miou, resolution="squash"),
    "iou_dataset": partial(miou, unit="dataset"),
    "miou_nonempty": partial(iou_terms, empty="skip"),
    "miou_class": class_mean,
    "lit_silent": lit_area,
    "lit_boxes": _lit_boxes,
    "dark": _dark,
    # As above, with an interval.
    "terms/threshold_0.4": partial(iou_terms, threshold=0.4),
    "terms/squash": partial(iou_terms, resolution="squash"),
    "terms/dataset": partial(iou_terms, unit="dataset"),
    "terms/hard": partial(iou_terms, empty="hard"),
    "confidence": lambda s: Terms(s.video, s.confidence, np.ones(len(s))),
}


class Source(NamedTuple):
    """Evaluation of a cell, for every row and run: which clips, scored after which training."""

    benchmark: str
    setting: str
    evaluation: str
    drawn: bool = False  # trained on a draw of clips: one record per seed and draw
    subset: str = ""  # of the evaluation's clips, the record's or one of the ledger's strata;
    # {draw} stands for the run's

    def key(self, row: str, run: Run) -> Key:
        """Key of the record of a row and run."""
        return Key(row, self.benchmark, self.setting, run[0], run[1] if self.drawn else None)


UNSEEN = Source("v3", "0-shot", "unseen")


class Part(NamedTuple):
    """One score; its metric is a name of METRICS or, for boxes, figure/rule/shape."""

    source: Source
    metric: str


def _alone(part: Part, by_run: Sequence[Terms]) -> bool:
    """Whether a stratum has clips of one video only, which have no spread."""
    return part.source.subset in STRATA and len({v for t in by_run for v in t.video}) < 2


class Ledger:
    """Scores of all records; the last few that were read stay in memory."""

    def __init__(
        self,
        records: Mapping[Key, Stored],
        strata: Mapping[str, Collection[str]] | None = None,
        planned: Callable[[str, Sequence[Run]], Sequence[Run]] = lambda row, runs: runs,
    ) -> None:
        """Hold the records.

        Args:
            strata: clips, whatever the record (`strata_of`): name -> uids.
            planned: which of some runs a row has (`Plan.planned`).
        """
        self.records, self.strata = records, strata or {}
        self.planned = planned
        self.used: dict[Key, Record] = {}  # records that a table has asked for
        # Rows that take part in no verdict, by metric, then row and benchmark: what they aren't
        # above.
        self.below: Mapping[str, Mapping[tuple[str, str], str]] = {}
        self._terms: dict[tuple, Terms | float] = {}
        self._read = lru_cache(maxsize=8)(lambda key: self.records[key].scores())
        self._restricted = lru_cache(maxsize=8)(self._restrict)
        self._videos: dict[bytes, np.ndarray] = {}  # one array for all scores of the same videos
        self._sample = lru_cache(maxsize=1024)(self._sampled)
        self._threshold = cache(self._best_threshold)

    def record(self, row: str, source: Source, run: Run) -> Record | None:
        """Record of a row and run, if there is one."""
        key = source.key(row, run)
        if key not in self.records:
            return None
        return self.used.setdefault(key, self.records[key].record)

    def runs(self, row: str, parts: Sequence[Part], runs: Sequence[Run]) -> tuple[Run, ...]:
        """Select the runs for which every part has been measured."""
        return tuple(
            run
            for run in runs
            if all(
                (record := self.record(row, part.source, run))
                and part.source.evaluation in record.evaluations
                and (part.metric not in CHOSEN or self._validated(row, part.source))
                and (part.source.subset not in STRATA or part.source.subset in self.strata)
                for part in parts
            )
        )

    def not_above(self, row: str, source: Source, metric: str = "miou") -> str | None:
        """What a row isn't above where the models of a source learned; None: it has standing.

        AVS-V3's floor is on unseen classes, which shots teach: models with shots stand without it.
        """
        home = "v2" if source.benchmark.startswith("vggss") else source.benchmark
        than = self.below.get(metric, {}).get((row, home))
        return None if (than, home, source.drawn) == (FLOOR, "v3", True) else than

    def _validated(self, row: str, source: Source) -> list[Key]:
        """List the records with scores of validation clips that choose the threshold of a row and
        source: one for all runs. Few shots leave no clips to validate on: theirs is the 0-shot
        models'."""
        few = source.setting.endswith(("-shot", "-shot-control"))
        setting = "0-shot" if few else source.setting
        return [
            key
            for key, stored in self.records.items()
            if (key.row, key.benchmark, key.setting) == (row, source.benchmark, setting)
            and self.planned(row, [(key.seed, key.draw)])
            and VALIDATION in stored.record.evaluations
        ]

    def threshold(self, row: str, source: Source, metric: str) -> float | None:
        """Threshold of a metric of CHOSEN, one for all runs of a row, setting and benchmark; None
        where a record lacks the scores of its validation clips."""
        runs = self._validated(row, source)
        return self._threshold(tuple(runs), CHOSEN[metric]) / (STEPS - 1) if runs else None

    def scores(self, row: str, source: Source, run: Run) -> Scores:
        """Per-frame counts of a row and run.

        Raises:
            KeyError: there is no such record.
            RecordError: the record lacks the subset.
        """
        return self._restricted(
            source.key(row, run), source.evaluation, source.subset.format(draw=run[1])
        )

    def sample(self, row: str, part: Part, runs: tuple[Run, ...]) -> Sample:
        """A score of a row, by run; every run must have been measured."""
        return self._sample(row, part, runs)

    def _sampled(self, row: str, part: Part, runs: tuple[Run, ...]) -> Sample:
        by_run: list[Any] = [self._reduce(row, part, run) for run in runs]
        if isinstance(by_run[0], Terms) and not _alone(part, by_run):
            return sample(by_run, runs)
        values = [score.value if isinstance(score, Terms) else score for score in by_run]
        return unsampled(values, runs)

    def _reduce(self, row: str, part: Part, run: Run) -> Terms | float:
        source = part.source
        place = (source.key(row, run), source.subset.format(draw=run[1]), part)
        if place not in self._terms:
            scores: Any = self.scores(row, source, run)
            score: Terms | float
            if part.metric in CHOSEN:
                threshold = self.threshold(row, source, part.metric) or 0.0
                score = terms_at(scores, CHOSEN[part.metric], round(threshold * (STEPS - 1)))
            else:
                score = _metric(part.metric)(scores)
            if isinstance(score, Terms):
                score = score.by_video()
                key = sha256(score.video.tobytes()).digest()
                score = replace(score, video=self._videos.setdefault(key, score.video))
            self._terms[place] = score
        return self._terms[place]

    def _best_threshold(self, keys: Sequence[Key], metric: str) -> int:
        scores: list[Any] = [self._read(key)[VALIDATION] for key in keys]  # of masks
        return best_threshold(scores, metric)

    def _restrict(self, key: Key, evaluation: str, subset: str) -> Scores:
        stored = self.records[key]
        scores = self._read(key)[evaluation]
        if not subset:
            return scores
        if subset in STRATA:
            return restrict(scores, set(self.strata[subset]) & set(scores.uid))
        try:
            return restrict(scores, stored.record.subsets[subset])
        except (KeyError, ValueError) as error:
            raise RecordError(
                f"{stored.path}: subset '{subset}' of '{evaluation}': {error}; {REMEDY}"
            ) from error


def _metric(name: str) -> Callable[[Scores], Terms | float]:
    if name in METRICS:
        return METRICS[name]
    choices: dict[str, Any] = dict(zip(("figure", "rule", "shape"), name.split("/"), strict=True))
    return partial(box_terms, **choices)
