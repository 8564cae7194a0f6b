"""The page of an import: every clip once, what is drawn of it, its sound, and the LaTeX line."""

import fcntl
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.common.overlay import COLOURS
from benchmarks.data.clip_files import ClipFileError, file_digests
from benchmarks.data.index import load_index, write_index
from benchmarks.params.errors import ParamsError
from benchmarks.predictions import command
from benchmarks.predictions.imported import score_submission
from benchmarks.predictions.page import figures_of, grid_of, write_page
from benchmarks.predictions.submission import SubmissionError
from tests.benchmarks.predictions.conftest import MASK, save


def page_of(params, folder, tmp_path, benchmark="v2", workers=1):
    scored = score_submission(params, folder, benchmark)
    path = tmp_path / "out/page.html"
    write_page(path, "v2/test", scored, grid_of("theirs", figures_of(scored)), workers)
    return path


def importing(params, folder, name, monkeypatch):
    """The command `import FOLDER --as NAME --benchmark v2`, to be called."""
    monkeypatch.setattr(command, "load", lambda path: params)
    monkeypatch.setattr("benchmarks.predictions.imported.method_names", lambda: [])
    args = SimpleNamespace(
        params=Path("p"), folder=folder, name=name, benchmark="v2", table=None, seed=0,
        layout="suite", masks=False, workers=1,
    )  # fmt: skip
    return partial(command.import_predictions, args)


@pytest.mark.parametrize(
    ("table", "benchmark", "message"),
    [
        (None, None, "say of which test: --benchmark v1s, v1m, v2, v3, vggss"),
        ("table1", None, "say of which test: --benchmark v1s, v1m, v2"),
        ("table9", None, "--table table9: expected one of table1, table2, table3"),
        ("table4", None, "--table table4: expected one of table1, table2, table3"),
        ("table2", "v2", "--table table2 isn't tested on v2, which is of table1"),
    ],
)
def test_an_import_that_does_not_say_of_which_test_is_told_what_is_missing(
    params, folder, monkeypatch, table, benchmark, message
):
    run = importing(params, folder, "theirs", monkeypatch)
    run.args[0].table, run.args[0].benchmark = table, benchmark
    with pytest.raises(ParamsError) as raised:
        run()
    assert str(raised.value) == message


def test_a_table_of_one_test_says_which(params, folder, monkeypatch):
    """Table 3 has VGG-SS alone: masks of V2 are none of its images'."""
    run = importing(params, folder, "theirs", monkeypatch)
    run.args[0].table, run.args[0].benchmark = "table3", None
    with pytest.raises(SubmissionError, match="none of the 2 frames of the test is there"):
        run()


def test_every_clip_is_there_once_the_worst_first_with_its_picture_and_its_sound(
    params, folder, tmp_path
):
    save(folder / "bb_0_2/0.png", np.zeros_like(MASK))  # IoU 0 and 1: 50 %
    path = page_of(params, folder, tmp_path, workers=2)
    text = path.read_text()
    assert re.findall(r"<h2>(\S+) \((.*?)\)", text) == [
        ("bb_0_2", "dog, cat; 50.00 %"),
        ("aa_0_2", "dog; 100.00 %"),
        ("bb_2_4", "dog, cat; 100.00 %"),
    ]
    sounds = [path.parent / unquote(name) for name in re.findall(r'<audio.*?src="(.*?)"', text)]
    assert [sound.read_text() for sound in sounds] == ["bb_0_2", "aa_0_2", "bb_2_4"]
    pictures = [path.parent / unquote(name) for name in re.findall(r'<img.*?src="(.*?)"', text)]
    assert [Image.open(picture).size for picture in pictures] == [(12, 4)] * 3  # two frames each


def drawn_on_grey(params, truth, predicted, folder, tmp_path):
    """The picture of a grey frame with these masks, one of whose clips alone is of interest."""
    index = load_index(params.work / "index.csv")
    data = tmp_path / "data/aa_0_2"
    for frame in range(2):
        save(data / f"frames/{frame}.png", np.full((*truth.shape, 3), 100, np.uint8))
        save(data / f"masks/{frame}.png", truth.astype(np.uint8) * 255)
        save(folder / f"aa_0_2/{frame}.png", predicted.astype(np.uint8) * 255)
    files = [data / kind / f"{frame}.png" for kind in ("frames", "masks") for frame in range(2)]
    for name, value in file_digests([*files, data / "audio.wav"], "").items():
        index.loc[index.uid == "aa_0_2", name] = value
    (params.work / "index.csv").write_bytes(write_index(pd.DataFrame(index)))
    text = page_of(params, folder, tmp_path).read_text()
    (name,) = re.findall(r"<h2>aa_0_2 .*?src=\"(.*?)\"", text)
    return np.asarray(Image.open(tmp_path / "out" / name)).astype(int)


