"""The profile `study`: more seeds for some rows, and the default's cells among its own."""

from pathlib import Path

import pytest

from benchmarks.grid.fingerprint import recipe_checksum
from benchmarks.grid.needs import cells_in
from benchmarks.grid.protocol import cells_of, evaluations_of, model_of
from benchmarks.params import Params, ParamsError, load
from benchmarks.params.profile import profile_file
from benchmarks.report.statements import PAIRS

from .conftest import ROOT

MORE = {"rows": ["sam_fusion", "noise"], "seeds": [7, 8]}
ITS_OWN = {"profile", "results", "seeds", "more_seeds", "work_of"}


@pytest.fixture(scope="module")
def default() -> Params:
    return load(profile_file("miniature", ROOT / "params.yaml"))


@pytest.fixture(scope="module")
def study() -> Params:
    return load(ROOT / "profiles/study.yaml")


def test_further_seeds_are_of_named_rows_and_groups(changed):
    params = changed({"seeds": [0, 1], "more_seeds": MORE})
    for row in ("sam_fusion", "gavs_no_noise", "gavs_noise_add"):
        assert params.seeds_of(row) == [0, 1, 7, 8]
    for row in ("gavs", "sam_fusion_add", "gavs_no_cue"):
        assert params.seeds_of(row) == [0, 1]
    cells = [c for c in cells_of(params, "table1", "sam_fusion") if c.setting == "train"]
    assert [(c.benchmark, c.seed) for c in cells] == [
        (benchmark, seed) for benchmark in ("v1s", "v1m", "v2") for seed in (0, 1, 7, 8)
    ]


def test_rows_with_more_seeds_have_more_draws(changed):
    params = changed({"seeds": [0, 1], "more_seeds": MORE, "protocol": {"draws": [0, 1, 5]}})
    assert params.draws("v3", "gavs") == [(0, 0), (1, 1)]
    assert params.draws("v3", "sam_fusion") == params.draws("v3") == [(0, 0), (1, 1), (7, 5)]
    for row in ("gavs", "sam_fusion"):
        cells = [c for c in cells_of(params, "table2", "few_shot") if c.row == row]
        assert {(c.seed, c.draw) for c in cells} == {*params.draws("v3", row)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rows": ["gavs_no_que"], "seeds": [7]}, "no row or group .* 'gavs_no_que'.*gavs_no_cue"),
        ({"rows": ["gavs"], "seeds": [0]}, r"more_seeds.seeds: \[0\] among `seeds` already"),
    ],
)
def test_an_unknown_row_or_a_seed_given_twice_is_refused(changed, more, message):
    with pytest.raises(ParamsError, match=message):
        changed({"seeds": [0], "more_seeds": more})


def test_the_study_differs_from_the_default_in_its_seeds_alone(default, study):
    """So nothing else can be another in a fingerprint of a cell that both have."""
    assert study.model_dump(exclude=ITS_OWN) == default.model_dump(exclude=ITS_OWN)
    assert (study.work, study.results) == (Path("work/study"), Path("results/study"))
    assert study.shared == default.shared == default.work == Path("work/miniature")


def test_the_studys_cells_of_seed_0_are_the_defaults(default, study):
    """By place, training, tests and recipe; real fingerprints add the clips alone."""
    cells, more = cells_in(default), cells_in(study)
    assert cells == [cell for cell in more if cell.seed == default.seeds[0]]
    for cell in cells:
        assert model_of(cell).seed == default.seeds[0]
        assert evaluations_of(default, cell) == evaluations_of(study, cell)
        assert recipe_checksum(default, cell) == recipe_checksum(study, cell)


def test_pairs_and_ablations_have_five_seeds_and_the_rest_three(study):
    seeds: dict[str, set[int]] = {}
    for cell in cells_in(study):
        seeds.setdefault(cell.row, set()).add(cell.seed)
    oracle = study.tables.table1.ceiling
    ablations = {n for group in study.tables.ablations.groups for n in study.ablations[group]}
    five = {row for row, run in seeds.items() if run == {0, 1, 2, 3, 4}}
    assert five >= {row for pair in PAIRS for row in pair} | ablations
    assert {row for row, run in seeds.items() if run == {0, 1, 2}} == {*seeds} - five - {oracle}


def test_balanced_trains_the_defaults_rows_on_other_scenes(default):
    balanced = load(ROOT / "profiles/balanced.yaml")
    assert balanced.world.regime["v1s"] == "balanced" != default.world.regime["v1s"]
    assert balanced.world.clips["v1s"] == default.world.clips["v1s"]
    own = [row for row in balanced.tables.table1.methods if row in default.tables.table1.methods]
    assert [balanced.row(row, "v1s") for row in own] == [default.row(row, "v1s") for row in own]


def test_fewer_clips_of_v1m_are_trained_on_by_the_defaults_rows_and_tested_on_its_clips(default):
    fewer = load(ROOT / "profiles/v1m_clips.yaml")
    clips = default.world.clips["v1m"]
    assert fewer.world.clips["v1m"] == clips | {"train": clips["train"] / 4}
    rows = fewer.tables.table1.methods
    assert [fewer.row(row, "v1m") for row in rows] == [default.row(row, "v1m") for row in rows]
    assert fewer.world.model_copy(update={"clips": default.world.clips}) == default.world
