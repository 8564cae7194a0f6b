"""Every cell in one job, every model trained by one job, and no job before those that it needs."""

from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.launch.command import _is_asked, _planned
from benchmarks.launch.plan import Job, plan, recipe
from benchmarks.launch.status import Active
from benchmarks.params import TABLES, load
from benchmarks.profiles import apply_profile
from benchmarks.protocol import cells_of, model_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def params(tmp_path, monkeypatch):
    """The smoke profile's; no data."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    for name in ("weights", "profiles", "splits"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    apply_profile(Path("params.yaml"), Path("profiles/smoke.yaml"))
    return load()


def _named(jobs: list[Job]) -> dict[str, Job]:
    assert len({job.name for job in jobs}) == len(jobs)
    return {job.name: job for job in jobs}


def test_laws_hold_for_every_choice_of_tables(params):
    for n in range(1, len(TABLES) + 1):
        for tables in combinations(TABLES, n):
            _check_laws(params, list(tables))


def _check_laws(params, tables):
    jobs = _named(plan(params, tables))
    asked = [
        c for t in tables for stage in params.table_rows(t) for c in cells_of(params, t, stage)
    ]
    assert sorted(map(str, asked)) == sorted(str(c) for job in jobs.values() for c in job.cells)
    trained = [model for job in jobs.values() for model in job.trains]
    assert len(trained) == len(set(trained))
    order = list(jobs)
    for job in jobs.values():
        for name in job.needs:
            assert jobs[name].wave < job.wave
            assert order.index(name) < order.index(job.name)
        there = {model for name in (job.name, *job.needs) for model in jobs[name].trains}
        for cell in job.cells:
            model = model_of(cell)
            assert model in there
            # A parent is trained here, by a job that this one needs, or by one that those need.
            assert model.parent is None or model.parent in there


def test_a_command_selects_its_cells_and_no_other(params):
    """By the rule of `run`: a stage's cells of one benchmark, row and seed."""
    for job in plan(params, list(TABLES)):
        if job.cells:
            command, table, stage, benchmark, _, row, _, seed = job.arguments
            chosen = [
                cell
                for cell in cells_of(params, table, stage)
                if (cell.benchmark, cell.row, str(cell.seed)) == (benchmark, row, seed)
            ]
            assert command == "run" and list(job.cells) == chosen


def test_the_order_of_one_row(params):
    jobs = _named(plan(params, list(TABLES)))
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


def test_without_table_1_another_table_trains_the_v2_models(params):
    jobs = _named(plan(params, ["table3", "table4"]))
    first = jobs["table3-zero_shot-gavs-vggss-seed0"]
    assert first.stage == "train"
    assert jobs["table4-zero_shot-gavs-vggss_sub-seed0"].needs == ("features", first.name)
    assert jobs["table4-few_shot-gavs-vggss_sub-seed0"].needs == ("features", first.name)


def test_a_table_launched_later_waits_for_the_models_in_hand(params):
    in_hand = {"table1-gavs-v2-seed0": Active("slurm", "queued", "")}
    jobs = _named(_planned(params, ["table3"], in_hand))
    asked = {name.split("-")[0] for name, job in jobs.items() if _is_asked(job, ["table3"])}
    assert asked == {"data", "features", "table3"}
    first = jobs["table3-zero_shot-gavs-vggss-seed0"]
    assert (first.stage, first.needs) == ("score", ("features", "table1-gavs-v2-seed0"))


def test_a_recipe_follows_what_decides_numbers(params):
    job = _named(plan(params, ["table1"]))["table1-gavs-v2-seed0"]
    first = recipe(params, job)

    def edited(old: str, new: str) -> str:
        path = Path("params.yaml")
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new, 1))
        found = recipe(load(), job)
        path.write_text(before)
        return found

    assert edited("workers: 2", "workers: 1") == first
    assert edited("overlay_clips: 4", "overlay_clips: 3") == first
    assert edited("margin: 0.3", "margin: 0.2") != first
    assert edited("hop_seconds: 1.0", "hop_seconds: 0.96") != first
