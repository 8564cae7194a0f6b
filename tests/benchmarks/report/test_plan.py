import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.cli import main
from benchmarks.common.checks import merge
from benchmarks.experiments import EXPERIMENTS, SPECS, Spec
from benchmarks.grid.protocol import cells_of, evaluations_of
from benchmarks.params import TABLES, build, load
from benchmarks.params.files import read_values
from benchmarks.report.layout import Section
from benchmarks.report.ledger import Ledger
from benchmarks.report.measure import read_paper
from benchmarks.report.plan import RECREATED, plan_of
from benchmarks.report.write import lay_out
from benchmarks.scoring.records import Key, RecordError

PARAMS = Path(__file__).parents[3] / "params.yaml"
PROFILES = [PARAMS, *(PARAMS.parent / f"profiles/{name}.yaml" for name in ("study", "unseen"))]
WITHOUT = [{"vggss": None, "vggsound": None}, {"vggsound": None}]  # data that some don't have
CASES = [*((path, {}) for path in PROFILES), *((PARAMS, {"data": data}) for data in WITHOUT)]


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


@pytest.mark.parametrize("path, changes", CASES)
def test_the_tables_ask_for_the_cells_of_the_protocol_and_no_others(path, changes):
    """With no record at all, what is missing is every cell that the parameters ask for."""
    params = build(merge(read_values(path), changes))
    plan = plan_of(params)
    ledger = Ledger({}, planned=plan.planned)
    tables = [section.table for section in lay_out(plan, ledger) if section.table]
    missing = {key for table in tables for key in table.missing}
    asked = {
        Key(cell.row, cell.benchmark, cell.setting, cell.seed, cell.draw)
        for table in TABLES
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
    }
    assert missing == asked


@pytest.mark.parametrize("path, changes", CASES)
def test_the_tables_ask_for_evaluations_that_the_protocol_makes(path, changes):
    params = build(merge(read_values(path), changes))
    plan, ledger = plan_of(params), Ledger({})
    made = {
        (cell.benchmark, cell.setting, evaluation.name)
        for table in TABLES
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
        for evaluation in evaluations_of(params, cell)
    }
    for section in lay_out(plan, ledger):
        blocks = section.table.blocks if section.table else []
        for column in (column for block in blocks if block.rows for column in block.columns):
            for part in column.parts:
                source = part.source
                assert (source.benchmark, source.setting, source.evaluation) in made


def test_a_new_table_is_an_entry_and_a_module(monkeypatch, capsys):
    extra = ModuleType("benchmarks.report.extra")
    extra.section = lambda plan, ledger: Section("extra", ["## Extra"], "a,b\n")
    monkeypatch.setitem(sys.modules, "benchmarks.report.extra", extra)
    monkeypatch.setitem(SPECS, "extra", Spec("extra", "extra", ("train",), "v2"))
    sections = lay_out(plan_of(load(PARAMS)), Ledger({}))
    assert [s.name for s in sections] == ["table1", "rosetta", *list(SPECS)[1:]]
    assert read_paper("extra") == {}
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "ablations, extra" in " ".join(capsys.readouterr().out.split())


def test_every_table_has_a_readme():
    for spec in SPECS.values():
        assert (EXPERIMENTS / spec.folder / "README.md").is_file()


@pytest.mark.parametrize(
    "lines, reason",
    [
        ("GAVS,v2,train,miou,high", "could not convert"),
        ("GAVS,v2,train,miou,1\nGAVS,v2,train,miou,2", "gavs, v2, train, miou twice"),
        ("Nobody,v2,train,miou,1", "nobody"),
    ],
)
def test_a_broken_line_of_the_papers_figures_names_its_file(tmp_path, monkeypatch, lines, reason):
    (tmp_path / "table1_avs_benchmarks").mkdir()
    path = tmp_path / "table1_avs_benchmarks/paper.csv"
    path.write_text(f"method,benchmark,setting,metric,value\n{lines}\n")
    monkeypatch.setattr("benchmarks.experiments.EXPERIMENTS", tmp_path)
    with pytest.raises(RecordError, match=f"paper.csv: can't be read as the paper's.*{reason}"):
        read_paper("table1")
