"""The study's numbers, which stand beside the default's: one seed beside several.

The study (`results/study`) has the default's cells of the first seed among its own, so a default
run measures a part of what is committed again; on another machine it says how far one may differ.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.common.lines import read_lines
from benchmarks.common.tables import PERCENT
from benchmarks.experiments import SPECS
from benchmarks.report.measure import Column
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from gavs.reading import reading

MANIFEST = "provenance.json"  # of a report, among its files
FOLDER = "study"  # below the default's results
RUNS = "tables/runs.csv"  # of a report: its judged scores run by run
BY_RUN = ["table", "method", "where", "measure", "unit", "seed", "draw", "value"]
REMEDY = "resolve its conflict, restore it from git, or delete it"
PLACE = ("method", "where", "measure")  # of a score in a table
SCORES: dict[str, type] = dict.fromkeys([*PLACE, "unit"], str)
SCORES |= dict.fromkeys(["value", "sd", "low", "high", "runs"], float)
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
        for line in lines_of(folder / "tables" / f"{name}.csv", SCORES, PLACE):
            factor = _factor(line.unit)
            figures = (line.value / factor, line.low / factor, line.high / factor)
            if pd.notna(line.runs):
                place = (name, line.method, f"{line.where} {line.measure}")
                scores[place] = Interval(*figures, line.sd / factor, int(line.runs))
    runs: dict[Place, dict[tuple[int, str], float]] = {}
    kinds = dict.fromkeys(BY_RUN, str) | {"seed": int, "value": float}
    for line in lines_of(folder / RUNS, kinds, ("table", *PLACE, "seed", "draw")):
        place = (line.table, line.method, f"{line.where} {line.measure}")
        runs.setdefault(place, {})[line.seed, line.draw] = line.value / _factor(line.unit)
    claims = lines_of(folder / "tables" / "claims.csv", {"claim": str, "verdict": str}, ["claim"])
    manifest = folder / MANIFEST
    recipes = read_manifest(manifest).recipes if manifest.is_file() else {}
    return Study(scores, runs, {line.claim: line.verdict for line in claims}, recipes)


def _factor(unit: Any) -> int:
    """What a score of 0..1 was multiplied by to have this unit."""
    return PERCENT.factor if unit == PERCENT.name else 1


def lines_of(path: Path, columns: Mapping[str, type], key: Sequence[str]) -> list[Any]:
    """Read the lines of a CSV as `common.lines` does; none without a file.

    Raises:
        RecordError: it isn't as expected.
    """
    if not path.is_file():
        return []
    with reading(path, RecordError, "as a study's numbers", REMEDY):
        frame = read_lines(path.read_text(encoding="utf-8"), columns, key)
    return list(frame.itertuples())


class Manifest(NamedTuple):
    """What `provenance` says of committed tables."""

    profile: str
    recipes: Mapping[str, str]


def read_manifest(path: Path) -> Manifest:
    """Read a report's manifest.

    Raises:
        RecordError: it can't be read.
    """
    with reading(path, RecordError, "as a report's manifest", REMEDY):
        content = json.loads(path.read_text(encoding="utf-8"))
        given = content if isinstance(content, dict) else {}
        profile, recipes = given.get("profile"), given.get("recipes")
        if not isinstance(profile, str) or not isinstance(recipes, dict):
            raise ValueError("no profile or no recipes in it")
    return Manifest(profile, recipes)
