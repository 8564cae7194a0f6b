"""The costs that need no data, against sums by hand, and the published schedules."""

import json
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.grid.protocol import Model, cells_of
from benchmarks.params import ParamsError, build, load
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from benchmarks.params.tiers import TIERS
from benchmarks.preflight import nominal, schedules
from benchmarks.preflight.estimate import estimate
from benchmarks.preflight.nominal import Figures, NominalCosts, clips_of, updates_of
from benchmarks.studies.tune import RATES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def values():
    return read_yaml(profile_file("paper", ROOT / "params.yaml"))


@pytest.fixture(scope="module")
def tiers(values):
    return {name: build({**values, "tier": name}) for name in TIERS}


def cells(params):
    from benchmarks.params import TABLES

    return {
        cell
        for table in TABLES
        for stage in params.table_rows(table)
        for cell in cells_of(params, table, stage)
    }


def test_each_tier_has_the_cells_of_the_one_before(tiers):
    first, core, full = (cells(tiers[name]) for name in ("first", "core", "full"))
    assert first < core < full
    assert {(cell.row, cell.benchmark, cell.seed) for cell in first} == {
        ("avsbench", "v1m", 0), ("oracle_click", "v1m", 0),
    }  # fmt: skip
    for name in ("first", "core"):  # every store that a row reads is there, and no other
        read = {(r.method_config.cover(), s) for r in tiers[name].rows_in_use() for s in r.stores}
        if name == "core":
            listed = tiers[name].features.stores
            assert read == {(cover, s) for cover, names in listed.items() for s in names}
    with pytest.raises(ParamsError, match="tier"):
        build({**read_yaml(profile_file("paper", ROOT / "params.yaml")), "tier": "second"})


def test_a_row_that_failed_on_the_gpu_is_one_that_is_not_measured(tmp_path, monkeypatch):
    content = json.loads(nominal.FIGURES.read_text())
    name = next(name for name in content["rows"] if name.startswith("extraction"))
    content["rows"][name] = {"problem": "no time left"}
    (tmp_path / "gpu.json").write_text(json.dumps(content))
    monkeypatch.setattr(nominal, "FIGURES", tmp_path / "gpu.json")
    size, precision = name.removeprefix("extraction: ").split(", ")
    with pytest.raises(KeyError, match="extraction"):
        Figures().images_per_second(size, precision)


def test_first_takes_less_than_two_gpu_hours_and_60_gib(tiers):
    costs = NominalCosts(tiers["first"], Figures())
    lines = [*costs.features(), *costs.lines()]
    assert 0.1 < sum(line["hours"] for line in lines) < 2
    assert 1 < sum(line["disk GiB"] for line in lines) < 60


def test_features_cost_what_sam_takes_for_each_order_of_colours(tiers):
    """By hand: 91,938 frames, in RGB and in BGR, and squashed at 90 a second on 16 cores."""
    costs = NominalCosts(tiers["full"], Figures())
    hours = {line["stage"]: line["hours"] for line in costs.features()}
    frame = 2 / costs.figures.images_per_second("vit_b", "bf16") + 1 / 1440
    expected = pytest.approx(91_938 * frame / 3600)
    assert hours["features avs/pixels224, sam_bgr, sam_rgb"] == expected
    assert hours["features vgg/vggish"] == pytest.approx(149_158 / 800 / 3600)


def test_a_training_s_hours_are_its_steps_reads_and_validations(tiers):
    """AVSBench on V1M by hand: 30 epochs of 74 steps of 20 frames, and 30 times 320 frames."""
    costs = NominalCosts(tiers["core"], Figures())
    frame = costs.figures.training("avsbench", False)["ms"] / 40 / 1000
    reading = (128 * 4 + 3 * 224 * 224) / costs.figures.disk
    scored = frame / 3 + 0.0034 + reading
    expected = 2220 * 20 * (frame + reading) + 30 * 320 * scored
    model = Model("avsbench", "v1m", "v1m/train", "v1m/val", 0)
    assert costs.training(model)[0] == pytest.approx(expected)


def test_published_updates_by_hand(tiers):
    """The issue's own figures: 16, 3.2 and 1.6 times fewer for GAVS, and what AVSegFormer has."""
    updates = {key: schedule.updates for key, schedule in schedules.PUBLISHED.items()}
    assert updates["gavs", "v1s"] == 207_120 and updates["gavs", "v1m"] == 17_760
    assert updates["avsegformer", "v1s"] == 51_780 and updates["avsegformer", "v1m"] == 8_880
    assert updates["gavs", "v3"] == 288_420
    params = tiers["full"]
    for name, factor in (("v1s", 16.1), ("v1m", 3.2), ("v2", 1.6)):
        row = params.row("gavs", name)
        ours = updates_of(row, row.training, f"{name}/train")
        assert updates["gavs", name] / ours == pytest.approx(factor, abs=0.05)


def test_rows_named_released_train_as_released(tiers):
    for name in ("gavs_released", "gavs_released_fixed"):
        for benchmark, steps in (("v1s", 207_120), ("v1m", 17_760), ("v2", 285_000)):
            row = tiers["full"].row(name, benchmark)
            assert updates_of(row, row.training, f"{benchmark}/train") == steps
            training = row.training
            assert (training.whole_clips, training.batch_clips) == (True, 1)
            assert (training.first_mask, training.amp, training.lr) == ("copied", False, 1e-3)
            assert row.config["loss_resolution"] == "frame"
    for benchmark, steps in (("v1s", 276_160), ("v1m", 23_680)):  # 80 epochs, a clip a step
        row = tiers["full"].row("gavs_lora", benchmark)
        assert updates_of(row, row.training, f"{benchmark}/train") == steps


def test_track_c_has_one_number_of_updates_on_avs_v3(tiers):
    """Its clips from V1M have five frames, the others ten."""
    gavs, tpavi = (tiers["full"].row(name, "v3") for name in ("gavs", "tpavi_sam"))
    assert updates_of(gavs, gavs.training, "v3/train") == tpavi.training.steps == 155_160


def test_updates_without_a_reason_are_refused(monkeypatch, tiers):
    assert "| gavs_released | v1s |" in schedules.updates_text(tiers["full"])
    monkeypatch.setattr(schedules, "REASONS", {})
    with pytest.raises(ValueError, match="gavs on v1s: 12,900 updates, published 207,120"):
        schedules.updates_text(tiers["full"])


def test_the_numbers_of_clips_of_drawn_sets():
    assert clips_of("v2/fraction-0.3-1") == 1425
    assert clips_of("v3/5-shot-4") == 70 and clips_of("vggss_sub/1-shot-control-0") == 44
    assert len(RATES) == nominal.RATES_TRIED


def test_the_committed_page_is_what_the_command_writes(values):
    page = ROOT / "docs/paper-profile.md"
    command = (
        "python -m benchmarks --params profiles/paper.yaml estimate --out docs/paper-profile.md"
    )
    assert page.read_text() == estimate(values), f"write it again: {command}"


@pytest.mark.parametrize("name", ["params.yaml", "profiles/study.yaml"])
def test_a_profile_of_a_world_is_refused_with_what_to_call(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["--params", name, "estimate"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    option = "" if name == "params.yaml" else f"--params {name} "
    assert line.startswith(f"error: profile '{load(ROOT / name).profile}' has a procedural world")
    assert "`python -m benchmarks --params profiles/paper.yaml estimate`" in line
    assert line.endswith(f"says `python -m benchmarks {option}check`")
