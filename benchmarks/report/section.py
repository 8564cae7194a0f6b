"""What each table's file hands to the page, and to the exports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from benchmarks.common.tables import Grid
from benchmarks.report.measure import Table


@dataclass(frozen=True)
class Section:
    """One table of the report."""

    name: str  # of its files: tables/{name}.csv and .tex
    parts: list[str]  # paragraphs, grids and images of tables.md, in order; empty ones are left out
    csv: str
    grid: Grid | None = None  # what a paper would print: LaTeX
    table: Table | None = None  # for summary.json
    figures: Mapping[str, Figure] = field(default_factory=dict)  # file name -> figure
