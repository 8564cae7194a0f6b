"""Folders of predictions: names of every layout, and one clear answer to each defect."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.predictions.imported import Imported, read_imported, score_submission
from benchmarks.predictions.layouts import LAYOUTS
from benchmarks.predictions.submission import SubmissionError
from benchmarks.scoring.boxes import box_terms
from benchmarks.scoring.decoding import ScoreError
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.records import Key, RecordError, write_record
from tests.benchmarks.predictions.conftest import CLIPS, MASK, import_folder, save


@pytest.mark.parametrize(
    ("layout", "name", "place"),
    [
        ("suite", "u/00003", ("u", 3)),
        ("suite", "u", ("u", 0)),
        ("suite", "a/u/3", None),
        ("avsbench", "pred_masks/dog/u/u_0", ("u", 0)),  # of S4: below the class
        ("avsbench", "u/u_4", ("u", 4)),
        ("avsbench", "u/4", None),
        ("avsegformer", "u_1_2/u_1_2_4", ("u_1_2", 4)),
        ("gavs", "v1m_tag/u/4", ("u", 4)),
        ("combo", "vis/ms3_data/visual_frames/u/u.mp4_1", ("u", 0)),
        ("combo", "vis/v2/u/frames/0", ("u", 0)),
        ("vct", "binary_mask/v2/u/9", ("u", 9)),
        ("tavis", "masks/u/u_1", ("u", 0)),
    ],
)
def test_names_of_each_layout(layout, name, place):
    assert LAYOUTS[layout].place(name) == place


def test_every_other_layout_names_its_source():
    assert [name for name, layout in LAYOUTS.items() if bool(layout.source) != layout.masks] == []


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [("avsbench", "x/{u}/{u}_{k}.png"), ("gavs", "{u}/{k}.png"), ("tavis", "{u}/{u}_{n}.png")],
)
@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_masks_of_half_the_size_are_resized_to_the_nearest_and_reported(
    params, tmp_path, layout, pattern, mode
):
    for uid in list(CLIPS)[:3]:
        for k in range(2):
            path = tmp_path / "given" / pattern.format(u=uid, k=k, n=k + 1)
            save(path, MASK[::2, ::2], mode)
    scored = score_submission(params, tmp_path / "given", "v2", layout)
    assert miou(scored.scores) == 1
    assert scored.origin.kind == "masks" and scored.origin.resized == {"2 x 3": 6}


def test_maps_are_resized_bilinearly(params, folder):
    """The edge column of half a step: p = .75, .25 beside it; lit above .5 as before."""
    for path in folder.rglob("*.png"):
        save(path, (MASK[::2, ::2] // 255 * 255).astype(np.uint8))
    scores = score_submission(params, folder, "v2").scores
    assert scores.target.tolist() == [8] * 6
    assert scores.predicted[:, 0].tolist() == [8] * 6
    assert (scores.foreground[:, 200:].sum(1) < 8).all()  # no longer all at 1


def test_a_row_is_written_and_marked_and_its_counts_do_not_depend_on_workers(
    params, folder, monkeypatch
):
    stored = import_folder(params, folder, "theirs", "v2", seed=3)
    (read,) = read_imported(params.work / "imported", "small").values()
    assert read.record == stored.record and read.record.key == Key("theirs", "v2", "train", 3)
    assert isinstance(read.record, Imported) and read.record.imported.kind == "probabilities"
    scores = read.scores()["test"]
    assert scores.uid.tolist() == ["aa_0_2"] * 2 + ["bb_0_2"] * 2 + ["bb_2_4"] * 2
    assert scores.video.tolist() == ["aa"] * 2 + ["bb"] * 4 and miou(scores) == 1
    before = stored.path.with_suffix(".npz").read_bytes()
    monkeypatch.setattr("benchmarks.scoring.files.CHUNK", 1)
    import_folder(params, folder, "theirs", "v2", seed=3, workers=2)
    assert stored.path.with_suffix(".npz").read_bytes() == before


def test_a_name_of_the_suite_is_not_taken(params, folder):
    with pytest.raises(SubmissionError, match="--as gavs: the suite trains a row of this name"):
        import_folder(params, folder, "gavs", "v2")
    with pytest.raises(SubmissionError, match="letters, digits"):
        import_folder(params, folder, "../x", "v2")
    with pytest.raises(SubmissionError, match="at most 100 letters"):
        import_folder(params, folder, "x" * 101, "v2")


def test_a_name_of_the_suite_in_other_letters_is_not_taken_either(params, folder):
    with pytest.raises(SubmissionError, match="--as GAVS: the suite trains a row of this name"):
        import_folder(params, folder, "GAVS", "v2")


def test_scores_that_are_gone_have_an_import_s_remedy(params, folder):
    stored = import_folder(params, folder, "theirs", "v2")
    (read,) = read_imported(params.work / "imported", "small").values()
    stored.path.with_suffix(".npz").unlink()
    for one in (stored, read):
        with pytest.raises(RecordError, match="seed0.npz: no such file; import the predictions a"):
            one.scores()


def test_frames_all_one_off_are_told_by_their_numbers(params, folder):
    params.scoring = SimpleNamespace(frames_per_clip=1)
    for uid in list(CLIPS)[:3]:
        (folder / uid / "1.png").unlink()
    with pytest.raises(SubmissionError, match="is there; counted from 0, found are 0, expected 1"):
        import_folder(params, folder, "theirs", "v2")


def test_frames_that_are_not_scored_may_be_there_and_are_not_read(params, folder):
    params.scoring = SimpleNamespace(frames_per_clip=1)
    (folder / "aa_0_2/0.png").write_bytes(b"damaged")  # of two frames the second is scored
    assert score_submission(params, folder, "v2").scores.frame.tolist() == [1, 1, 1]


def test_a_video_stands_for_its_only_clip(params, folder):
    shutil.move(folder / "aa_0_2", folder / "aa")
    assert miou(score_submission(params, folder, "v2").scores) == 1


def test_a_clip_may_be_a_link_to_a_folder_and_hidden_ones_are_passed_over(params, folder, tmp_path):
    shutil.move(folder / "aa_0_2", tmp_path / "elsewhere")
    (folder / "aa_0_2").symlink_to(tmp_path / "elsewhere")
    save(folder / ".trash/aa_0_2/0.png", MASK)
    assert miou(score_submission(params, folder, "v2").scores) == 1
    (folder / "aa_0_2/again").symlink_to(folder)
    with pytest.raises(OSError, match="aa_0_2/again: a link to a folder that it lies in"):
        score_submission(params, folder, "v2")


@pytest.mark.parametrize("values", [[0, 1], [0, 40], [False, True], [0.0, 0.25]])
def test_a_declared_mask_is_lit_where_it_is_not_0(params, folder, values):
    """Class numbers, 0 and 1 of 255, arrays: each a mask, though dark as probabilities."""
    lit = np.array(values)[MASK // 255]
    for path in list(folder.rglob("*.png")):
        path.unlink()
        numbers = lit.dtype == int
        save(path if numbers else path.with_suffix(".npy"), lit.astype("u1") if numbers else lit)
    scored = score_submission(params, folder, "v2", masks=True)
    assert miou(scored.scores) == 1 and scored.origin.kind == "masks"


def test_a_declared_mask_has_no_probabilities(params, folder):
    with pytest.raises(ScoreError, match="aa_0_2/0.png: .*16 lit pixels of another value than 214"):
        score_submission(params, folder, "v2", masks=True)


def test_what_two_or_damaged_imports_leave_is_named_with_a_remedy(params, folder):
    path = import_folder(params, folder, "theirs", "v2").path
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    root = params.work / "imported"
    with pytest.raises(RecordError, match=r"theirs/v2-train.* and .*copy/v2-train.* delete one"):
        read_imported(root, "small")
    shutil.rmtree(root / "copy")
    text = path.read_text()
    for edit, words in (
        (lambda: text.replace('"layout": "suite"', '"layout": "gavs"'), "checksum"),
        (lambda: text[:-20], "can't be read as JSON"),
    ):
        path.write_text(edit())
        with pytest.raises(
            RecordError, match=f"(?s)v2-train.*{words}.*import the predictions again$"
        ):
            read_imported(root, "small")
    content = json.loads(text)
    del content["imported"]
    write_record(path, content)
    with pytest.raises(RecordError, match="json: imported: not as `import` writes it; delete it"):
        read_imported(root, "small")


def damage(folder):
    path = folder / "aa_0_2/1.png"
    path.write_bytes(path.read_bytes()[:-20])


MOVED = (("1.png", "2.png"), ("0.png", "1.png"))


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (damage, ScoreError, "aa_0_2/1.png: can't be read"),
        (
            lambda f: (f / "bb_0_2/1.png").unlink(),
            SubmissionError,
            "1 of 6 frames are missing:\n  bb_0_2 frame 1: missing",
        ),
        (
            lambda f: shutil.copy(f / "aa_0_2/1.png", f / "aa_0_2/01.png"),
            SubmissionError,
            "aa_0_2 frame 1: twice, aa_0_2/01 and aa_0_2/1",
        ),
        (
            lambda f: save(f / "cc_0_2/0.png", MASK),
            SubmissionError,
            "1 files of clips of v2 train, e.g. cc_0_2/0; only those of the test belong here",
        ),
        (
            lambda f: save(f / "dd/0.png", MASK),
            SubmissionError,
            "1 files of no indexed clip, e.g. dd/0$",
        ),
        (
            lambda f: shutil.move(f / "aa_0_2/1.png", f / "aa_0_2/aa_0_2_1.png"),
            SubmissionError,
            "no indexed clip, e.g. aa_0_2/aa_0_2_1; they look as --layout avsbench or",
        ),
        (
            lambda f: save(f / "aa_0_2/2.png", MASK),
            SubmissionError,
            "aa_0_2/2: frame 2 of aa_0_2, which has 2",
        ),
        (
            lambda f: [
                shutil.move(f / u / a, f / u / b) for u in list(CLIPS)[:3] for a, b in MOVED
            ],
            SubmissionError,
            "3 of 6 frames are missing.*its frames look numbered from 1; expected from 0",
        ),
        (
            lambda f: save(f / "cc/0.png", MASK),
            SubmissionError,
            "1 files of clips of v2 train, e.g. cc/0; only",
        ),
        (
            lambda f: save(f / "bb/0.png", MASK),
            SubmissionError,
            "bb/0: of a video with several clips; expected a clip's name, e.g. bb_0_2",
        ),
        (
            lambda f: [save(p, MASK[::2, ::2].T.copy()) for p in f.rglob("*.png")],
            ScoreError,
            r"aa_0_2/0.png: .*\(3, 2\) pixels, but its mask has \(4, 6\); it looks transposed$",
        ),
        (
            lambda f: [(save(p.with_suffix(".jpg"), MASK), p.unlink()) for p in f.rglob("*.png")],
            FileNotFoundError,
            "given holds no .*png files, but .*0.jpg and 5 more; expected CLIP/FRAME.npy",
        ),
        (lambda f: shutil.move(f, f"{f}s"), FileNotFoundError, "given: no such folder"),
        (
            lambda f: (shutil.rmtree(f), f.write_bytes(b"PK")),
            FileNotFoundError,
            "given: a file, expected a folder: unpack it first",
        ),
        (
            lambda f: ((f / "aa_0_2/1.png").unlink(), (f / "aa_0_2/1.png").symlink_to("gone")),
            ScoreError,
            "aa_0_2/1.png: can't be read as a prediction: No such file",
        ),
        (
            lambda f: [save(p, np.asarray(Image.open(p)) // 214) for p in f.rglob("*.png")],
            ScoreError,
            "no value of any prediction is above 1/255",
        ),
    ],
    ids="damaged incomplete doubled split unknown layout frame from-1 video "
    "several small-transposed jpeg absent archive dangling scale".split(),
)
def test_a_defect_is_one_clear_answer(params, folder, edit, error, message):
    edit(folder)
    with pytest.raises(error, match=f"(?sm){message}"):
        import_folder(params, folder, "theirs", "v2")
    assert not (params.work / "imported").exists()


def test_heat_maps_are_scored_against_boxes(params, tmp_path):
    """The upper left quarter of the image is the box: a map of it has IoU 1, of half of it 1/2."""
    quarter = np.zeros((224, 224), np.uint8)
    quarter[:112, :112] = 250
    save(tmp_path / "maps/x1.png", quarter)
    save(tmp_path / "maps/x2.png", quarter * (np.arange(224) < 56).astype(np.uint8))
    scores = score_submission(params, tmp_path / "maps", "vggss").scores
    assert box_terms(scores, "mean_iou").numerator.tolist() == pytest.approx([1, 0.5], abs=0.02)


def test_dark_heat_maps_are_refused_as_dark_masks_are(params, tmp_path, caplog):
    for uid in ("x1", "x2"):
        save(tmp_path / f"maps/{uid}.png", np.eye(224, dtype=np.uint8))
    with pytest.raises(ScoreError, match="x1.png and 1 more: no value .* is above 1/255"):
        score_submission(params, tmp_path / "maps", "vggss")
    for uid in ("x1", "x2"):
        save(tmp_path / f"maps/{uid}.png", np.zeros((224, 224), np.uint8))
    score_submission(params, tmp_path / "maps", "vggss")
    assert "all 2 predictions are 0 everywhere" in caplog.text
