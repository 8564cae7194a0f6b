"""One list of all that is wrong: each line here is broken on purpose, all at once."""

import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from PIL import Image

from benchmarks import cli
from benchmarks.data.files import read_frame
from benchmarks.features.encode import frame_paths
from benchmarks.features.store import shard_path
from benchmarks.grid.protocol import training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from benchmarks.preflight import check as checks
from benchmarks.preflight import cost as estimate
from benchmarks.preflight import trial as trials
from benchmarks.preflight.cost import Tables, kinds_of, models_of
from benchmarks.preflight.nominal import CLIPS
from benchmarks.preflight.trial import Trial, try_row
from benchmarks.training.loop import updates

TRIAL = Trial("any", 1, 1, 2.0, 1.0, 0.5, 0.9, 10**6, 100.0)


@pytest.fixture
def quick(monkeypatch):
    """Trials that take no time."""
    monkeypatch.setattr(checks, "try_row", lambda *_: TRIAL)


def test_nothing_is_wrong_with_a_finished_project(project, quick, capsys):
    assert cli.main(["check"]) == 0
    out, err = capsys.readouterr()
    assert "nothing stands in the way" in out and "error" not in err
    assert len(re.findall(r"^ *features .* done", out, re.M)) == 5


def test_a_folder_that_cannot_be_written_is_an_error(project, quick, capsys, monkeypatch):
    """Root may write anywhere but on a file system that is mounted to be read."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert cli.main(["check"]) == 1
    assert "error: work/smoke: can't be written" in capsys.readouterr().err


def test_everything_that_is_wrong_is_told_at_once(project, edit, quick, capsys, monkeypatch):
    params = load()
    index = Workbench(params).index
    truncated = frame_paths(index)[3]
    truncated.write_bytes(truncated.read_bytes()[:100])
    lost = index[index.benchmark == "vggss"].audio_path.iloc[0]
    (project / lost).unlink()
    edit("encoders.pvt.weights", "weights/miniature/pvd.safetensors")
    edit("device", "cuda")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(checks, "free_memory", lambda device: 1.5 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    full = shutil.disk_usage(".")._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    tried = []
    monkeypatch.setattr(checks, "try_row", lambda params, *_: tried.append(params.device) or TRIAL)
    assert cli.main(["check"]) == 1
    assert set(tried) == {"cpu"}  # on the missing GPU each would be an error of its own
    out, err = capsys.readouterr()
    told = [line for line in err.splitlines() if line.startswith(("error", "warning"))]
    for wrong, line in zip(
        [
            "warning: workers: 2 processes, but this machine has 1 cores",
            "error: device: cuda, but this machine has 0 GPUs",
            r"error: .*pvd.safetensors: pvt \(pvt_v2_mini\): missing",
            f"error: {truncated}: can't be read",
            f"error: {lost}: .*missing",
            "warning: workers: 2 processes may take 2.0 GiB together",
        ],
        told,
        strict=True,
    ):
        assert re.match(wrong, line), line
    assert out.rstrip().endswith("4 errors")
    assert (
        "`python -m benchmarks weights` says where" in err and "builds the miniature world" in err
    )


def test_frames_that_memory_cannot_encode_hide_nothing_else(project, quick, capsys, monkeypatch):
    shutil.rmtree(project / "work/smoke/features/avs/sam_rgb")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)

    def pace(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12 GiB")

    monkeypatch.setattr(estimate, "pace", pace)
    assert cli.main(["check"]) == 1
    err = capsys.readouterr().err
    assert "this machine has 1 cores" in err
    assert re.search("features .*avs/sam_rgb.*: failed: CUDA out of memory", err)


def test_all_encoding_processes_must_fit(project, quick, capsys, monkeypatch):
    shutil.rmtree(project / "work/smoke/features/avs/sam_rgb")
    monkeypatch.setattr(estimate, "pace", lambda *_: (0.1, 3.0))
    monkeypatch.setattr(checks, "free_memory", lambda device: 5 * 2**30)
    assert cli.main(["check"]) == 0
    assert "workers: 2 processes may take 6.0 GiB together" in capsys.readouterr().err


def test_changed_files_and_damaged_features(project, quick, capsys):
    params = load()
    path = shard_path(params.work / "features/avs/vggish", 0)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert cli.main(["check"]) == 1
    assert "shard-00000.npy: content differs" in capsys.readouterr().err
    frame = frame_paths(Workbench(params).index)[3]
    Image.fromarray(read_frame(frame)).save(frame, quality=50)
    assert cli.main(["check"]) == 1
    assert "have changed since" in capsys.readouterr().err


def test_splits_that_cannot_be_drawn_are_all_named(project, edit, quick, capsys):
    edit("protocol.shots", [50])
    edit("protocol.unseen", "nowhere.csv")
    csv = pd.DataFrame({"uid": Workbench(load()).index.uid[:1], "split": "train"})
    csv.to_csv("few.csv", index=False)
    assert cli.main(["check"]) == 1
    err = capsys.readouterr().err
    assert "nowhere.csv" in err and "50" in err
    assert err.count("error: ") >= 2


def test_too_few_videos_for_contrast_and_for_intervals(project, edit, quick, capsys):
    """Three V1S training clips are left: gavs contrasts four. One video is left to test."""
    index = Workbench(load()).index
    mine = index[index.benchmark.isin(["v1s", "v1m", "v2"])]
    train = mine[(mine.benchmark == "v1s") & (mine.split == "train")]
    kept = mine.drop(train.drop_duplicates("video").index[3:]).drop(
        train[train.duplicated("video")].index
    )
    tested = mine[(mine.benchmark == "v1s") & (mine.split == "test")]
    kept = kept.drop(tested[tested.video != tested.video.iloc[0]].index)
    kept[["uid", "split"]].to_csv("few.csv", index=False)
    edit("data.splits", "few.csv")
    assert cli.main(["check"]) == 1
    err = capsys.readouterr().err
    assert "v1s/test: clips of 1 video; an interval needs 2 or more" in err
    assert re.search(r"v1s/train: clips of 3 videos, but gavs\w*'s alignment contrasts 4", err)


def test_counts_are_compared_with_the_published_ones(project, quick):
    params = load()
    assert not checks._counts(Workbench(params))
    bench = Workbench(params.model_copy(update={"profile": "paper"}))
    bench.index = Workbench(params).index
    (finding,) = checks._counts(bench)
    assert finding.kind == "warning"
    assert "v1s/train: 24 clips, published 3452" in finding.problems
    released = [count for name, count in CLIPS.items() if name[:3] in ("v1s", "v1m", "v2/")]
    assert sum(released) == 11356  # rows of the released metadata.csv


def test_a_trial_is_of_the_rows_own_batch(project, monkeypatch):
    """What it measures can't be told, but of what: the batch, the trained bytes, the scores'."""
    monkeypatch.setattr(trials, "LONG", 1e9)  # however slow this machine is today
    params = load()
    for (method, *_, batch, _, seconds), row in kinds_of(params).items():
        trial = try_row(params, row, batch, seconds, 64 * 2**30)
        assert trial.problem == ""
        built = Workbench(params).build(row, 0)
        assert trial.samples == trial.batch == batch
        assert trial.step_seconds > 0 and 0 < trial.step_gib < 8
        trained = sum(p.nbytes for p in built.parameters() if p.requires_grad)
        assert trial.trained_bytes >= trained > 0
        assert 512 < trial.score_bytes < 2**14, method


def test_a_step_that_takes_more_memory_than_there_is_says_so(project):
    """From a new process: what this one has freed would serve its workers beside the 16 MB."""
    program = """
