"""Every cell in one job, every model trained by one job, and no job before those that it needs."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli.parser import command_parser
from benchmarks.common.checks import merge
from benchmarks.grid.protocol import cells_of, model_of
from benchmarks.launch.command import _selected, planned, refuse_other_recipes
from benchmarks.launch.job import LaunchError
from benchmarks.launch.jobs import Job, jobs_of, recipe
from benchmarks.params import TABLES, Params, build
from benchmarks.params.cluster import SPLIT, Part
from benchmarks.params.files import read_yaml


def _named(jobs: list[Job]) -> dict[str, Job]:
    assert len({job.name for job in jobs}) == len(jobs)
    return {job.name: job for job in jobs}


def _split(params: Params, train: list[Part], others: list[Part]) -> Params:
    """With a training job, or another, for each combination of these."""
    splits = {"train": train, "score": others, "few_shot": others}
    stages = {
        name: own.model_copy(update={"split": splits.get(name, [])})
        for name, own in params.cluster.stages.items()
    }
    cluster = params.cluster.model_copy(update={"stages": stages})
    return params.model_copy(update={"cluster": cluster})


@pytest.fixture
def finest(params) -> Params:
    """A job for each row, benchmark and seed."""
    return _split(params, list(SPLIT), list(SPLIT))


CHOICES = [list(chosen) for n in range(len(TABLES)) for chosen in combinations(TABLES, n + 1)]


@pytest.mark.parametrize(
    ("train", "others"), [(SPLIT, SPLIT), (["row"], []), ([], ["seed"]), (["benchmark"], SPLIT)]
)
def test_each_cell_and_model_has_one_job_after_those_that_it_needs(params, train, others):
    """For every choice of tables."""
    params = _split(params, list(train), list(others))
    for tables in CHOICES:
        jobs = _named(jobs_of(params, tables))
        asked = [
            c for t in tables for stage in params.table_rows(t) for c in cells_of(params, t, stage)
        ]
        assert sorted(map(str, asked)) == sorted(str(c) for j in jobs.values() for c in j.cells)
        trained = [model for job in jobs.values() for model in job.trains]
        assert len(trained) == len(set(trained))
        order = list(jobs)
        for job in jobs.values():
            for name in job.needs:
                assert jobs[name].wave < job.wave
                assert order.index(name) < order.index(job.name)
            there = {model for name in (job.name, *job.needs) for model in jobs[name].trains}
            for model in map(model_of, job.cells):
                assert model in there
                # Trained here, by a job that this one needs, or by one that those need.
                assert model.parent is None or model.parent in there


@pytest.mark.parametrize("split", [SPLIT, ["row"], ["benchmark", "seed"], []])
def test_a_command_selects_its_cells_and_no_other(params, split):
    """By the rule of `run`: a stage's cells of one benchmark, row and seed, where given."""
    params, parser = _split(params, list(split), list(split)), command_parser()
    for tables in (list(TABLES), ["table3", "table4"]):
        for job in jobs_of(params, tables):
            if job.cells:
                chosen = parser.parse_args(job.arguments)
                assert list(job.cells) == [
                    cell
                    for cell in cells_of(params, chosen.table, chosen.stage)
                    if chosen.benchmark in (None, cell.benchmark)
                    and chosen.row in (None, cell.row)
                    and chosen.seed in (None, cell.seed)
                ]


def test_coarser_jobs(params):
    jobs = _named(jobs_of(_split(params, ["row"], []), list(TABLES)))
    gavs = jobs["table1-gavs"]
    assert gavs.arguments == ("run", "table1", "gavs", "--row", "gavs")
    assert {(cell.benchmark, cell.seed) for cell in gavs.cells} == {
        (benchmark, seed) for benchmark in ("v1s", "v1m", "v2") for seed in (0, 1)
    }
    scored = jobs["table3-zero_shot"]
    assert scored.arguments == ("run", "table3", "zero_shot")
    assert scored.needs == ("features", "table1-gavs", "table1-sam_fusion")


