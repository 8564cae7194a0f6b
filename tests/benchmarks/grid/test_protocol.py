"""Which models cells share, where they start and what they are tested on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from benchmarks import cli
from benchmarks.common.checks import merge
from benchmarks.data.index import DataError
from benchmarks.grid import models
from benchmarks.grid.budget import shortened
from benchmarks.grid.cells import run_cell
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.models import trained
from benchmarks.grid.protocol import Cell, cells_of, evaluations_of, model_of, supervision_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import build, load
from benchmarks.params.files import read_yaml
from benchmarks.training.config import TrainingParams

ROOT = Path(__file__).parents[3]
FULL = Cell("table1", "gavs", "gavs", "v2", "train", 0)
SUB = Cell("table4", "few_shot", "gavs", "vggss_sub", "1-shot", 0, 0, "v2")


@pytest.fixture
def bench(project):
    return Workbench(load())


def of(bench, table, stage, **wanted):
    found = cells_of(bench.params, table, stage)
    return [c for c in found if all(getattr(c, k) == v for k, v in wanted.items())]


def test_one_v2_model_serves_every_table(bench, monkeypatch):
    """Table 1, 3 and 4 (0-shot and the start of the few-shot ones) and the robustness columns."""
    sharing = [FULL]
    for table, stage in [("table3", "zero_shot"), ("table4", "zero_shot")]:
        sharing += of(bench, table, stage, row="gavs", seed=0)
    sharing += of(bench, "robustness", "negatives", row="gavs")
    assert len(sharing) == 4
    assert {model_of(c) for c in sharing} == {model_of(FULL)} == {model_of(SUB).parent}
    trainings = []
    original = models._train
    monkeypatch.setattr(models, "_train", lambda *a: trainings.append(a[1]) or original(*a))
    for cell in [*sharing, SUB]:
        run_cell(bench, cell)
    assert trainings == [model_of(FULL), model_of(SUB)]
    records = bench.params.work / "records"
    assert len(list(records.rglob("*.json"))) == 5
    negatives = json.loads(
        (records / "robustness/negatives/gavs-v2-negatives-seed0.json").read_text()
    )
    assert negatives["evaluations"] == ["noise", "off_screen", "other_clip", "silence"]


def test_a_floor_is_trained_and_tested_in_silence():
    params = load(ROOT / "params.yaml")
    cells = cells_of(params, "table1", "gavs")
    assert {cell.setting for cell in cells} == {"train", "floor"}
    for cell in cells:
        silent = cell.setting == "floor"
        heard = [test.audio for test in evaluations_of(params, cell)]
        assert model_of(cell).silent == silent and ({*heard} == {"silence"}) == silent


def test_a_floor_on_unseen_classes_is_of_the_rows_that_are_named():
    named = {"seeds": [0, 4], "tables": {"table2": {"floor": ["gavs"]}}}
    params = build(merge(read_yaml(ROOT / "params.yaml"), named))
    silent = [c for c in cells_of(params, "table2", "zero_shot") if c.setting == "floor"]
    assert [(cell.row, cell.benchmark, cell.seed) for cell in silent] == [
        ("gavs", "v3", 0),
        ("gavs", "v3", 4),
    ]
    assert model_of(silent[0]).silent and model_of(silent[0]).train == "v3/train"
    tests = [(test.name, test.clips, test.audio) for test in evaluations_of(params, silent[0])]
    assert tests == [
        ("unseen", "v3/unseen", "silence"),
        ("seen", "v3/seen_test", "silence"),
        ("val", "v3/val", "silence"),
    ]
    others = [cells_of(params, f"table{n}", "zero_shot") for n in (3, 4)]
    assert "floor" not in {cell.setting for cells in others for cell in cells}


def test_validation_clips_are_scored_as_the_cell_hears_and_last():
    """So that the report can choose a threshold by them; the first test stays the headline."""
    params = load(ROOT / "params.yaml")

    def last(cell):
        *tests, scored = evaluations_of(params, cell)
        assert tests and all(test.name != "val" for test in tests)
        return (scored.name, scored.clips, scored.audio)

    plain = Cell("table1", "gavs", "gavs", "v1s", "train", 0)
    assert last(plain) == ("val", "v1s/val", "own")
    assert last(replace(plain, setting="floor")) == ("val", "v1s/val", "silence")
    assert last(replace(FULL, setting="fraction-0.1", draw=0)) == ("val", "v2/val", "own")
    zero = Cell("table2", "zero_shot", "gavs", "v3", "0-shot", 0)
    assert last(zero) == ("val", "v3/val", "own")
    few = replace(zero, stage="few_shot", setting="1-shot", draw=0)
    for without in (few, SUB, replace(plain, row="oracle_click"), replace(FULL, setting="in-set")):
        assert "val" not in {test.name for test in evaluations_of(params, without)}


def test_controls_are_run_on_every_seed_or_on_those_that_are_named():
    def seeds(changes):
        params = build(merge(read_yaml(ROOT / "params.yaml"), {"seeds": [0, 4], **changes}))
        cells = [c for c in cells_of(params, "table1", "gavs") if c.benchmark == "v1s"]
        shuffled = [c for c in cells for t in evaluations_of(params, c) if t.audio == "shuffled"]
        run = [{c.seed for c in cells if c.setting == name} for name in ("train", "floor")]
        return *run, {c.seed for c in shuffled}

    assert seeds({}) == ({0, 4}, {0, 4}, {0, 4})
    named = {"scoring": {"floor_seeds": [4], "shuffle_seeds": []}}
    assert seeds(named) == ({0, 4}, {4}, set())


def test_few_shots_start_from_the_0_shot_model(bench, monkeypatch):
    started = []

    def no_training(method, *rest):
        started.append({k: v.clone() for k, v in method.state_dict().items()})
        with torch.no_grad():
            for p in method.parameters():
                p.add_(1.0)  # what training leaves behind
        return []

    monkeypatch.setattr(models, "train", no_training)
    method, _ = trained(bench, model_of(SUB), "test")
    trainable = [n for n, p in method.named_parameters() if p.requires_grad]
    assert trainable
    zero_shot, few_shot = started
    for name in trainable:
        assert torch.equal(few_shot[name], zero_shot[name] + 1)
        assert torch.equal(method.state_dict()[name], few_shot[name] + 1)


def test_shots_change_few_shot_cells_only(bench, edit):
    def prints(params):
        fresh = Workbench(params)
        tables = [("table1", "gavs"), ("table2", "zero_shot"), ("table2", "few_shot")]
        return {
            str(c): fingerprint(fresh.fingerprints.model(model_of(c)))
            for t in tables
            for c in cells_of(params, *t)
            if c.row == "gavs"
        }

    before = prints(load())
    edit("few_shot.training.epochs", 2)
    after = prints(load())
    changed = {c for c in before if before[c] != after[c]}
    assert changed == {c for c in before if "1-shot" in c} != set()


def test_fractions_get_the_full_sets_steps(bench, edit):
    (cell,) = of(bench, "figure3", "fractions", row="gavs", seed=0)
    run_cell(bench, cell)
    run_cell(bench, FULL)
    read = lambda c: json.loads(  # noqa: E731
        (bench.params.work / "records" / c.table / c.stage / f"{c.file_stem}.json").read_text()
    )["counts"]
    part, full = read(cell), read(FULL)
    assert part["updates"] == full["updates"]
    assert part["train_clips"] == full["train_clips"] / 2
    assert cell.file_stem == "gavs-v2-fraction-0.5-draw0-seed0"


def test_draws_go_with_seeds_or_cross(bench, edit):
    found = of(bench, "table2", "few_shot", row="gavs")
    assert [(c.seed, c.draw) for c in found if c.setting == "1-shot"] == [(0, 0), (1, 1)]
    edit("seeds", [0])
    assert load().draws("v3") == load().draws("v2") == [(0, 0)]  # a draw per seed that is run
    edit("seeds", [4, 0, 5])
    assert load().draws("v3") == [(4, 0), (0, 1)]
    edit("seeds", [0, 1])
    edit("protocol.cross", True)
    found = cells_of(load(), "table2", "few_shot")
    assert {(c.seed, c.draw) for c in found} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_fraction_of_a_few_videos_is_refused_by_name(bench, edit):
    part = bench.clip_sets["v2/fraction-0.5-0"]
    edit("protocol.fraction_videos", part.video.nunique() + 1)
    with pytest.raises(DataError, match=rf"protocol.fractions: 0.5 of .* {part.video.nunique()} v"):
        Workbench(load()).clip_sets["v2/fraction-0.5-0"]


def test_few_shot_tests_are_common_to_all_k_and_never_learned(bench):
    cell, control = of(bench, "table2", "few_shot", row="gavs", seed=0)
    assert (cell.setting, control.setting) == ("1-shot", "1-shot-control")
    assert evaluations_of(bench.params, control) == evaluations_of(bench.params, cell)
    unseen, seen = (bench.clip_sets[t.clips] for t in evaluations_of(bench.params, cell))
    shots, others, start = (
        bench.clip_sets[model.train]
        for model in (model_of(cell), model_of(control), model_of(control).parent)
    )
    for learned in (shots, others, start):
        assert not set(learned.uid) & (set(unseen.uid) | set(seen.uid))
    assert len(others) == len(shots) and set(others.uid) <= set(start.uid)
    zero = of(bench, "table2", "zero_shot", row="gavs", seed=0)[0]
    assert set(bench.clip_sets.subsets(zero)["test-0"]) == set(unseen.uid)
    tests = {t.clips for t in evaluations_of(bench.params, zero)}
    assert tests == {"v3/unseen", "v3/seen_test", "v3/val"}


def test_cached_0_shot_records_follow_the_shots(bench, edit):
    """Their scores stay, but not which clips the few-shot cells are compared on."""
    (cell,) = of(bench, "table2", "zero_shot", row="gavs", seed=0)
    path = bench.params.work / "records/table2/zero_shot" / f"{cell.file_stem}.json"
    run_cell(bench, cell)
    before = json.loads(path.read_text())
    edit("protocol.draws", [2])
    run_cell(Workbench(load()), cell)
    after = json.loads(path.read_text())
    assert after["fingerprint"] == before["fingerprint"]
    assert set(before["subsets"]) == {"pool", "test-0", "test-1"}
    assert set(after["subsets"]) == {"pool", "test-2"}


def test_boxes_of_vggss_alone_have_other_supervision(project, edit):
    edit("few_shot.supervision", "sam_mask")
    params = load()
    cell, _ = of(Workbench(params), "table2", "few_shot", row="gavs", seed=0)
    assert supervision_of(params, model_of(cell)) == "masks"
    assert supervision_of(params, model_of(SUB)) == "sam_mask"


def test_masks_drawn_by_sam_depend_on_its_weights(project, edit):
    """AVSBench's network has no SAM, but learns from what SAM draws in the boxes."""
    models = [model_of(replace(SUB, row=row)) for row in ("gavs", "avsbench")]
    plain = Workbench(load())
    edit("few_shot.supervision", "sam_mask")
    weights = [
        b.fingerprints.model(m)["weights"] for b in (plain, Workbench(load())) for m in models
    ]
    assert ["sam" in names for names in weights] == [True, False, True, True]


