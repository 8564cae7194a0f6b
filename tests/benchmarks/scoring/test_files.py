"""Folders of probability maps: the layout, the formats, and one clear error for each defect."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.scoring.files import score_folders
from benchmarks.scoring.metrics import miou

MASK = np.array([[1, 1, 0], [0, 0, 0]], np.uint8)
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


def save(path, array, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(path)


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
    colour[0, 0], colour[0, 1] = (0, 0, 1), (128, 0, 0)  # the first has grey value 0
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
        "b/1.png and .*b/1.npy predict one frame",
    ),
    "no files": (
        lambda p, m: [f.unlink() for f in m.rglob("*.png")],
        FileNotFoundError,
        "masks holds no .png files",
    ),
    "other shape": (
        lambda p, m: save(p / "b/1.npy", np.zeros((4, 5))),
        ValueError,
        r"b/1.npy: probabilities \(1, 4, 5\) and targets \(1, 2, 3\)",
    ),
    "NaN": (lambda p, m: save(p / "b/1.npy", HALF * np.nan), ValueError, "b/1.npy: .*nan"),
    "logits": (lambda p, m: save(p / "b/1.npy", HALF * 9), ValueError, "b/1.npy: .*0..1.*8.1"),
    "integers": (lambda p, m: save(p / "b/1.npy", MASK), ValueError, "b/1.npy: uint8.*floats"),
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