from benchmarks.params import load
from benchmarks.preflight.trial import try_row
trial = try_row(load(), load().row("gavs", "v2"), 20, 1, 2**24)
print(trial.problem, trial.step_seconds)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert "memory" in done.stdout and done.stdout.endswith(" nan\n")


def test_totals_of_the_tables_are_those_of_their_cells(project):
    """Two seconds a step and half a second a frame, added up here cell by cell."""
    params = load()
    bench = Workbench(params)
    trials = dict.fromkeys(kinds_of(params), TRIAL)
    lines = {line["stage"]: line for line in Tables(bench, trials, 2).lines()}
    assert lines["run robustness"]["work"] == "2 cells, 0 trainings"  # Table 1's models
    models = models_of(params)["figure3"]
    assert len(models) == 4 and lines["run figure3"]["work"] == "4 cells, 4 trainings"
    seconds = 0.0
    for model in models:
        row, training = training_of(params, model)
        method = bench.build(row, 0)
        steps = updates(bench.clips(method, model.full, frames="labelled"), training)
        val, test = (bench.clips(method, f"v2/{part}") for part in ("val", "test"))
        assert steps == params.benchmarks["v2"].training["steps"]
        # Both frames of a clip that are scored: twice on val while it is trained, then on both.
        seconds += 2.0 * steps + 0.5 * (3 * len(val.samples) + len(test.samples))
    assert lines["run figure3"]["hours"] == pytest.approx(seconds / 3600 / 2)
    frames = 4 * 2 * (24 + 4)
    assert lines["run figure3"]["disk GiB"] == pytest.approx((4e6 + 2 * 100 * frames) / 2**30)
