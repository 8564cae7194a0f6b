"""Folders of probability maps: the layout, the formats, and one clear error for each defect."""

import io
import logging
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.scoring.files import ScoreError, score_folders
from benchmarks.scoring.metrics import miou
from tests.benchmarks.predictions.conftest import save

MASK = np.array([[1, 1, 0], [0, 0, 0]], np.uint8)
RED = np.array([128, 0, 0])
HALF = np.array([[0.9, 0.2, 0.1], [0.1, 0.1, 0.1]])  # IoU 1/2


@pytest.fixture
def folders(tmp_path):
    """Two clips of two frames, each with a perfect and a half-right map: IoU 1, 1/2, 1, 1/2."""
    predictions, masks = tmp_path / "predictions", tmp_path / "masks"
    for clip in ("b", "a/deep"):
        for frame, p in enumerate((MASK, HALF)):
            save(masks / clip / f"{frame}.png", MASK * 255)
            save(predictions / clip / f"{frame}.npy", np.asarray(p, np.float32))
    return predictions, masks


def test_headline_by_hand(folders):
    scores, figures = score_folders(*folders)
    assert scores.uid.tolist() == ["a/deep", "a/deep", "b", "b"]
    assert scores.frame.tolist() == [0, 1, 0, 1]
    assert figures["frames"] == 4 and figures["clips"] == 2
    assert figures["miou"] == figures["miou_threshold_0.4"] == 3 / 4
    assert figures["miou_dataset"] == 6 / 8
    assert figures["fscore"] == 1
    assert np.isnan(figures["lit_area_on_empty"])


def test_formats_mean_the_same_probabilities(folders):
    """A pixel at 0.6 of each format's range is lit at 0.5, one at 0.45 at 0.4 only."""
    predictions, masks = folders
    p = np.array([[0.6, 0.45, 0.0], [0.0, 0.0, 1.0]])
    formats = {
        "b/0.png": np.round(p * 255).astype(np.uint8),
        "b/1.png": np.round(p * 65535).astype(np.uint16),
        "a/deep/0.npy": p,
        "a/deep/1.npy": p.astype(np.float16),
    }
    for name, array in formats.items():
        (predictions / name).with_suffix(".npy").unlink()
        save(predictions / name, array)
    scores, _ = score_folders(predictions, masks)
    assert scores.predicted.tolist() == [[2, 3]] * 4
    assert scores.intersection.tolist() == [[1, 2]] * 4


def test_masks_may_be_grey_coloured_or_palette(folders):
    predictions, masks = folders
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[0, :2] = 0, 0, 1  # of grey value 0
    save(masks / "b/0.png", colour)
    save(masks / "b/1.png", MASK)  # 1, not 255
    palette = Image.fromarray(MASK * 70)
    palette.putpalette([0, 0, 0] * 70 + [32, 128, 128])
    palette.save(masks / "a/deep/0.png")
    save(masks / "a/deep/1.png", MASK * 255, mode="1")
    scores, _ = score_folders(predictions, masks)
    assert scores.target.tolist() == [2] * 4


def test_frames_come_in_natural_order_and_loose_files_are_clips(tmp_path):
    for name in ("c/2", "c/10", "c/1", "x", "y"):
        save(tmp_path / "m" / f"{name}.png", MASK)
        save(tmp_path / "p" / f"{name}.npy", HALF * (name != "c/10"))
    scores, _ = score_folders(tmp_path / "p", tmp_path / "m")
    assert scores.uid.tolist() == ["c", "c", "c", "x", "y"]
    assert scores.frame.tolist() == [0, 1, 2, 0, 0]
    assert scores.predicted[:, 0].tolist() == [1, 1, 0, 1, 1]