def test_hits_false_alarms_and_misses_have_their_colours(params, folder, tmp_path):
    truth, predicted = np.zeros((2, 64, 64), bool)
    truth[:32], predicted[:, :32] = True, True
    picture = drawn_on_grey(params, truth, predicted, folder, tmp_path)
    assert picture.shape == (64, 128, 3)
    grey = 255 * 0.15 + 0.55 * 100
    for row, column, colour in ((16, 16, "hit"), (48, 16, "false alarm"), (16, 48, "miss")):
        rgb = np.array([*bytes.fromhex(COLOURS[colour][1:])])
        for frame in (0, 64):
            expected = 0.25 * grey + 0.75 * rgb
            assert np.abs(picture[row, column + frame] - expected).max() < 8
    assert np.abs(picture[48, 48] - grey).max() < 8


def test_heat_maps_are_shown_over_the_box(params, tmp_path):
    quarter = np.zeros((224, 224), np.uint8)
    quarter[:112, :112] = 250
    for uid in ("x1", "x2"):
        save(tmp_path / f"maps/{uid}.png", quarter)
    text = page_of(params, tmp_path / "maps", tmp_path, "vggss").read_text()
    assert text.count("<article>") == text.count("100.00 %") == 2


def test_names_break_neither_page_nor_table(params, folder, tmp_path):
    index = load_index(params.work / "index.csv")
    index["classes"] = "<b>&_dog"
    (params.work / "index.csv").write_bytes(write_index(index))
    text = page_of(params, folder, tmp_path).read_text()
    assert "&lt;b&gt;&amp;, dog" in text and "<b>&" not in text


def test_a_second_import_leaves_no_picture_of_the_first(params, folder, tmp_path):
    path = page_of(params, folder, tmp_path)
    (path.with_suffix("") / "00009.jpg").touch()
    page_of(params, folder, tmp_path)
    names = [picture.name for picture in sorted(path.with_suffix("").iterdir())]
    assert names == ["00000.jpg", "00001.jpg", "00002.jpg"]


def test_an_import_that_fails_leaves_the_earlier_one_whole(params, folder, monkeypatch):
    """The last frame can't be drawn: pictures, page and record are those of before."""
    run = importing(params, folder, "theirs", monkeypatch)
    run()
    place = params.work / "imported/theirs"

    def files():
        return {p: p.read_bytes() for p in place.rglob("*") if p.is_file() and p.suffix != ".lock"}

    before = files()
    assert len(before) == 4 + 3
    for path in folder.rglob("*.png"):
        save(path, MASK)
    index = load_index(params.work / "index.csv")
    index["frame_path"] = index.frame_path.str.replace("bb_2_4", "gone")
    (params.work / "index.csv").write_bytes(write_index(index))
    with pytest.raises(ClipFileError, match="gone/frames/0.png: missing"):
        run()
    assert files() == before


@pytest.mark.parametrize("step", ["write_page", "latex", "write_imported"])
def test_a_killed_import_leaves_no_record_that_page_or_table_contradict(
    params, folder, monkeypatch, step
):
    """Killed before each step, after pictures were drawn."""
    run, place = importing(params, folder, "theirs", monkeypatch), params.work / "imported/theirs"
    run()

    def kill(*_):
        raise KeyboardInterrupt

    where = {"write_page": "page.write_atomic", "latex": "command.latex"}
    target = where.get(step, "imported.write_imported")
    monkeypatch.setattr(f"benchmarks.predictions.{target}", kill)
    with pytest.raises(KeyboardInterrupt):
        run()
    page, table, record = (place / f"v2-train-seed0.{kind}" for kind in ("html", "tex", "json"))
    assert not record.exists()
    assert (page.exists(), table.exists()) == {
        "write_page": (False, False), "latex": (True, False), "write_imported": (True, True)
    }[step]  # fmt: skip


def test_two_imports_of_a_name_at_once_come_one_after_the_other(params, folder, monkeypatch):
    """The second waits while the first draws."""
    run = importing(params, folder, "theirs", monkeypatch)
    seen = []

    def draw(*args):
        lock = params.work / "imported/theirs/v2-train-seed0.lock"
        with lock.open("ab") as file:
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(args)
        return write_page(*args)

    monkeypatch.setattr("benchmarks.predictions.page.write_page", draw)
    run()
    assert len(seen) == 1


def test_the_command_prints_row_and_line_and_writes_record_page_and_table(
    params, folder, monkeypatch, capsys
):
    """Perfect masks: 100 of every video, F 1."""
    importing(params, folder, "th_eirs", monkeypatch)()
    line = r"th\_eirs & 100.00 & [100.00, 100.00] & 1.000 & [1.000, 1.000] \\"
    printed = capsys.readouterr().out
    assert f"LaTeX: {line}\n" in printed and "  miou      100.00 [100.00, 100.00]\n" in printed
    place = params.work / "imported/th_eirs"
    assert {p.suffix for p in place.iterdir()} == {".json", ".npz", ".html", ".tex", ".lock", ""}
    assert line in (place / "v2-train-seed0.tex").read_text()
    assert line.replace("&", "&amp;") in (place / "v2-train-seed0.html").read_text()
