"""The study's numbers, which stand beside the default's: one seed beside several.

The study (`results/study`) has the default's cells of the first seed among its own, so a default
run measures a part of what is committed again; on another machine it says how far one may differ.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.common.tables import PERCENT
from benchmarks.experiments import SPECS
from benchmarks.scoring.records import RecordError
from benchmarks.scoring.statistics import Interval
from gavs.reading import reading

FOLDER = "study"  # below the default's results
REMEDY = "restore it from git, or delete the folder"


@dataclass(frozen=True)
class Study:
    """Scores (0..1) of a study by table, row and column, and its verdicts by claim."""

    scores: Mapping[tuple[str, str, str], Interval] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)


def read_study(folder: Path) -> Study:
    """Read what a study left in its tables; nothing where there is no such folder.

    Raises:
        RecordError: a file can't be read.
    """
    scores: dict[tuple[str, str, str], Interval] = {}
    for name in SPECS:
        for line in _lines(folder / "tables" / f"{name}.csv"):
            factor = PERCENT.factor if line.unit == PERCENT.name else 1
            figures = (line.value / factor, line.low / factor, line.high / factor)
            if pd.notna(line.runs):
                place = (name, line.method, f"{line.where} {line.measure}")
                scores[place] = Interval(*figures, line.sd / factor, int(line.runs))
    claims = _lines(folder / "tables" / "claims.csv")
    return Study(scores, {line.claim: line.verdict for line in claims})


def _lines(path: Path) -> list:
    if not path.is_file():
        return []
    with reading(path, RecordError, "as a study's numbers", REMEDY):
        return list(pd.read_csv(io.StringIO(path.read_text(encoding="utf-8"))).itertuples())
