"""The stores of a real small world against the encoders called by hand."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from segment_anything import SamPredictor

from benchmarks import cli
from benchmarks.common.closure import ROOT
from benchmarks.common.files import locked, read_sealed, write_sealed
from benchmarks.data.files import read_audio, read_frame
from benchmarks.features import extract
from benchmarks.features.encode import frame_paths
from benchmarks.features.sound import hear
from benchmarks.features.store import StoreError, shard_path
from benchmarks.grid.fingerprint import header
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from gavs.sam import continue_from_tokens


@pytest.fixture
def bench(project):
    return Workbench(load())


def _some_rows(bench, *stores):
    """Numbers of three rows that all these stores hold."""
    return np.flatnonzero(np.all([bench.needed[f"avs/{s}"] for s in stores], 0))[[0, 7, -1]]


def test_sam_embeddings_are_the_predictors(bench):
    """segment_anything's own predictor, frame by frame, from the file."""
    sam = bench.encoders.sam()
    predictor = SamPredictor(sam)
    paths = frame_paths(bench.index)
    rows = _some_rows(bench, "sam_rgb")
    for row, stored in zip(rows, bench.store("sam_rgb")[rows], strict=True):
        predictor.set_image(read_frame(paths[row]))
        expected = predictor.get_image_embedding()[0].numpy()
        np.testing.assert_allclose(stored, expected, atol=5e-3)  # stored as fp16


def test_tokens_lead_to_the_same_embedding(bench):
    sam = bench.encoders.sam()
    rows = _some_rows(bench, "tokens2_rgb", "sam_rgb")
    tokens = torch.from_numpy(bench.store("tokens2_rgb")[rows]).float()
    with torch.no_grad():
        embedding = continue_from_tokens(sam, tokens, 2).numpy()
    np.testing.assert_allclose(embedding, bench.store("sam_rgb")[rows], atol=2e-2)


def test_audio_rows_are_the_seconds_of_their_clip(bench):
    index, store = bench.index, bench.store("vggish")
    avsbench = np.flatnonzero(index.benchmark.isin(["v1s", "v1m", "v2"]))
    for position in avsbench[[0, -1]]:
        clip = index.iloc[position]
        waveform = read_audio(Path(clip.audio_path))
        expected = hear(bench.encoders, "vggish", waveform, 0, clip.frames)
        got = store[clip.first_row + np.arange(clip.frames)]
        np.testing.assert_allclose(got, expected, atol=1e-5)
        # Second k alone gives row k: no other second leaks in with a hop of one second.
        last = clip.frames - 1
        alone = hear(bench.encoders, "vggish", waveform[last * 16_000 :], 0, 1)
        np.testing.assert_allclose(got[last], alone[0], atol=1e-5)


def test_a_vggss_frame_hears_the_second_that_covers_it(bench):
    index = bench.index
    clip = index[index.benchmark == "vggss"].iloc[3]
    waveform = read_audio(Path(clip.audio_path))[5 * 16_000 : 6 * 16_000]
    got = bench.store("vggish")[np.array([clip.first_row])]
    np.testing.assert_allclose(got, hear(bench.encoders, "vggish", waveform, 0, 1), atol=1e-5)


def test_pixels_are_the_squashed_frame(bench):
    row = int(_some_rows(bench, "pixels64")[1])
    frame = read_frame(frame_paths(bench.index)[row])
    expected = Image.fromarray(frame).resize((64, 64), Image.Resampling.BILINEAR)
    stored = bench.store("pixels64")[np.array([row])][0]
    np.testing.assert_array_equal(stored.transpose(1, 2, 0), np.asarray(expected))


def _contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_extraction_resumes_and_ends_in_the_same_bytes(bench):
    folder = bench.params.work / "features"
    whole, avs = _contents(folder), folder / "avs/sam_rgb"
    kept = shard_path(avs, 1).stat().st_mtime_ns
    shard_path(avs, 0).unlink()
    shard_path(avs, 2).write_bytes(whole["avs/sam_rgb/shard-00002.npy"][:-1] + b"x")
    killed = f".shard-00002.npy.{platform.node()}-{2**22 + 1}.part"
    (avs / killed).write_bytes(b"half")
    assert cli.main(["features"]) == 0
    assert _contents(folder) == whole
    assert shard_path(avs, 1).stat().st_mtime_ns == kept


@pytest.mark.slow
def test_a_kill_costs_a_shard_a_process(bench, edit):
    """Killed for good, twice, wherever it was; what was listed is never written again."""
    edit("features.rows_per_shard", 32)
    folder, context = bench.params.work / "features", get_context("fork")
    for wanted in (3, 20):
        process = context.Process(target=_in_own_group, args=(["features"],))
        process.start()
        while len(_listed(folder)) < wanted or os.getpgid(process.pid) != process.pid:
            assert process.is_alive()
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        listed = _listed(folder)
        written = {p: p.stat().st_mtime_ns for p in folder.rglob("shard-*.npy")}
        assert len(listed) >= wanted
    assert cli.main(["features"]) == 0
    again = [p for p, before in written.items() if p.stat().st_mtime_ns != before]
    assert not {p for p in again if p in listed}
    assert not list(folder.rglob(".shard-*.part"))
    for store in bench.params.features.stores["avs"]:
        Workbench(load()).store(store).verify()


