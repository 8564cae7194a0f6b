"""Profiles that share a work folder: one set of cells, found by fingerprint."""

import json
from pathlib import Path

from benchmarks.grid.cells import run_cell
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.protocol import Cell, cells_of
from benchmarks.grid.workbench import Workbench
from benchmarks.launch.jobs import Job, Progress
from benchmarks.params import TABLES, load

CELL = Cell("table1", "oracle_click", "oracle_click", "v1s", "train", 0)
MORE = """\
extends: smoke
work_of: smoke
profile: more
results: work/more/results
seeds: [0, 1, 2]
more_seeds: {rows: [gavs], seeds: [5]}
"""


def test_more_seeds_change_no_fingerprint_of_a_cell(project, edit):
    def prints(params):
        bench, stages = Workbench(params), [(t, s) for t in TABLES for s in params.table_rows(t)]
        cells = [cell for place in stages for cell in cells_of(params, *place)]
        return {cell: fingerprint(bench.fingerprints.record(cell)) for cell in cells}

    edit("seeds", [0])
    edit("protocol.draws", [0, 1, 2])
    few = prints(load())
    edit("seeds", [0, 1, 2])
    edit("more_seeds", {"rows": ["gavs"], "seeds": [5]})
    many = prints(load())
    assert few == {cell: many[cell] for cell in few} and len(many) > 2 * len(few)


def test_a_profile_finds_the_runs_of_another(project, tmp_path):
    """`work` being a link to another disk."""
    Path("work").rename(tmp_path / "disk")
    Path("work").symlink_to(tmp_path / "disk")
    run_cell(Workbench(load()), CELL)
    path = project / "profiles/more.yaml"
    path.parent.mkdir()
    path.write_text(MORE)
    progress, job = Progress(load(path)), Job("one", "train", (), (CELL,))
    assert progress.finished(job)
    progress.record([job])
    first, second = (
        Path("work", name, "records/table1/oracle_click", CELL.file_stem)
        for name in ("smoke", "more")
    )
    assert first.with_suffix(".npz").samefile(second.with_suffix(".npz"))
    records = [json.loads(p.with_suffix(".json").read_text()) for p in (first, second)]
    assert [record.pop("profile") for record in records] == ["smoke", "more"]
    assert len({record["run"].pop("checksum") for record in records}) == 2  # of the whole record
    assert records[0] == records[1]
    assert [path.name for path in Path("work/more").iterdir()] == ["records"]
