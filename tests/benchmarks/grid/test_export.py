"""From a trained row to files: a checkpoint that predicts, maps that score, what the suite says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.grid.cells import run_cells
from benchmarks.grid.export import export
from benchmarks.grid.protocol import cells_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import load
from benchmarks.params.errors import ParamsError
from benchmarks.scoring.files import score_folders
from benchmarks.scoring.metrics import fscore, miou
from benchmarks.scoring.npz import load_scores
from gavs.checkpoint import read_checkpoint
from gavs.media import read_image, read_sound
from gavs.predictor import load_model
from tests.benchmarks.predictions.conftest import import_folder


def run_row(params, row: str, benchmark: str) -> Path:
    """Train and score a row with seed 0; its record's files, less their suffix."""
    (cell,) = (
        c for c in cells_of(params, "table1", row)
        if (c.benchmark, c.setting, c.seed) == (benchmark, "train", 0)
    )  # fmt: skip
    assert run_cells(params, [cell], 1) == []
    return params.work / f"records/table1/{row}/{cell.file_stem}"


@pytest.mark.parametrize("row", ["gavs", "tpavi_sam"])
def test_an_exported_row_predicts_what_the_suite_predicted(project, row):
    params = load(Path("params.yaml"))
    stem = run_row(params, row, "v2")
    export(Workbench(params), row, "v2", 0, Path(f"{row}-v2.safetensors"))

    predictor = load_model(row, "v2", folder=Path())
    with np.load(f"{stem}.overlays.npz") as maps:
        assert len(maps.files)
        for name in maps.files:
            uid, second = name.split("/")
            folder = params.data.root / "v2" / uid
            sound = read_sound(folder / "audio.wav")
            images = [read_image(folder / f"frames/{k}.jpg") for k in range(10)]
            found = predictor(images, sound)[int(second)]
            assert np.ptp(found) > 0.02
            np.testing.assert_allclose(found, maps[name] / 255, atol=0.004)  # it is in 8 bits


def assert_same_counts(scores, recorded):
    ours, theirs = (np.lexsort((s.frame, s.uid)) for s in (scores, recorded))
    assert len(ours) == len(theirs)
    for name in ("intersection", "union", "target", "foreground", "background"):
        found, expected = getattr(scores, name)[ours], getattr(recorded, name)[theirs]
        np.testing.assert_array_equal(found, expected)


def test_a_row_is_scored_again_from_its_files(project, capsys):
    """To the last pixel from floats, to a thousandth from PNGs of 16 bits."""
    params = load(Path("params.yaml"))
    for kind in ("npy", "png"):  # the first one trains it
        assert cli.main(["predict", "gavs", "v1m", "--format", kind, "--out", kind]) == 0
    said = capsys.readouterr().out
    recorded = load_scores(Path(f"{run_row(params, 'gavs', 'v1m')}.npz"))["test"]
    assert said.count(f"{len(recorded)} frames of v1m/test") == 2
    exact, deep = (
        score_folders(Path(k, "predictions"), Path(k, "masks"))[0] for k in ("npy", "png")
    )
    assert_same_counts(exact, recorded)
    assert miou(deep) == pytest.approx(miou(recorded), abs=1e-4)
    assert fscore(deep) == pytest.approx(fscore(recorded), abs=1e-3)
    image = Image.open(next(Path("png/predictions").rglob("*.png")))
    assert np.asarray(image).max() > 255


def test_predictions_of_other_clips_or_of_half_a_run_are_never_mixed_in(project, monkeypatch):
    def run(kind, clips="v1m/test"):
        words = ["predict", "gavs", "v1m", "--clips", clips, "--format", kind, "--out", "a b"]
        return cli.main(words)

    def files():
        return {path: path.read_bytes() for path in Path("a b").rglob("*.*") if path.is_file()}

    assert run("npy") == 0
    before = files()
    assert run("png") == run("npy", "v1m/val") == 1 and files() == before
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.grid.export.save_probabilities", interrupt)
        assert run("npy") == 130
    assert {path: path.read_bytes() for path in before} == before  # a whole run's still
    assert run("npy") == 0 and files() == before
    Path("file").touch()
    assert cli.main(["predict", "gavs", "v1m", "--out", "file"]) == 1


def interrupt(*_):
    raise KeyboardInterrupt


def test_what_a_run_dumps_is_scored_and_imported_as_its_records(project, edit):
    """Each cell with the sound that it was tested with: the floor with silence."""
    edit("scoring.floor_seeds", [0])
    words = ["run", "table1", "gavs", "v1m", "--seed", "0", "--dump", "dumped"]
    assert cli.main(words) == 0
    params = load(Path("params.yaml"))
    for setting in ("train", "floor"):
        place = f"table1/gavs/v1m-{setting}-seed0"
        recorded = load_scores(params.work / f"records/{place}.npz")["test"]
        folder = Path("dumped", place)
        assert_same_counts(score_folders(folder / "predictions", folder / "masks")[0], recorded)
        stored = import_folder(params, folder / "predictions", f"my-{setting}", "v1m")
        assert_same_counts(stored.scores()["test"], recorded)


def test_a_checkpoint_says_where_it_comes_from_and_is_made_again_byte_for_byte(project):
    bench = Workbench(load(Path("params.yaml")))
    for name in ("a", "b"):
        export(bench, "gavs", "v1s", 0, Path(name))
    assert Path("a").read_bytes() == Path("b").read_bytes()
    header, trained = read_checkpoint(Path("a"))
    assert header.origin["row"] == "gavs" and header.origin["trained on"] == "v1s/train"
    assert header.encoders["sam"].path == "weights/miniature/sam.safetensors"
    assert not [name for name in trained if name.startswith("sam.mask_decoder")]


@pytest.mark.parametrize(
    ("row", "benchmark", "seed", "words"),
    [
        ("oracle_click", "v1s", 0, "oracle_click is shown the truth"),
        ("ez_vsl", "v1s", 0, "ez_vsl doesn't learn from v1s; it learns from vggsound"),
        ("gavs", "vggsound", 0, "gavs doesn't learn from vggsound; it learns from v1s, v1m"),
        ("gavs", "v1s", 77, r"--seed 77: not among gavs's seeds \[0.* of params.yaml"),
    ],
)
def test_what_cannot_leave_is_told_before_it_is_trained(project, row, benchmark, seed, words):
    bench = Workbench(load(Path("params.yaml")))
    with pytest.raises(ParamsError, match=words):
        export(bench, row, benchmark, seed, Path("c.safetensors"))
