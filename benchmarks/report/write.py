"""Everything under results/ that follows from records."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data.files import write_atomic
from benchmarks.report import exports, figures
from benchmarks.report import tables as grids
from benchmarks.report.formats import latex
from benchmarks.report.page import page
from benchmarks.report.records import load_records
from benchmarks.report.summary import Plan, read_paper, reduce_scores, summarise
from benchmarks.scoring.statistics import DRAWS

PAPER = Path(__file__).parents[1] / "experiments" / "table1_avs_benchmarks" / "paper.csv"


def write_report(
    records_root: Path,
    results: Path,
    *,
    profile: str,
    seeds: Sequence[int],
    tables: Mapping[str, Any],
    ablations: Mapping[str, Iterable[str]],
    notes: Mapping[str, str],
    floor_seeds: Sequence[int],
    draws: int = DRAWS,
) -> list[Path]:
    """Write tables and figures from the records that exist, with "–" for the rest.

    The ablation table ends with Table 1's GAVS rows: they are variants too, and cost nothing.
    `tables` is the block of params.yaml, `ablations` has the variants of each group, `notes` a line
    on a row. Only rows that the lists name are read, so that a record left over from an older list
    never shows. Returns the files written.

    Raises:
        RecordError: a file in a named row's folder can't be used; nothing is written then.
    """
    first, second = tables["table1"], tables["ablations"]
    base = second["base"]
    groups = {group: list(ablations[group]) for group in second["groups"]}
    common = {"profile": profile, "seeds": seeds, "base": base, "notes": notes}
    ceiling = first["ceiling"]
    plans = [
        Plan(
            benchmarks=first["benchmarks"],
            groups={"published": first["baselines"], "gavs": first["gavs"], "ceiling": [ceiling]},
            ceiling=ceiling,
            floor_seeds=floor_seeds,
            paper=read_paper(PAPER),
            **common,
        ),
        Plan(
            benchmarks=[second["benchmark"]],
            groups={
                "base": [base],
                **groups,
                "table 1": [r for r in first["gavs"] if r != base],
            },
            **common,
        ),
    ]
    rows = dict.fromkeys([*plans[0].rows, base])  # the ablations' base is a row of Table 1
    folders = [records_root / "table1" / row for row in rows]
    folders += [records_root / "ablations" / group for group in groups]
    wanted = {key for plan in plans for key in plan.keys()}
    found = load_records(folders, profile)
    records = {key: stored for key, stored in found.items() if key in wanted}
    scores = {key: reduce_scores(stored) for key, stored in records.items()}
    table1, ablation = (summarise(plan, records, scores, draws) for plan in plans)

    files: dict[str, str | bytes] = {
        "tables.md": page(table1, ablation, {k: stored.record for k, stored in records.items()}),
        "summary.json": exports.summary(table1, ablation),
        "tables/table1.csv": exports.csv(table1),
        "tables/table1.tex": latex(grids.overview(table1)),
        "tables/ablations.csv": exports.csv(ablation),
        "tables/ablations.tex": latex(grids.ablations(ablation)),
        "figures/table1.png": figures.png(figures.dots(table1)),
        "figures/training_curves.png": figures.png(figures.training_curves(table1)),
        "figures/ablations.png": figures.png(figures.forest(ablation)),
    }
    for name, content in files.items():
        write_atomic(results / name, content)
    return [results / name for name in files]
