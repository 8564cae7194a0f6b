"""Files of the report: from the records to everything below `params.results`."""

import json
import logging
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pandas as pd

from benchmarks.common.files import locked
from benchmarks.common.publish import publish
from benchmarks.common.tables import latex
from benchmarks.data.index import load_index
from benchmarks.experiments import SPECS
from benchmarks.features.layout import frames_checksum
from benchmarks.grid.workbench import Workbench
from benchmarks.miniature.sheet import contact_sheet
from benchmarks.params import Params
from benchmarks.predictions.imported import Imported, read_imported
from benchmarks.report import exports
from benchmarks.report.agreement import agreement, agreement_page
from benchmarks.report.claims import claims
from benchmarks.report.dvc_files import headline, plots
from benchmarks.report.layout import Section
from benchmarks.report.ledger import Ledger
from benchmarks.report.page import images, overlay_images, page, table_page
from benchmarks.report.plan import Plan, plan_of
from benchmarks.report.provenance import provenance
from benchmarks.report.qualitative import qualitative
from benchmarks.report.readme_leaderboard import RESULTS, fill_readme, leaderboard
from benchmarks.report.splits_page import splits_page
from benchmarks.report.standing import standings
from benchmarks.report.strata import strata_of
from benchmarks.report.study import MANIFEST, RUNS
from benchmarks.report.style import png
from benchmarks.report.verdicts import (
    Studies,
    claims_csv,
    current,
    read_studies,
    verdicts_page,
)
from benchmarks.report.web.beside import ALONE, Beside, beside
from benchmarks.report.web.build import build
from benchmarks.scoring.records import Key, RecordError, Stored, load_records
from gavs.reading import reading

log = logging.getLogger(__name__)


def write_report(params: Params) -> Path:
    """Write tables and figures from the records that exist, with "–" for the rest.

    Nothing is written until all content has been read and made. Files of an earlier report in this
    folder that this one doesn't make are removed, and no others. Returns the page of tables.

    Raises:
        RecordError: there is no record of this profile, one is of other clips than the index has, a
            file below its records can't be used, or the folder holds another profile's tables.
    """
    plan, results = plan_of(params), params.results
    records = read(params.work / "records", plan)
    index, bench = load_index(params.shared / "index.csv"), Workbench(params)
    _of_these_clips(records, index, params.work / "records")
    # Of the first seed: another profile that has its models draws them.
    qualities = qualitative(plan, records, index) if params.work_of is None else {}
    figures = {name: png(figure) for name, figure in qualities.items()}
    overlays = [name for name in figures if name.startswith("overlays")]
    origin = provenance(params)
    plan = replace(plan, study=plan.study.beside(origin["recipes"]))
    contents = tables(
        records,
        plan,
        strata=strata_of(index, bench.clip_sets),
        studies=read_studies(results),
        index=index,
        bench=bench if params.work_of is None else None,
        overlays=overlays,
        neighbour=beside(params, origin["recipes"]),
    )
    if params.world is not None and params.work_of is None:
        with tempfile.TemporaryDirectory() as folder:
            sheet = Path(folder, "sheet.png")
            contact_sheet(params.data.root, sheet, params.data.vggss)
            figures["miniature"] = sheet.read_bytes()
    contents |= {f"figures/{name}.png": content for name, content in figures.items()}
    contents["splits.md"] = splits_page(params, bench.clip_sets)
    origin |= {"files": sorted(contents)}
    contents[MANIFEST] = json.dumps(origin, indent=1, sort_keys=True) + "\n"
    with locked(params.work / "report.lock", "report"):
        earlier = _listed(results / MANIFEST, plan.profile)
        publish(results, contents, obsolete=set(earlier) - set(contents))
        if results == RESULTS:
            fill_readme(Path("README.md"), str(contents.get("tables/leaderboard.md", "")))
    return results / "tables.md"


def _of_these_clips(records: Mapping[Key, Stored], index: pd.DataFrame, records_root: Path) -> None:
    """Refuse records of other clips; imports are left out where the tables name them."""
    now = frames_checksum(index)
    others = [
        str(key)
        for key, stored in records.items()
        if not isinstance(stored.record, Imported) and stored.record.checksums.index != now
    ]
    if others:
        raise RecordError(
            f"{records_root}: {len(others)} of {len(records)} records, first {others[0]}, are of "
            "other clips than the index has now; make them with `dvc repro`, or `launch` for a "
            "profile of more seeds"
        )