def test_a_name_that_is_a_file_and_a_folder_is_no_clip(folders):
    """`deep` is no clip, but a part of one: its own name is free."""
    predictions, masks = folders
    for name in ("a/deep", "deep", "b"):
        save(masks / f"{name}.png", MASK)
        save(predictions / f"{name}.npy", HALF)
    with pytest.raises(ScoreError, match="masks/b.png: a clip of its own, but a folder of this"):
        score_folders(*folders)
    for path in (masks / "b.png", predictions / "b.npy"):
        path.unlink()
    scores, _ = score_folders(*folders)
    assert scores.uid.tolist() == ["a", "a/deep", "a/deep", "b", "b", "deep"]


def test_one_clip_out_of_step_does_not_pair_with_another(folders):
    """Counterparts are found by path, so equal frame names in two clips stay apart."""
    predictions, masks = folders
    save(masks / "b/0.png", MASK[::-1] * 255)
    scores, _ = score_folders(predictions, masks)
    assert miou(scores) == (1 + 1 / 2 + 0 + 1 / 2) / 4


class Unpickled:
    """Says so if it is ever loaded."""

    def __reduce__(self):
        return (pytest.fail, ("an object array was unpickled",))


def zero_tail(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))


def cut_and_close(path):
    """A JPEG under a PNG's name, cut, with an end marker."""
    image = Image.fromarray(np.resize(np.arange(256, dtype=np.uint8), (64, 64)))
    image.save(content := io.BytesIO(), "JPEG")
    path.write_bytes(content.getvalue()[:-200] + b"\xff\xd9")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-4])


DEFECTS = {
    "prediction missing": (
        lambda p, m: (p / "b/1.npy").unlink(),
        FileNotFoundError,
        "predictions lacks 1 of the masks' files, e.g. b/1",
    ),
    "mask missing": (
        lambda p, m: (m / "b/1.png").unlink(),
        FileNotFoundError,
        "masks lacks 1 of the predictions' files, e.g. b/1",
    ),
    "two predictions": (
        lambda p, m: save(p / "b/1.png", MASK),
        ValueError,
        "b/1.png and .*b/1.npy are of one frame",
    ),
    "no files": (
        lambda p, m: [f.unlink() for f in m.rglob("*.png")],
        FileNotFoundError,
        "masks holds no .png files",
    ),
    "other shape": (
        lambda p, m: save(p / "b/1.npy", np.zeros((4, 5))),
        ValueError,
        r"b/1.npy: .*\(4, 5\) pixels, but its mask has \(2, 3\); nothing",
    ),
    "transposed": (
        lambda p, m: save(p / "b/1.npy", HALF.T),
        ValueError,
        r"b/1.npy: .*its mask has \(2, 3\); it looks transposed",
    ),
    "per cent": (lambda p, m: save(p / "b/1.npy", HALF * 100), ValueError, "0..1.*as per cent do"),
    "8-bit": (lambda p, m: save(p / "b/1.npy", HALF * 255), ValueError, "0..1.*as 8-bit values do"),
    "second case": (
        lambda p, m: save(m / "b/1.PNG", MASK),
        ValueError,
        "b/1.png and .*b/1.PNG are of one frame",
    ),
    "mask of JPEG": (
        lambda p, m: save(m / "b/1.png", np.array([[255, 251, 3], [0, 1, 0]], np.uint8)),
        ValueError,
        "masks/b/1.png: .*2 of 6 pixels are off, mode L in #ffffff, expected one value above 0",
    ),
    "mask on white": (
        lambda p, m: save(m / "b/1.png", np.where(MASK[..., None], RED, 255).astype(np.uint8)),
        ValueError,
        "masks/b/1.png: .*4 of 6 pixels are off, mode RGB in #ffffff",
    ),
    "NaN": (lambda p, m: save(p / "b/1.npy", HALF * np.nan), ValueError, "b/1.npy: .*nan"),
    "logits": (
        lambda p, m: save(p / "b/1.npy", HALF * -9),
        ValueError,
        "b/1.npy: .*0..1.*-8.1.*as logits do",
    ),
    "npz of text": (
        lambda p, m: ((p / "b/1.npy").unlink(), (p / "b/1.npz").write_text("text")),
        ScoreError,
        r"^\S*b/1.npz: can't be read as npz: File is not a zip file$",
    ),
    "two arrays": (
        lambda p, m: ((p / "b/1.npy").unlink(), np.savez(p / "b/1.npz", a=HALF, b=HALF)),
        ScoreError,
        "b/1.npz: .*2 arrays, ..a., .b..; expected one",
    ),
    "integers": (lambda p, m: save(p / "b/1.npy", MASK), ValueError, "b/1.npy: .*uint8.*floats"),
    "three axes": (
        lambda p, m: save(p / "b/1.npy", HALF[None]),
        ValueError,
        r"b/1.npy: .*\(1, 2, 3\); expected floats \(H, W\)",
    ),
    "objects": (
        lambda p, m: save(p / "b/1.npy", np.array([[Unpickled()]], object)),
        ValueError,
        "b/1.npy: .*objects",
    ),
    "truncated array": (lambda p, m: truncate(p / "b/1.npy"), ValueError, "b/1.npy: "),
    "truncated mask": (
        lambda p, m: (m / "b/1.png").write_bytes((m / "b/1.png").read_bytes()[:45]),
        ValueError,
        "masks/b/1.png: ",
    ),
    "cut and closed": (
        lambda p, m: cut_and_close(m / "b/1.png"),
        ValueError,
        "masks/b/1.png: can't",
    ),
    "zeroed tail": (lambda p, m: zero_tail(m / "b/1.png"), ValueError, "masks/b/1.png: "),
    "coloured prediction": (
        lambda p, m: ((p / "b/1.npy").unlink(), save(p / "b/1.png", MASK, mode="RGB")),
        ValueError,
        "b/1.png: .*RGB; expected 8- or 16-bit grey",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_one_error_that_names_the_file(folders, defect):
    damage, kind, message = DEFECTS[defect]
    damage(*folders)
    with pytest.raises(kind, match=message):
        score_folders(*folders)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("png", MASK),  # 0 and 1 of 255
        ("png", MASK.astype(np.uint16) * 255),  # 8-bit values in a 16-bit file
        ("npy", MASK.astype(np.float32) / 255),
    ],
)
def test_predictions_that_are_all_dark_are_refused(folders, name, saved):
    predictions, masks = folders
    for path in list(predictions.rglob("*.npy")):
        path.unlink()
        save(path.with_suffix(f".{name}"), saved)
    with pytest.raises(ScoreError, match="a/deep/0.* and 3 more: no value .* is above 1/255"):
        score_folders(predictions, masks)
    for path in masks.rglob("*.png"):  # nothing sounds: rightly dark
        save(path, MASK * 0)
    assert score_folders(predictions, masks)[1]["miou"] == 1


