"""Everything under results/ that follows from records."""

from pathlib import Path

from benchmarks.common.files import write_atomic
from benchmarks.common.tables import latex
from benchmarks.report import (
    ablations,
    exports,
    figure3,
    robustness,
    rosetta,
    table1,
    table2,
    table3,
    table4,
)
from benchmarks.report.figures import png
from benchmarks.report.ledger import Ledger
from benchmarks.report.page import page
from benchmarks.report.plan import Plan
from benchmarks.scoring.records import load_records

SECTIONS = (  # in the order of tables.md
    table1.section,
    rosetta.section,
    table2.section,
    table3.section,
    table4.section,
    figure3.section,
    robustness.section,
    ablations.section,
)


def write_report(records_root: Path, results: Path, plan: Plan) -> list[Path]:
    """Write tables and figures from the records that exist, with "–" for the rest.

    Only rows that the plan's lists name are read, so that a record left over from an older list
    never shows. Returns the files written.

    Raises:
        RecordError: a file below `records_root` can't be used; nothing is written then.
    """
    records = load_records(plan.folders(records_root), plan.profile)
    ledger = Ledger(records, plan.resamples)
    sections = [section(plan, ledger) for section in SECTIONS]
    files: dict[str, str | bytes] = {
        "tables.md": page(plan, sections, ledger.used),
        "summary.json": exports.summary(plan, (s.table for s in sections if s.table)),
    }
    for section in sections:
        files[f"tables/{section.name}.csv"] = section.csv
        if section.grid:
            files[f"tables/{section.name}.tex"] = latex(section.grid)
        for name, figure in section.figures.items():
            files[f"figures/{name}.png"] = png(figure)
    for name, content in files.items():
        write_atomic(results / name, content)
    return [results / name for name in files]