def _in_own_group(arguments, **environment):
    os.setsid()
    os.environ.update(environment)
    os._exit(cli.main(arguments))


def _listed(folder):
    """Files of this shard size that a manifest lists."""
    found = set()
    for path in folder.glob("*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        if manifest["header"]["rows_per_shard"] == 32:
            found |= {shard_path(path.parent, int(k)) for k in manifest["shards"]}
    return found


@pytest.mark.slow
def test_two_ranks_make_what_one_process_makes(bench):
    folder = bench.params.work / "features"
    whole = _contents(folder)
    shutil.rmtree(folder)
    ranks = [{"RANK": str(k), "WORLD_SIZE": "2", "LOCAL_RANK": str(k)} for k in (1, 0)]
    started = []
    for environment in ranks:
        target = get_context("fork").Process(
            target=_in_own_group, args=(["features"],), kwargs=environment
        )
        target.start()
        started.append(target)
        if len(started) == 1:  # its share alone, listed by itself, and no store yet
            target.join()
            alone = {p.name for p in folder.rglob("*.json")}
            assert alone == {"manifest-1.json"}
            shards = len(list(folder.rglob("shard-*.npy")))
            assert abs(2 * shards - sum(name.endswith(".npy") for name in whole)) <= 4
    started[1].join()
    assert [process.exitcode for process in started] == [0, 0]
    assert _contents(folder) == whole


def test_one_process_goes_on_from_what_ranks_have_listed(bench):
    """Ranks that were killed when all of a store was listed, before the first one gathered it."""
    folder = bench.params.work / "features"
    whole = _contents(folder)
    for path in folder.glob("*/*/manifest.json"):
        listed = read_sealed(path)
        for rank in (0, 1):
            own = {k: v for k, v in listed["shards"].items() if int(k) % 2 == rank}
            write_sealed(path.with_name(f"manifest-{rank}.json"), listed | {"shards": own})
        path.unlink()
    shards = {p: p.stat().st_mtime_ns for p in folder.rglob("shard-*.npy")}
    assert cli.main(["features"]) == 0
    assert _contents(folder) == whole
    assert {p: p.stat().st_mtime_ns for p in shards} == shards


def test_waiting_ends_with_the_last_shard_or_with_patience(monkeypatch):
    states = iter([["a", "b"], ["b"], []])
    extract._await(lambda: next(states), seconds=0)
    assert next(states, "asked no more") == "asked no more"
    monkeypatch.setattr(extract, "PATIENCE", 0)
    with pytest.raises(StoreError, match="1 shards of other processes don't come, b first"):
        extract._await(lambda: ["b"], seconds=0.01)


def test_a_full_disk_is_told_before_anything_is_written(bench, monkeypatch, capsys):
    folder = bench.params.work / "features"
    shutil.rmtree(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 10**6))
    assert cli.main(["features"]) == 1
    error = capsys.readouterr().err
    assert "0.1 GiB to write, 0.0 GiB free" in error and "features.stores" in error
    assert not [p for p in folder.rglob("*") if p.is_file()]


def test_room_for_what_replaces_older_files_is_not_asked_twice(bench, monkeypatch):
    folder = bench.params.work / "features"
    for path in folder.glob("avs/[!v]*/manifest.json"):  # as of other clips: nothing is known of it
        path.unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 10**6))
    assert cli.main(["features"]) == 0


def test_a_second_process_waits_for_the_first(bench):
    folder = bench.params.work / "features"
    command = [sys.executable, "-m", "benchmarks", "features"]  # a fork would hold the lock too
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with locked(folder.with_name("features.lock-0"), "features"):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        said = process.stderr.readline()
    assert said.startswith(f"features: waiting for process {os.getpid()} on ")
    assert process.wait(600) == 0


def test_an_error_in_a_worker_ends_the_rest(bench, capsys, edit):
    """A frame that has gone since it was indexed: named, though a hundred shards wait."""
    edit("features.rows_per_shard", 8)
    gone = frame_paths(bench.index)[0]
    gone.unlink()
    assert cli.main(["features"]) == 1
    assert str(gone) in capsys.readouterr().err
    frames = bench.params.work / "features/avs/sam_rgb"  # the sounds' stores come first
    assert len(list(frames.glob("shard-*.npy"))) < 100  # of 122


def test_unknown_store(bench):
    with pytest.raises(StoreError, match="no feature store is called 'sam_grey'"):
        header("sam_grey", bench.index, bench.encoders, 8)