def read(records_root: Path, plan: Plan) -> dict[Key, Stored]:
    """Read the records of the rows that the plan's lists name, and of those that were imported.

    Raises:
        RecordError: a file below `records_root` or of an import can't be used, there is none, or
            an import has a trained row's name.
    """
    records = load_records(plan.folders(records_root), plan.profile)
    if not records:
        raise RecordError(
            f"{records_root}: no record of profile {plan.profile!r} that the tables ask for; make "
            "them with `dvc repro`, or set `profile` to one that has been run"
        )
    imported = read_imported(records_root.with_name("imported"), plan.profile)
    if both := sorted(map(str, records.keys() & imported.keys())):
        raise RecordError(
            f"{records_root.with_name('imported')}: {both[0]} was imported, and params.yaml has a "
            "row of this name now; rename that, or delete the import and import by another name"
        )
    return records | imported


def tables(
    records: Mapping[Key, Stored],
    plan: Plan,
    *,
    strata: Mapping[str, Collection[str]] | None = None,
    studies: Studies | None = None,
    index: pd.DataFrame | None = None,
    bench: Workbench | None = None,
    overlays: Sequence[str] = (),
    neighbour: Beside = ALONE,
) -> dict[str, str | bytes]:
    """Make every table, its figures and the pages, by path below the results.

    Args:
        strata: clips that a table looks at alone (`strata_of`).
        studies: verdicts of pairs under other worlds and weights (`read_studies`).
        index: of the clips; None: without the page to explore.
        bench: where the models are that draw this page's clips; None: without clips.
        overlays: names of the figures of masks, which are made elsewhere.
        neighbour: the page that stands beside this one, and its clips.
    """
    ledger = Ledger(records, strata, plan.planned)
    ledger.below = standings(plan, ledger)
    sections = lay_out(plan, ledger)
    measured = [section.table for section in sections if section.table]
    first = next((table for table in measured if table.name == "table1"), None)
    elsewhere = current(studies, first) if studies and first else {}
    judged = claims(plan, ledger, elsewhere)
    agreed = agreement(plan.study, measured, judged)
    contents: dict[str, str | bytes] = {
        "tables.md": page(plan, sections, ledger.used, judged, overlays, agreed),
        "summary.json": exports.summary(plan, measured),
        "verdicts.md": verdicts_page(plan, judged, ledger.below, measured),
        "tables/claims.csv": claims_csv(judged),
        RUNS: exports.by_run(measured),
    }
    if agreed:
        log.info("beside the study: %s", agreed.summary)
        contents["agreement.md"] = agreement_page(agreed)
    for section in sections:
        contents[f"tables/{section.name}.md"] = table_page(section)
        contents[f"tables/{section.name}.csv"] = section.csv
        if section.grid:
            contents[f"tables/{section.name}.tex"] = latex(section.grid)
        for name, draw in section.figures.items():
            contents[f"figures/{name}.png"] = png(draw())
        if section.name == "table1" and section.table:
            contents["tables/leaderboard.md"] = leaderboard(plan, section.table)
    by_name = {section.name: section.table for section in sections if section.table}
    contents["headline.json"] = headline(plan, by_name, judged)
    contents |= {f"plots/{name}": text for name, text in plots(plan, ledger, by_name).items()}
    if index is not None:
        shown = {path: text for s in sections for part in s.parts for text, path in images(part)}
        shown |= {path: text for text, path in overlay_images(overlays)}
        contents |= build(plan, ledger, by_name, judged, index, bench, shown, neighbour)
    return contents


def lay_out(plan: Plan, ledger: Ledger) -> list[Section]:
    """Lay out the tables that have a row, in the order of tables.md, each by a module of this
    package."""
    first, *others = filter(plan.shows, SPECS)
    names = [first, "rosetta", *others]  # Table 1's predictions once more, by other rules
    sections = [import_module(f"benchmarks.report.{n}").section(plan, ledger) for n in names]
    return [*sections, *import_module("benchmarks.report.imported").sections(plan, ledger)]


def _listed(manifest: Path, profile: str) -> list[str]:
    """List the files of an earlier report; none without one.

    Raises:
        RecordError: the manifest can't be read, or is another profile's.
    """
    if not manifest.exists():
        return []
    remedy = "restore it from git, or delete it (the files of that report then stay)"
    with reading(manifest, RecordError, "as a report's manifest", remedy):
        content = json.loads(manifest.read_text(encoding="utf-8"))
        owner, files = content["profile"], content.get("files", [])
        if not all(isinstance(name, str) for name in files):
            raise ValueError("files: expected a list of paths")
    if owner != profile:
        raise RecordError(
            f"{manifest.parent}: holds the tables of profile {owner!r}, and profile {profile!r} "
            "would write over them; set `results` to a folder of its own"
        )
    return files
