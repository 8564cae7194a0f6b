"""Overlays from stored predictions, one clip of each kind."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from benchmarks.common.files import read_sealed, sha256, write_sealed
from benchmarks.data.clip_files import file_digests
from benchmarks.grid.protocol import Cell
from benchmarks.report.qualitative import panels, write_qualitative
from benchmarks.scoring.records import RecordError
from tests.benchmarks.report.conftest import Desk, frames, plan_with


def clip(folder, uid, benchmark, seconds, second, boxes=""):
    """A clip whose frames are 8 x 4 and sound on their left half; `second` is its first frame's."""
    folder.mkdir()
    mask = np.zeros((4, 8), np.uint8)
    mask[:, :4] = 255
    for k in range(2):
        Image.fromarray(np.full((4, 8, 3), 100 + k, np.uint8)).save(folder / f"{k}.png")
        Image.fromarray(mask).save(folder / f"mask{k}.png")
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * seconds)
    soundfile.write(folder / "audio.wav", noise, 16_000)
    kinds = ("",) if boxes else ("", "mask")
    files = [folder / f"{kind}{k}.png" for kind in kinds for k in range(2)]
    return file_digests([*files, folder / "audio.wav"], boxes) | {
        "uid": uid,
        "benchmark": benchmark,
        "classes": "dog_man",
        "frames": 2,
        "second": second,
        "frame_path": f"{folder}/{{}}.png",
        "mask_path": "" if boxes else f"{folder}/mask{{}}.png",
        "audio_path": f"{folder}/audio.wav",
        "boxes": boxes,
    }


def keep(records, cell, key, value):
    desk = Desk(records.parent)
    desk.records = records
    folder = f"{cell.table}/{cell.stage}"
    record = desk.write(folder, cell.row, cell.benchmark, cell.setting, {"test": frames([1])})
    path = records / folder / f"{cell.file_stem}.overlays.npz"
    np.savez(path, **{key: np.full((4, 8), value, np.uint8)})
    files = {"overlays.npz": sha256(path)}
    write_sealed(path.with_name(f"{cell.file_stem}.json"), read_sealed(record) | {"files": files})
    return path


@pytest.fixture
def index(tmp_path):
    boxed = clip(tmp_path / "b", "file_000030", "vggss", 10, 5, json.dumps([[0, 0, 0.25, 1]]))
    return pd.DataFrame([clip(tmp_path / "a", "clip_a", "v2", 5, 0), boxed])


def test_a_masked_and_a_boxed_clip(tmp_path, index):
    cells = [Cell("table1", row, row, "v1s", "train", 0) for row in ("gavs", "avsbench", "absent")]
    for cell, value in zip(cells[:2], (255, 51), strict=True):
        keep(tmp_path, cell, "clip_a/1", value)
    (panel,) = panels(tmp_path, index, cells)
    assert panel.title == "V1S\ndog, man" and panel.second == 1
    assert (panel.frame == 101).all() and panel.log_mel.shape == (5 * 96, 64)
    assert panel.truth.sum() == 16 and not panel.boxes
    assert {row: p.mean() for row, p in panel.predictions.items()} == {"gavs": 1, "avsbench": 0.2}

    cell = Cell("table3", "zero_shot", "gavs", "vggss", "0-shot", 0)
    keep(tmp_path, cell, "file_000030/0", 255)
    (panel,) = panels(tmp_path, index, [cell])
    assert panel.second == 5 and panel.log_mel.shape == (10 * 96, 64)
    assert panel.boxes == [[0, 0, 0.25, 1]] and panel.truth.sum() == 8


def test_only_figures_with_predictions_are_written(tmp_path, index):
    cell = Cell("table2", "zero_shot", "gavs", "v3", "0-shot", 0)
    keep(tmp_path / "records", cell, "clip_a/1", 255)
    written = write_qualitative(tmp_path / "records", tmp_path / "results", plan_with(), index)
    assert written == [tmp_path / "results/figures/overlays_unseen.png"]
    assert Image.open(written[0]).width > 500


def test_predictions_that_are_not_those_of_the_record_are_not_shown(tmp_path, index):
    cell = Cell("table1", "gavs", "gavs", "v1s", "train", 0)
    path = keep(tmp_path, cell, "clip_a/1", 255)
    np.savez(path, **{"clip_a/1": np.full((4, 8), 51, np.uint8)})
    with pytest.raises(RecordError, match=f"{path.name}: its checksum is"):
        panels(tmp_path, index, [cell])