def test_a_stage_that_trains_only_some_rows_has_the_finest_jobs(params):
    tables = {"table1": {"controlled": []}, "table3": {"rows": ["tpavi_sam", "gavs"]}}
    params = build(merge(read_yaml(Path("params.yaml")), {"tables": tables}))
    jobs = _named(jobs_of(_split(params, [], []), ["table1", "table3"]))
    assert jobs["table3-zero_shot-tpavi_sam-vggss-seed0"].stage == "train"
    assert jobs["table3-zero_shot-gavs-vggss-seed0"].stage == "score"


def test_the_order_of_one_row(finest):
    jobs = _named(jobs_of(finest, list(TABLES)))
    v2 = jobs["table1-gavs-v2-seed0"]
    assert (v2.stage, v2.wave, v2.needs) == ("train", 2, ("features",))
    assert {cell.setting for cell in v2.cells} == {"train", "floor"}
    few = jobs["table4-few_shot-gavs-vggss_sub-seed1"]
    assert (few.stage, few.wave) == ("few_shot", 3)
    assert few.needs == ("features", "table1-gavs-v2-seed1")
    assert {cell.setting for cell in few.cells} == {"1-shot", "1-shot-control"}
    assert jobs["table2-few_shot-gavs-v3-seed0"].needs[1] == "table2-zero_shot-gavs-v3-seed0"
    for name in ("table3-zero_shot-gavs-vggss-seed0", "robustness-negatives-gavs-v2-seed0"):
        assert (jobs[name].stage, jobs[name].needs[1]) == ("score", "table1-gavs-v2-seed0")
    assert jobs["ablations-alignment-gavs_infonce-v2-seed1"].stage == "train"


def test_without_table_1_another_table_trains_the_v2_models(finest):
    jobs = _named(jobs_of(finest, ["table3", "table4"]))
    first = jobs["table3-zero_shot-gavs-vggss-seed0"]
    assert first.stage == "train"
    assert jobs["table4-zero_shot-gavs-vggss_sub-seed0"].needs == ("features", first.name)
    assert jobs["table4-few_shot-gavs-vggss_sub-seed0"].needs == ("features", first.name)


def test_a_table_launched_later_waits_for_models_in_training(finest):
    jobs = _named(planned(finest, ["table3"], {"table1-gavs-v2-seed0": {}}))
    first = jobs["table3-zero_shot-gavs-vggss-seed0"]
    assert (first.stage, first.needs) == ("score", ("features", "table1-gavs-v2-seed0"))
    alone = _named(planned(finest, ["table3"], {}))["table3-zero_shot-gavs-vggss-seed0"]
    assert (alone.stage, alone.needs) == ("train", ("features",))


def test_a_table_is_launched_with_what_it_needs_of_another(finest):
    """One job of Table 1 runs: its others keep the models that they would train."""
    jobs = planned(finest, ["table3"], {"table1-sam_fusion-v2-seed0": {}})
    selected = _named(_selected(jobs, ["table3"], {}))
    assert "table1-gavs-v2-seed0" in selected and "table1-gavs-v1s-seed0" not in selected
    assert all(need in selected for job in selected.values() for need in job.needs)


def test_jobs_in_hand_of_another_recipe_or_split_refuse_a_launch(params, finest):
    jobs = jobs_of(finest, ["table3"])
    active = {job.name: {"recipe": recipe(finest, job)} for job in jobs}
    refuse_other_recipes(finest, planned(finest, ["table1"], active), active)
    other = active | {"data": {"recipe": "of other parameters"}}
    with pytest.raises(LaunchError, match=r"data \(and 0 more\) runs or waits with other"):
        refuse_other_recipes(finest, jobs, other)
    with pytest.raises(LaunchError, match=r"table3-\S*seed0 \(and \d more\) runs or waits"):
        refuse_other_recipes(params, planned(params, ["table1"], active), active)


def test_a_recipe_follows_what_decides_numbers(params):
    job = _named(jobs_of(params, ["table1"]))["table1-gavs"]
    first = recipe(params, job)

    def edited(changes: dict[str, Any]) -> str:
        return recipe(build(merge(read_yaml(Path("params.yaml")), changes)), job)

    assert edited({"workers": 1}) == first
    assert edited({"report": {"overlay_clips": 3}}) == first
    assert edited({"methods": {"gavs": {"alignment": {"margin": 0.2}}}}) != first
    assert edited({"audio": {"hop_seconds": 0.96}}) != first
