"""Cells on a real small world: idempotent, exact after a kill, safe when asked for twice."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from benchmarks import cli
from benchmarks.common.ranks import DeviceError
from benchmarks.data import clip_files
from benchmarks.data.index import load_index
from benchmarks.grid.cells import prune, run_cell, run_cells
from benchmarks.grid.protocol import Cell, cells_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import ParamsError, load
from benchmarks.training.audio import audio_from
from gavs import GAVS

CELL = Cell("table1", "gavs", "gavs", "v1m", "train", 0)
fork = multiprocessing.get_context("fork")


def _records(project):
    """Every record without its run block, and the scores' bytes."""
    found = {}
    for path in sorted((project / "work/smoke/records").rglob("*")):
        if path.suffix == ".json":
            found[path.name] = {k: v for k, v in json.loads(path.read_text()).items() if k != "run"}
        elif path.is_file():
            found[path.name] = path.read_bytes()
    return found


def _trainings(project):
    return len(list((project / "work/smoke/models").glob("*/model.json")))


@pytest.mark.parametrize("step", [2, 7])
def test_a_killed_cell_resumes_to_the_uninterrupted_record(project, edit, monkeypatch, step):
    edit("training.checkpoint_seconds", 0.001)
    params = load()
    bench = Workbench(params)
    run_cell(bench, CELL)
    whole = _records(project)
    for path in (project / "work/smoke").glob("[mr]*s/*"):  # models/, runs/ and records/
        path.rename(project / path.name)

    def kill(self, calls=[0]):  # noqa: B006
        calls[0] += 1
        if calls[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(GAVS, "after_step", kill)
        child = fork.Process(target=run_cell, args=(bench, CELL))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    assert _records(project) == {}
    run_cell(bench, CELL)
    assert _records(project) == whole


@pytest.fixture(scope="module")
def finished(built_project, tmp_path_factory):
    """A project where one cell is trained, scored and on record."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(built_project, folder, symlinks=True)
    with contextlib.chdir(folder):
        run_cell(Workbench(load()), CELL)
    return folder


def _one(project, pattern):
    (path,) = (project / "work/smoke").glob(pattern)
    return path


def _cut_scores(project):
    """Cut the scores of run and record: the copy must not come back from a damaged original."""
    for pattern in ("runs/*/scores.npz", "records/table1/gavs/v1m-train-seed0.npz"):
        path = _one(project, pattern)
        path.write_bytes(path.read_bytes()[:1000])


def _edit_record(project):
    path = _one(project, "runs/*/record.json")
    path.write_text(path.read_text().replace('"updates": ', '"updates": 1'))


def _damage_model(project):
    """Inside a storage, at equal size; its run is gone, so it is read again."""
    path = _one(project, "models/*/model.pt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    shutil.rmtree(_one(project, "runs/*"))


def _delete_model(project):
    _one(project, "models/*/model.pt").unlink()
    shutil.rmtree(_one(project, "runs/*"))


def _leave_damaged_checkpoint(project):
    """Leave what a training killed on a bad disk does, and a kill after the last write."""
    folder = _one(project, "models/*")
    (folder / "last.pt").write_bytes((folder / "model.pt").read_bytes()[:1000])
    (folder / "model.json").unlink()
    shutil.rmtree(_one(project, "runs/*"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut_scores, "scores.npz: its checksum is"),
        (_edit_record, "record.json: its content has the checksum"),
        (_damage_model, "model.pt: its checksum is"),
        (_delete_model, "model.pt: missing"),
        (_leave_damaged_checkpoint, "last.pt: can't be read as a checkpoint"),
    ],
)
def test_what_is_damaged_is_made_again_to_the_same_record(
    finished, monkeypatch, caplog, damage, reason
):
    monkeypatch.chdir(finished)
    whole = _records(finished)
    assert len(whole) == 3
    damage(finished)
    run_cell(Workbench(load()), CELL)
    assert _records(finished) == whole
    assert reason in caplog.text
    left = {path.name for path in (finished / "work/smoke").glob("models/*/*")}
    assert left == {"lock", "log.jsonl", "model.json", "model.pt"}
    caplog.clear()
    run_cell(Workbench(load()), CELL)  # whole again
    assert not caplog.messages


def test_a_replaced_mask_stops_the_cells_that_read_it(finished, monkeypatch, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    monkeypatch.chdir(folder)
    shutil.rmtree(folder / "work/smoke/models")
    shutil.rmtree(folder / "work/smoke/runs")
    index = Workbench(load()).index
    clip = index[(index.benchmark == "v1m") & (index.split == "train")].iloc[0]
    masks = [Path(clip.mask_path.replace("{}", str(k))) for k in (0, 1)]
    masks[0].write_bytes(masks[1].read_bytes())
    clip_files._verified.cache_clear()  # as in a new process
    (failure,) = run_cells(load(), [CELL], workers=1)
    assert f"{masks[0]}: its checksum is" in failure and "python -m benchmarks data" in failure
    masks[0].unlink()  # as the message says
    assert cli.main(["data"]) == 0
    clip_files._verified.cache_clear()
    assert run_cells(load(), [CELL], workers=1) == []


def test_a_device_that_is_not_there_is_one_error_before_any_cell(project, edit, monkeypatch):
    edit("device", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="^device: cuda, but this machine has 0 GPUs"):
        run_cells(load(), [CELL], workers=1)


def test_two_at_once_train_once_and_workers_change_nothing(project):
    params = load()
    together = [CELL, Cell("table1", "gavs", "gavs", "v1m", "train", 1)]
    assert run_cells(params, together, workers=2) == []
    two = _records(project)
    for path in (project / "work/smoke").glob("[mr]*s/*"):
        path.rename(project / path.name)
    racing = [fork.Process(target=run_cells, args=(params, together, 1)) for _ in range(2)]
    for process in racing:
        process.start()
    for process in racing:
        process.join()
    assert [process.exitcode for process in racing] == [0, 0]
    assert _records(project) == two
    assert _trainings(project) == 2


def test_going_back_to_an_old_value_costs_nothing(project, edit):
    assert cli.main(["run", "table1", "gavs", "v1m", "--seed", "0"]) == 0
    before = _records(project)
    edit("methods.gavs.prompt.noise_dim", 16)
    assert cli.main(["run", "table1", "gavs", "v1m", "--seed", "0"]) == 0
    assert _records(project) != before
    assert _trainings(project) == 4  # the floor, too
    edit("methods.gavs.prompt.noise_dim", 128)
    assert cli.main(["run", "table1", "gavs", "v1m", "--seed", "0"]) == 0
    assert _records(project) == before
    assert _trainings(project) == 4


def test_what_a_fingerprint_depends_on(project, edit):
    def fingerprint():
        return json.dumps(Workbench(load()).fingerprints.record(CELL), sort_keys=True)

    first = fingerprint()
    edit("workers", 1)
    edit("report.overlay_clips", 3)
    edit("methods.audio_sam.hidden", 64)
    assert fingerprint() == first
    edit("methods.gavs.alignment.margin", 0.2)
    assert fingerprint() != first


def test_more_clips_of_one_benchmark_leave_anothers_models(project, edit):
    cells = [CELL, Cell("table1", "gavs", "gavs", "v2", "train", 0)]

    def made() -> dict[str, bytes]:
        assert run_cells(load(), cells, workers=1) == []
        files = [
            p
            for kind in ("models/*/*.pt", "runs/*/*.npz")
            for p in Path().glob(f"work/smoke/{kind}")
        ]
        return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in files}

    before = made()
    edit("world.clips.v1m.train", 20)
    assert cli.main(["data"]) == cli.main(["features"]) == 0
    both = made()
    assert before.items() < both.items() and len(both) == 3 / 2 * len(before)
    for kind in ("models", "runs"):
        shutil.rmtree(project / "work/smoke" / kind)
    # Trained again beside the others' clips, they are the same.
    again = made()
    assert len(again) == len(before) and again.items() < both.items()


def test_a_failing_cell_fails_alone(project, edit, capsys):
    edit("methods.gavs.training.lr", 1.0e30)  # the loss becomes NaN
    edit("training.clip_grad", None)
    edit("training.schedule", "constant")
    failures = run_cells(
        load(), [CELL, Cell("table1", "oracle_click", "oracle_click", "v1m", "train", 0)], workers=1
    )
    assert len(failures) == 1 and "table1 gavs v1m train seed 0: " in failures[0]
    assert "loss is" in failures[0]
    assert [name for name in _records(project) if name.endswith(".json")] == [
        "v1m-train-seed0.json"
    ]
    assert cli.main(["run", "table1", "gavs", "v1m", "--seed", "0"]) == 1
    assert "loss is" in capsys.readouterr().err


def test_cells_and_pruning(project, edit):
    params = load()
    cells = cells_of(params, "table1", "gavs")
    assert len(cells) == 3 * (2 + 1)  # benchmarks x (seeds + floor)
    assert {c.setting for c in cells if c.seed == 1} == {"train"}
    assert len(cells_of(params, "table1", "oracle_click")) == 3
    assert {c.row for c in cells_of(params, "ablations", "alignment")} == set(
        params.ablations["alignment"]
    )
    with pytest.raises(ParamsError, match="tables.table1 has no 'audio_sam'"):
        cells_of(params, "table1", "audio_sam")
    folder = project / "work/smoke/records/table1/gavs"
    folder.mkdir(parents=True)
    for stem in ("v1m-train-seed0", "v1m-train-seed7"):
        (folder / f"{stem}.json").touch()
        (folder / f"{stem}.overlays.npz").touch()
    prune(params, "table1", "gavs", cells)
    assert {p.name for p in folder.iterdir()} == {
        "v1m-train-seed0.json",
        "v1m-train-seed0.overlays.npz",
    }


def test_missing_features_are_an_error_that_says_what_to_do(project, capsys):
    (project / "work/smoke/features/avs/sam_rgb/shard-00000.npy").unlink()
    assert cli.main(["run", "table1", "gavs"]) == 1
    error = capsys.readouterr().err
    assert "sam_rgb/shard-00000.npy: shard missing" in error
    assert "python -m benchmarks features" in error


def test_too_few_videos_for_alignment(project, edit, capsys):
    edit("training.batch_frames", 1)
    assert cli.main(["run", "table1", "gavs", "v1m", "--seed", "0"]) == 1
    assert "video" in capsys.readouterr().err


def test_borrowed_audio(project):
    index = load_index(project / "work/smoke/index.csv")
    index = index[index.benchmark == "v2"].reset_index(drop=True)
    classes = [set(names.split("_")) for names in index.classes]
    shown = [set(names.split("_")) for names in index.shown]
    for i, j in enumerate(audio_from("shuffled", index)):
        assert not classes[i] & classes[j]
    for i, j in enumerate(audio_from("off_screen", index)):
        assert not (classes[i] | shown[i]) & classes[j]
    assert (index.video != index.video[audio_from("other_clip", index)].to_numpy()).all()
    same = index.iloc[:2].assign(uid=["a", "b"], classes=["dog", "dog_cat"])
    with pytest.raises(ValueError, match="a: no other clip to take audio from"):
        audio_from("shuffled", same)
    with pytest.raises(ValueError, match="no audio is called 'loud'"):
        audio_from("loud", index)