def test_without_vggss_its_tables_are_empty(project, capsys):
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    values["data"] |= {"vggss": None, "vggsound": None}
    yaml.dump(values, Path("params.yaml"))
    assert cli.main(["run", "table4"]) == 0
    assert (project / "work/smoke/records/table4/few_shot").is_dir()
    assert "nothing is asked of table4" in capsys.readouterr().err
    assert cli.main(["data"]) == cli.main(["features"]) == 0


@pytest.mark.parametrize("supervision", ["box_projection", "sam_mask"])
def test_other_supervision_of_boxes_is_another_model(project, edit, supervision):
    plain = Workbench(load())
    edit("few_shot.supervision", supervision)
    bench = Workbench(load())
    first, second = (b.fingerprints.model(model_of(SUB)) for b in (plain, bench))
    assert fingerprint(first) != fingerprint(second)
    run_cell(bench, SUB)
    folder = bench.params.work / "models" / fingerprint(second)[:16]
    history = json.loads((folder / "model.json").read_text())["history"]
    terms = set(history[0]["terms"])
    assert (terms == {"projection"}) == (supervision == "box_projection")


def test_as_many_epochs_of_a_fraction_are_its_share_of_the_steps():
    training = TrainingParams(steps=200, epochs=7)
    assert shortened(training, "v2/fraction-0.3-1").steps == 60
    assert shortened(training, "v2/train") == training
    by_epochs = TrainingParams(epochs=7)
    assert shortened(by_epochs, "v2/fraction-0.3-1") == by_epochs