@pytest.mark.parametrize(
    ("damage", "warning"),
    [
        (lambda p, m: save(p / "b/1.npy", MASK / 255), "b/1.npy: no value above 1/255"),
        (
            lambda p, m: [save(f, MASK.astype(float)) for f in p.rglob("*.npy")],
            "all 4 predictions are binary.*don't compare fscore",
        ),
        (lambda p, m: (m / "b/2.jpg").write_bytes(b""), "b/2.jpg: not scored, only .png is read"),
        (
            lambda p, m: (p / "x.pt").write_bytes(b""),
            "x.pt: not scored, only .npy or .npz or .png is read",
        ),
    ],
)
def test_what_may_be_meant_is_said(folders, caplog, damage, warning):
    damage(*folders)
    with caplog.at_level(logging.WARNING):
        score_folders(*folders)
    assert re.search(warning, caplog.text, re.S)


def test_an_inverted_mask_is_said(tmp_path, caplog):
    hole = np.pad(np.zeros((2, 2), np.uint8), 1, constant_values=255)
    save(tmp_path / "m/c/0.png", hole)
    save(tmp_path / "p/c/0.npy", np.full((4, 4), 0.25))
    with caplog.at_level(logging.WARNING):
        score_folders(tmp_path / "p", tmp_path / "m")
    assert "c/0.png: lit all round an unlit part" in caplog.text
