"""The tables: each stands once here, and the cells, the help and the report follow.

A new table is an entry here, its block under `tables` (`TablesParams`, params.yaml), a module of
its name in benchmarks/report/ that lays it out, and a stage in dvc.yaml; the paper's figures lie in
its folder here.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

EXPERIMENTS = Path(__file__).parent


@dataclass(frozen=True)
class Spec:
    """A table of cells: what it is called, and where its parts are."""

    name: str  # of its block under `tables`, its folder of records, its module in report/
    folder: str  # below EXPERIMENTS: README.md and, where the paper has figures, paper.csv
    stages: tuple[str, ...] = ()  # folders of its records; empty: one per row or group
    benchmark: str | None = None  # None: its block names it


SPECS = {
    spec.name: spec
    for spec in (  # in the order of tables.md
        Spec("table1", "table1_avs_benchmarks"),
        Spec("table2", "table2_unseen_classes", ("zero_shot", "few_shot"), "v3"),
        Spec("table3", "table3_cross_dataset", ("zero_shot", "in_set"), "vggss"),
        Spec("table4", "table4_few_shot_transfer", ("zero_shot", "few_shot"), "vggss_sub"),
        Spec("figure3", "figure3_data_fraction", ("fractions",), "v2"),
        Spec("robustness", "robustness", ("negatives",)),
        Spec("ablations", "ablations"),
    )
}
STAGES = {spec.name: spec.stages for spec in SPECS.values() if spec.stages}
BENCHMARK_OF = {spec.name: spec.benchmark for spec in SPECS.values() if spec.benchmark}


def paper_csv(table: str) -> Path | None:
    """Where the paper's figures of a table lie; None where it has none."""
    path = EXPERIMENTS / SPECS[table].folder / "paper.csv" if table in SPECS else None
    return path if path and path.is_file() else None


def csv_lines(path: Path) -> list[dict[str, str]]:
    """Lines of a CSV, by column."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
