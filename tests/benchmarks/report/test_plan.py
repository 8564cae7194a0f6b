from pathlib import Path

from benchmarks.grid.protocol import cells_of, evaluations_of
from benchmarks.params import TABLES, load
from benchmarks.report import plan_of
from benchmarks.report.ledger import Ledger
from benchmarks.report.plan import RECREATED
from benchmarks.report.write import SECTIONS
from benchmarks.scoring.records import Key

PARAMS = Path(__file__).parents[3] / "params.yaml"


def test_the_plan_of_the_default_parameters():
    params = load(PARAMS)
    plan = plan_of(params)
    kinds = {row: plan.paradigms[row] for row in ("gavs", "audio_sam", "avsbench", "tpavi_sam")}
    assert kinds == dict(zip(kinds, ("prompt", "prompt", "fusion", "fusion"), strict=True))
    assert params.tables.table1.ceiling not in plan.paradigms
    assert plan.notes["audio_sam"] == plan.notes["sam_fusion"] == RECREATED
    assert plan.notes["gavs_no_cue"].startswith("no visual cue")
    assert plan.track("tpavi_sam") == "C" and plan.track("avsbench") == "P"
    assert plan.track("gavs") == "P, C" and plan.track("sam_fusion_add") == ""
    assert plan.draws["v3"] == tuple(params.draws("v3"))


def test_every_record_that_the_parameters_ask_for_is_looked_for():
    params = load(PARAMS)
    folders = plan_of(params).folders(Path("records"))
    for table in ("table1", "table2", "table3", "table4", "figure3", "robustness", "ablations"):
        for stage in params.table_rows(table):
            rows = folders[Path("records") / table / stage]
            assert {cell.row for cell in cells_of(params, table, stage)} <= set(rows)


def test_the_tables_ask_for_the_cells_of_the_protocol_and_no_others():
    """With no record at all, what is missing is every cell that the parameters ask for."""
    params = load(PARAMS)
    plan, ledger = plan_of(params), Ledger({}, 100)
    found = [section(plan, ledger).table for section in SECTIONS]
    missing = {key for table in found if table for key in table.missing}
    asked = {
        Key(cell.row, cell.benchmark, cell.setting, cell.seed, cell.draw)
        for table in TABLES
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
    }
    assert missing == asked


def test_the_tables_ask_for_evaluations_that_the_protocol_makes():
    params = load(PARAMS)
    plan, ledger = plan_of(params), Ledger({}, 100)
    made = {
        (cell.benchmark, cell.setting, evaluation.name)
        for table in TABLES
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
        for evaluation in evaluations_of(params, cell)
    }
    for section in SECTIONS:
        if table := section(plan, ledger).table:
            for column in table.columns.values():
                for part in column.parts:
                    source = part.source
                    assert (source.benchmark, source.setting, source.evaluation) in made
