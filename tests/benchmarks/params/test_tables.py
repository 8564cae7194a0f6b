"""Which rows and cells params.yaml asks of the tables."""

from pathlib import Path

import pytest

from benchmarks.experiments import STAGES
from benchmarks.grid.protocol import cells_of
from benchmarks.params import TABLES, ParamsError, load
from benchmarks.params.profile import profile_file
from benchmarks.report.plan import plan_of
from benchmarks.report.statements import PAIRS

from .conftest import ROOT


@pytest.mark.parametrize("profile", ["miniature", "paper"])
def test_matched_pairs_have_the_same_decoder_and_loss(profile):
    params = load(profile_file(profile, ROOT / "params.yaml"))
    assert {row for pair in PAIRS for row in pair} <= set(params.tables.table1.rows)
    keys = {"cola", "decoder", "mask_loss"}
    made = []
    for pair in PAIRS:
        prompt, fusion = (params.row(row, "v2") for row in pair)
        values = [{key: row.config[key] for key in keys} for row in (prompt, fusion)]
        clips = {"batch_clips": None}  # counts for an operator that sees clips alone
        trainings = [row.training.model_copy(update=clips) for row in (prompt, fusion)]
        assert values[0] == values[1] and trainings[0] == trainings[1]
        made.append(values[0])
    losses = [(v["decoder"], v["cola"]["enabled"], v["mask_loss"]) for v in made]
    assert {*losses} == {
        (decoder, decoder == "frozen", loss)
        for decoder in ("frozen", "full")
        for loss in ("bce", "bce_dice")
    }


def test_an_ablation_of_table_1_is_measured_there_alone():
    """Two records of one place are an error of the report."""
    params = load(ROOT / "params.yaml")
    assert "gavs_full_decoder" in params.ablations["decoder"]
    assert "gavs_full_decoder" not in params.table_rows("ablations")["decoder"]
    stages = [(table, stage) for table in TABLES for stage in params.table_rows(table)]
    cells = [cell for place in stages for cell in cells_of(params, *place)]
    places = [(c.row, c.benchmark, c.setting, c.seed, c.draw) for c in cells]
    assert len(places) == len(set(places))
    folders = plan_of(params).folders(Path("records"))
    assert all(c.row in folders[Path("records", c.table, c.stage)] for c in cells)


def test_paired_rows_stand_in_each_table_of_unseen_foreign_few_and_scarce_clips(changed):
    params = changed({"tables": {"paired": ["sam_fusion_film", "gavs"]}})
    for table, stages in STAGES.items():
        for stage in stages:
            rows = params.table_rows(table)[stage]
            stands = table != "robustness" and stage != "in_set"
            assert rows.count("sam_fusion_film") == stands, (table, stage)
            assert len(rows) == len(set(rows))
    none = changed({"tables": {"paired": ["gavs"], "table4": {"rows": []}}})
    assert none.table_rows("table4") == {"zero_shot": [], "few_shot": []}


def test_ablated_rows_have_0_shot_cells_on_unseen_and_foreign_clips():
    params = load(ROOT / "params.yaml")
    for table, stages in (
        ("table2", ("zero_shot", "few_shot")),
        ("table3", ("zero_shot", "in_set")),
    ):
        zero, other = (params.table_rows(table)[stage] for stage in stages)
        assert {*params.tables.ablated} <= {*zero} and not {*params.tables.ablated} & {*other}
    assert not {*params.tables.ablated} & {*params.table_rows("table4")["zero_shot"]}


def test_ablations_are_where_table_1_trains_their_base(changed):
    """Else their base would have no model, and an ablation of Table 1's list no record."""
    with pytest.raises(ParamsError, match="ablations.benchmark: v2; expected one of table1"):
        changed({"tables": {"table1": {"benchmarks": ["v1s", "v1m"]}}})
    changed({"tables": {"table1": {"benchmarks": ["v1s"]}, "ablations": {"groups": []}}})
    with pytest.raises(ParamsError, match="table1.benchmarks"):
        changed({"tables": {"table1": {"benchmarks": []}}})
