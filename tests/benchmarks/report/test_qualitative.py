"""Overlays from stored predictions, one clip of each kind."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from benchmarks.common.files import sha256
from benchmarks.data.clip_files import file_digests
from benchmarks.report.overlays import Panel
from benchmarks.report.qualitative import panels_of, qualitative, strip, strip_figure
from benchmarks.report.style import png
from benchmarks.scoring.records import Key, RecordError, Stored
from tests.benchmarks.report.conftest import plan_with

NO_SOUND = np.zeros((96, 64))


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


def keep(folder, key, place, value):
    """A record with one prediction."""
    path = folder / f"{key.row}.json"
    overlays = path.with_suffix(".overlays.npz")
    np.savez(overlays, **{place: np.full((4, 8), value, np.uint8)})
    return {key: Stored(SimpleNamespace(files={"overlays.npz": sha256(overlays)}), path)}


@pytest.fixture
def index(tmp_path):
    boxed = clip(tmp_path / "b", "file_000030", "vggss", 10, 5, json.dumps([[0, 0, 0.25, 1]]))
    return pd.DataFrame([clip(tmp_path / "a", "clip_a", "v2", 5, 0), boxed])


def test_a_masked_and_a_boxed_clip(tmp_path, index):
    keys = [Key(row, "v1s", "train", 0) for row in ("gavs", "avsbench", "absent")]
    records = keep(tmp_path, keys[0], "clip_a/1", 255) | keep(tmp_path, keys[1], "clip_a/1", 51)
    (panel,) = panels_of(records, index, keys)
    assert panel.title == "V1S\ndog, man" and panel.second == 1
    assert (panel.frame == 101).all() and panel.log_mel.shape == (5 * 96, 64)
    assert panel.truth.sum() == 16 and not panel.boxes
    assert {row: p.mean() for row, p in panel.predictions.items()} == {"gavs": 1, "avsbench": 0.2}

    key = Key("gavs", "vggss", "0-shot", 0)
    (panel,) = panels_of(keep(tmp_path, key, "file_000030/0", 255), index, [key])
    assert panel.second == 5 and panel.log_mel.shape == (10 * 96, 64)
    assert panel.boxes == [[0, 0, 0.25, 1]] and panel.truth.sum() == 8


def test_only_figures_with_predictions_are_made(tmp_path, index):
    records = keep(tmp_path, Key("gavs", "v3", "0-shot", 0), "clip_a/1", 255)
    assert list(qualitative(plan_with(), records, index)) == ["overlays_unseen"]


@pytest.mark.parametrize("place", ["clip_b/0", "clip_a", "clip_a/one"])
def test_predictions_of_no_frame_name_their_record(tmp_path, index, place):
    records = keep(tmp_path, Key("gavs", "v3", "0-shot", 0), place, 255)
    with pytest.raises(RecordError, match=r"gavs.json: predictions of .*no frame of the index"):
        qualitative(plan_with(), records, index)


def test_predictions_that_are_not_those_of_the_record_are_not_shown(tmp_path, index):
    key = Key("gavs", "v1s", "train", 0)
    records = keep(tmp_path, key, "clip_a/1", 255)
    path = tmp_path / "gavs.overlays.npz"
    np.savez(path, **{"clip_a/1": np.full((4, 8), 51, np.uint8)})
    with pytest.raises(RecordError, match=f"{path.name}: its checksum is"):
        panels_of(records, index, [key])


def panel(benchmark, lit, *rows):
    """A 4 x 4 frame with so many sounding pixels."""
    truth = np.arange(16).reshape(4, 4) < lit
    predictions = {row: truth.astype(float) for row in rows}
    return Panel(
        f"{benchmark}\ndog", np.zeros((4, 4, 3), np.uint8), NO_SOUND, 0, truth, predictions
    )


def test_the_strip_has_each_benchmarks_first_frame_with_its_sound_in_view():
    plan = plan_with(figure3={"rows": ["avsbench", "tpavi_sam", "gavs", "gavs_released"]})
    rows = ("gavs_released", "avsbench", "tpavi_sam", "gavs")
    shown = [
        panel("V1S", 0, *rows),
        panel("V1S", 1, *rows),
        panel("V1S", 2, *rows),
        panel("V2", 3, "tpavi_sam"),
        panel("V2", 4, "avsbench"),
        panel("V1M", 0, *rows),
    ]
    chosen = strip(plan, shown)
    assert [(p.title, p.truth.sum()) for p in chosen] == [("V1S\ndog", 1), ("V2\ndog", 4)]
    assert [list(p.predictions) for p in chosen] == [
        ["gavs", "avsbench", "gavs_released"],
        ["avsbench"],
    ]


@pytest.mark.parametrize("methods", [1, 3, 5])
def test_the_strip_fits_a_page(methods):
    shown = [panel("V1S", 4, *(f"a_long_row_{i}" for i in range(methods)))] * 3
    with Image.open(io.BytesIO(png(strip_figure(shown)))) as image:
        assert image.width <= 1000
