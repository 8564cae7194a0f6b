"""From a trained row to a checkpoint that predicts what the row was scored by."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.grid.cells import run_cells
from benchmarks.grid.export import export
from benchmarks.grid.protocol import cells_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from benchmarks.params.errors import ParamsError
from gavs.checkpoint import read_checkpoint
from gavs.media import read_image, read_sound
from gavs.predict import Predictor


def test_an_exported_row_predicts_what_the_suite_predicted(project):
    params = load(Path("params.yaml"))
    bench = Workbench(params)
    (cell,) = (
        c for c in cells_of(params, "table1", "gavs")
        if (c.benchmark, c.setting, c.seed) == ("v2", "train", 0)
    )  # fmt: skip
    assert run_cells(params, [cell], 1) == []
    export(bench, "gavs", "v2", 0, Path("c.safetensors"))

    predictor = Predictor(Path("c.safetensors"))
    with np.load(params.work / f"records/table1/gavs/{cell.file_stem}.overlays.npz") as maps:
        assert len(maps.files)
        for name in maps.files:
            uid, second = name.split("/")
            folder = params.data.root / "v2" / uid
            sound = read_sound(folder / "audio.wav")
            image = read_image(folder / f"frames/{second}.jpg")
            found = predictor(image, sound, int(second))
            assert np.ptp(found) > 0.05
            # The store is in half precision, the record's map in 8 bits.
            np.testing.assert_allclose(found, maps[name] / 255, atol=0.008)


def test_a_checkpoint_says_where_it_comes_from_and_is_made_again_byte_for_byte(project):
    bench = Workbench(load(Path("params.yaml")))
    for name in ("a", "b"):
        export(bench, "gavs", "v1s", 0, Path(name))
    assert Path("a").read_bytes() == Path("b").read_bytes()
    header, trained = read_checkpoint(Path("a"))
    assert header.origin["row"] == "gavs" and header.origin["trained on"] == "v1s/train"
    assert header.sam.path == "weights/miniature/sam.safetensors"
    assert not [name for name in trained if name.startswith("sam.mask_decoder")]


def test_only_gavs_is_exported(project):
    bench = Workbench(load(Path("params.yaml")))
    with pytest.raises(ParamsError, match="audio_sam is audio_sam; only GAVS"):
        export(bench, "audio_sam", "v1s", 0, Path("c.safetensors"))


def test_a_seed_that_no_table_has_is_not_trained(project):
    bench = Workbench(load(Path("params.yaml")))
    with pytest.raises(ParamsError, match=r"--seed 77: not among seeds \[0.* of params.yaml"):
        export(bench, "gavs", "v1s", 77, Path("c.safetensors"))
