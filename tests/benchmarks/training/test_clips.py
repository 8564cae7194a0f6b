"""Batches against the files they come from, worked out by hand; odd frame sizes included."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from segment_anything.utils.transforms import ResizeLongestSide

from benchmarks.training.clips import ClipSet, Features, to_native
from gavs.method import Config, Method


class _Store:
    """Row r holds the number r."""

    def __getitem__(self, rows):
        return np.asarray(rows, np.float32)[:, None].repeat(2, 1)


class _Square(Method):
    target_size = 4

    @classmethod
    def inputs(cls, config):
        return {"sam": "sam_rgb"}


class _Squash(_Square):
    geometry = "squash"
    temporal = True


@pytest.fixture
def clips(tmp_path):
    """A wide V1S training clip (8 x 4) and a square V1M clip (6 x 6), masks worked out by hand."""
    rows = []
    for uid, video, first_row, size, supervision, classes in (
        ("wide", "A", 0, (8, 4), "first_frame", "dog"),
        ("square", "B", 2, (6, 6), "all", "dog_cat"),
    ):
        for k in range(2):
            mask = np.zeros(size[::-1], np.uint8)
            mask[:2, : 2 + k] = 7
            Image.fromarray(mask).save(tmp_path / f"{uid}{k}.png")
        rows.append(
            {
                "uid": uid,
                "video": video,
                "first_row": first_row,
                "frames": 2,
                "height": size[1],
                "width": size[0],
                "supervision": supervision,
                "classes": classes,
                "mask_path": uid + "{}.png",
            }
        )
    features = Features({"sam_rgb": _Store(), "vggish": _Store()}, np.full(2, -1, np.float32), 8)

    def make(method, **options):
        return ClipSet(pd.DataFrame(rows), tmp_path, features, method(Config(), None), **options)

    return make


def test_training_frames_of_a_single_frame_method(clips):
    train = clips(_Square, labelled_only=True)
    assert train.samples == [(0, (0,)), (1, (0,)), (1, (1,))]  # V1S: the first frame only
    batch = train.batch(np.array([2, 0]))
    assert batch.audio[..., 0].tolist() == [[3.0], [0.0]]
    assert batch.features["sam"][..., 0].tolist() == [[3.0], [0.0]]
    assert batch.supervised.tolist() == [[True], [True]]
    assert batch.video.tolist() == [1, 0]
    assert train.classes == ["cat", "dog"]
    assert batch.classes.tolist() == [[True, True], [False, True]]


def test_sam_geometry_pads_the_short_side(clips):
    batch = clips(_Square, labelled_only=True).batch(np.array([0]))
    # 8 x 4 pixels on a grid of 4 x 4: each cell is 2 x 2, the lower half is padding.
    assert batch.valid[0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    assert batch.masks[0, 0].tolist() == [[1, 0, 0, 0], [0] * 4, [0] * 4, [0] * 4]


def test_cells_hold_the_share_of_mask_pixels(clips):
    batch = clips(_Squash).batch(np.array([0, 1]))
    # wide, frame 1: columns 0-2 of 8 lit; cells are 2 wide and 1 high.
    assert batch.masks[0, 1].tolist() == [
        pytest.approx([1, 0.5, 0, 0], abs=2e-3), pytest.approx([1, 0.5, 0, 0], abs=2e-3),
        [0] * 4, [0] * 4,
    ]  # fmt: skip
    assert batch.valid.min() == 1


def test_a_temporal_method_sees_every_frame_but_learns_from_the_labelled(clips):
    train = clips(_Squash, labelled_only=True)
    batch = train.batch(np.array([0, 1]))
    assert batch.audio.shape == (2, 2, 2)
    assert batch.supervised.tolist() == [[True, False], [True, True]]
    assert batch.masks[0, 1].sum() == 0  # the unlabelled frame's mask isn't read


def test_silent_and_shuffled_audio(clips):
    silent = clips(_Square, audio_from="silent").batch(np.array([0, 3]))
    assert silent.audio.unique().tolist() == [-1.0]
    swapped = clips(_Square, audio_from=np.array([1, 0])).batch(np.array([0, 1, 2, 3]))
    assert swapped.audio[:, 0, 0].tolist() == [2.0, 3.0, 0.0, 1.0]
    assert swapped.features["sam"][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]  # frames stay


def test_native_masks_and_table(clips):
    test = clips(_Square)
    table = test.frame_table(np.array([1, 0]))
    assert list(table.uid) == ["wide", "wide"] and list(table.frame) == [1, 0]
    masks = test.native_masks(table)
    assert masks.shape == (2, 4, 8) and masks.sum((1, 2)).tolist() == [6, 4]


@pytest.mark.parametrize("size", [(4, 8), (8, 4), (5, 7)])
def test_a_mask_survives_the_way_to_the_grid_and_back(clips, size):
    """A half-plane in the frame, encoded as SAM sees it, comes back where it was."""
    height, width = size
    method = _Square(Config(), None)
    shape = ResizeLongestSide(64).get_preprocess_shape(height, width, 64)
    logits = torch.full((1, 16, 16), -9.0)
    logits[:, :, : shape[1] // 8] = 9.0  # the left half of the frame's part of the square
    native = to_native(logits, height, width, method, 64)[0]
    assert native.shape == size
    assert (native[:, : width // 2] > 0).all() and (native[:, (width + 1) // 2 :] < 0).all()
