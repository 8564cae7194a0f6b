"""The study's numbers, which stand beside the default's: one seed beside several.

The study (`results/study`) has the default's cells of the first seed among its own, so a default
run measures a part of what is committed again; on another machine it says how far one may differ.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common.tables import PERCENT
from benchmarks.experiments import SPECS
from benchmarks.report.measure import Column
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from gavs.reading import reading

FOLDER = "study"  # below the default's results
RUNS = "tables/runs.csv"  # of a report: its judged scores run by run
BY_RUN = ["table", "method", "where", "measure", "unit", "seed", "draw", "value"]
REMEDY = "restore it from git, or delete it"
SCORES = ("method", "where", "measure", "unit", "value", "sd", "low", "high", "runs")
Place = tuple[str, str, str]  # table, row and column
ByRun = Mapping[tuple[int, str], float]  # training seed and draw, "" without one -> score


@dataclass(frozen=True)
class Study:
    """Scores (0..1) of a study, its verdicts by claim, and its recipes."""

    scores: Mapping[Place, Interval] = field(default_factory=dict)
    runs: Mapping[Place, ByRun] = field(default_factory=dict)  # of the judged scores
    verdicts: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)  # as `provenance` has them
    older: frozenset[str] = frozenset()  # row, benchmark and setting with another recipe here

    def beside(self, recipes: Mapping[str, str]) -> "Study":
        """The study beside a run of these recipes."""
        both = recipes.keys() & self.recipes.keys()
        return replace(
            self, older=frozenset(map(_place, (k for k in both if recipes[k] != self.recipes[k])))
        )

    def score(self, table: str, row: str, column: Column) -> Interval | None:
        """Score of a cell, None where there is none or it is of other code or parameters."""
        sources = (part.source for part in column.parts)
        places = {f"{row} {source.benchmark} {source.setting}" for source in sources}
        return None if places & self.older else self.scores.get((table, row, column.name))


def _place(key: str) -> str:
    """Row, benchmark and setting of a key of `provenance`, whatever the table."""
    _, row, benchmark, *setting = key.split(" ")
    return " ".join([row, benchmark, *(setting or ["train"])])


def read_study(folder: Path) -> Study:
    """Read what a study left in its tables; nothing where there is no such folder.

    Raises:
        RecordError: a file can't be read.
    """
    scores: dict[Place, Interval] = {}
    for name in SPECS:
        for line in read_lines(folder / "tables" / f"{name}.csv", SCORES):
            factor = _factor(line.unit)
            figures = (line.value / factor, line.low / factor, line.high / factor)
            if pd.notna(line.runs):
                place = (name, line.method, f"{line.where} {line.measure}")
                scores[place] = Interval(*figures, line.sd / factor, int(line.runs))
    runs: dict[Place, dict[tuple[int, str], float]] = {}
    for line in read_lines(folder / RUNS, BY_RUN):
        place = (line.table, line.method, f"{line.where} {line.measure}")
        runs.setdefault(place, {})[int(line.seed), line.draw] = line.value / _factor(line.unit)
    claims = read_lines(folder / "tables" / "claims.csv", ("claim", "verdict"))
    manifest, recipes = folder / "provenance.json", {}
    if manifest.is_file():
        with reading(manifest, RecordError, "as a report's manifest", REMEDY):
            recipes = dict(json.loads(manifest.read_text(encoding="utf-8"))["recipes"])
    return Study(scores, runs, {line.claim: line.verdict for line in claims}, recipes)


def _factor(unit: Any) -> int:
    """What a score of 0..1 was multiplied by to have this unit."""
    return PERCENT.factor if unit == PERCENT.name else 1


def read_lines(path: Path, columns: Sequence[str]) -> list[Any]:
    """Read the lines of a CSV that has these columns and perhaps others; none without a file.

    Raises:
        RecordError: it can't be read, or lacks a column.
    """
    if not path.is_file():
        return []
    with reading(path, RecordError, "as a study's numbers", REMEDY):
        text = io.StringIO(path.read_text(encoding="utf-8"))
        frame = pd.read_csv(text, dtype={"draw": str}).fillna({"draw": ""})  # 0, or "official"
        if missing := [name for name in columns if name not in frame]:
            raise ValueError(f"columns {', '.join(missing)} are missing")
    return list(frame.itertuples())
