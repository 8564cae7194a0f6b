"""Batches against the files they come from, worked out by hand; odd frame sizes included."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from segment_anything.utils.transforms import ResizeLongestSide

from benchmarks.data.clip_files import ClipFileError, file_digests
from benchmarks.training import clips as module
from benchmarks.training.clips import Features, Samples
from gavs.configs import MethodConfig
from gavs.method import Method
from gavs.views import to_native


class _Store:
    """Row r holds the number r."""

    def __getitem__(self, rows):
        return np.asarray(rows, np.float32)[:, None].repeat(2, 1)


class _SquashedClips(MethodConfig):
    geometry = "squash"

    def temporal(self):
        return True


class _Square(Method):
    Config = MethodConfig
    target_size = 4


class _Squash(_Square):
    Config = _SquashedClips


@pytest.fixture
def clips(tmp_path):
    """A wide V1S training clip (8 x 4) and a square V1M clip (6 x 6), masks worked out by hand."""
    rows = []
    for uid, video, first_row, size, supervision, classes in (
        ("wide", "A", 0, (8, 4), "first_frame", "dog"),
        ("square", "B", 2, (6, 6), "all", "dog_cat"),
    ):
        for k in range(3):
            mask = np.zeros(size[::-1], np.uint8)
            mask[:2, : 2 + k] = 7
            Image.fromarray(mask).save(tmp_path / f"{uid}{k}.png")
        files = [tmp_path / f"{uid}{k}.png" for k in range(3)]
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
                "mask_path": f"{tmp_path}/{uid}" + "{}.png",
                "boxes": "",
                # Frames, masks and audio, whose files aren't there: nothing reads them.
                "checksums": f"- - {file_digests(files, '')['checksums']} -",
            }
        )
    silence, noise = np.full(2, -1, np.float32), np.arange(6, dtype=np.float32).reshape(3, 2) / 10
    sounds = {"silence": silence[None], "noise": noise}
    features = Features(lambda name: _Store(), lambda kind, store: sounds[kind], 8)

    def make(method, **options):
        classes = ["cat", "cow", "dog"]
        table = pd.DataFrame(rows).assign(**options.pop("columns", {}))
        return Samples(table, features, method(method.Config(), None), classes, **options)

    return make


def test_training_frames_of_a_single_frame_method(clips):
    train = clips(_Square, labelled_only=True)
    assert train.samples == [(0, (0,)), (1, (0,)), (1, (1,))]  # V1S: the first frame only
    batch = train.batch(np.array([2, 0]))
    assert batch.audio[..., 0].tolist() == [[3.0], [0.0]]
    assert batch.features["sam"][..., 0].tolist() == [[3.0], [0.0]]
    assert batch.supervised.tolist() == [[True], [True]]
    assert batch.video.tolist() == [1, 0]
    assert batch.classes.tolist() == [[True, False, True], [False, False, True]]


def test_sam_geometry_pads_the_short_side(clips):
    batch = clips(_Square, labelled_only=True).batch(np.array([0]))
    # 8 x 4 pixels on a grid of 4 x 4: each cell is 2 x 2, the lower half is padding.
    assert batch.valid[0].tolist() == [[1] * 4, [1] * 4, [0] * 4, [0] * 4]
    assert batch.masks[0, 0].tolist() == [[1, 0, 0, 0], [0] * 4, [0] * 4, [0] * 4]


@pytest.mark.parametrize("kept", [4, 3])
def test_cells_hold_the_share_of_mask_pixels(clips, monkeypatch, kept):
    monkeypatch.setattr(module, "KEPT_SIZE", kept)  # with 3 they are made anew each time
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
    assert torch.equal(batch.decoded, batch.supervised)


def test_a_prediction_reads_no_masks(clips):
    blind, full = (clips(_Squash).batch(np.array([0, 1]), targets=t) for t in (False, True))
    assert blind.masks.shape == full.masks.shape and not blind.masks.any()
    assert torch.equal(blind.decoded, full.decoded) and torch.equal(blind.audio, full.audio)


def test_silent_and_shuffled_audio(clips):
    silent = clips(_Square, heard="silence").batch(np.array([0, 3]))
    assert silent.audio.unique().tolist() == [-1.0]
    noisy = clips(_Squash, heard="noise").batch(np.array([0, 1]))
    # Seconds in turn by the frame's number among all: clip 0 has 0 and 1, clip 1 has 2 and 3.
    assert noisy.audio[..., 0].tolist() == [pytest.approx([0.0, 0.2]), pytest.approx([0.4, 0.0])]
    swapped = clips(_Square, heard=np.array([1, 0])).batch(np.array([0, 1, 2, 3]))
    assert swapped.audio[:, 0, 0].tolist() == [2.0, 3.0, 0.0, 1.0]
    assert swapped.features["sam"][:, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]  # frames stay


def test_native_masks_and_table(clips):
    test = clips(_Square)
    table = test.frame_table(np.array([1, 0]))
    assert list(table.uid) == ["wide", "wide"] and list(table.frame) == [1, 0]
    masks = test.native_masks(table)
    assert masks.shape == (2, 4, 8) and masks.sum((1, 2)).tolist() == [6, 4]


def test_a_mask_that_was_replaced_after_it_was_indexed_is_neither_learned_nor_scored(
    clips, tmp_path
):
    test = clips(_Square)
    Image.fromarray(np.full((6, 6), 7, np.uint8)).save(tmp_path / "square1.png")
    clips(_Square).batch(np.array([2]))  # frame 0
    for read in (
        lambda: test.batch(np.array([2, 3])),
        lambda: test.native_masks(test.frame_table(np.array([3]))),
    ):
        with pytest.raises(ClipFileError, match="square1.png: its checksum is .* clip index has"):
            read()


def test_few_frames_of_a_clip_are_scored_evenly_spaced(clips):
    long = {"frames": [5, 10], "first_row": [0, 5]}
    single = clips(_Square, frames=3, columns=long)
    assert single.samples == [(0, (0,)), (0, (2,)), (0, (4,)), (1, (1,)), (1, (5,)), (1, (8,))]
    whole = clips(_Squash, frames=3, columns=long)  # a temporal method sees all of them
    table = whole.frame_table(np.array([0, 1]))
    assert len(table) == 15
    assert table[table.scored].frame.tolist() == [0, 2, 4, 1, 5, 8]
    batch = clips(_Squash, frames=1).batch(np.array([1]))
    assert batch.decoded.tolist() == [[False, True]]
    assert batch.masks.flatten(2).any(2).tolist() == [[False, True]]  # the other isn't read


def test_boxes_are_filled_and_give_way_to_pseudo_masks(clips):
    boxes = ["[[0.0, 0.5, 0.5, 1.0], [0.25, 0.0, 0.5, 0.75]]", "[]"]
    filled = clips(_Squash, columns={"boxes": boxes}).batch(np.array([0, 1])).masks
    # wide (8 x 4): columns 0-3 of rows 2-3, and columns 2-3 of rows 0-2; cells are 2 wide, 1 high.
    assert filled[0, 0].tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    assert filled[1].sum() == 0
    lower = np.zeros((4, 8), bool)
    lower[2:] = True
    pseudo = clips(_Squash, columns={"boxes": boxes}, pseudo={"wide": lower}).batch(np.array([0]))
    assert pseudo.masks[0, 0].tolist() == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]


def test_an_epoch_has_batches_of_one_length(clips):
    """Clips of 2 and of 3 frames never meet; every full batch comes once, in another order."""
    few = clips(_Squash)
    few.index = pd.concat([few.index] * 5, ignore_index=True)
    few.index["frames"] = [2, 3] * 5
    few.__post_init__()
    plans = [few.epoch(np.random.default_rng(seed), 2) for seed in range(2)]
    for plan in plans:
        lengths = [{len(few.samples[n][1]) for n in batch} for batch in plan]
        assert all(len(found) == 1 for found in lengths)
        assert len(plan) == 4 and len({n for batch in plan for n in batch}) == 8
    assert [b.tolist() for b in plans[0]] != [b.tolist() for b in plans[1]]
    seen = [n for numbers in few.batches(5) for n in numbers]
    assert sorted(seen) == list(range(10))


@pytest.mark.parametrize(("clips_of_a", "size"), [(2, 16), (3, 12), (3, 5), (5, 13)])
def test_few_videos_meet_in_every_batch(clips, clips_of_a, size):
    """Videos of 10 frames and one of up to 50, which would have late batches for itself."""
    sets = clips(_Square)
    video = ["a"] * clips_of_a + ["b", "c", "d"]
    index = pd.concat([sets.index.iloc[:1]] * len(video), ignore_index=True)
    index = index.assign(video=video, frames=10, supervision="all")
    few = Samples(index, sets.features, sets.method, sets.classes)
    for seed in range(20):
        plan = few.epoch(np.random.default_rng(seed), size)
        assert [len(batch) for batch in plan] == [size] * (10 * len(video) // size)
        assert len({n for batch in plan for n in batch}) == size * len(plan)
        shown = [{index.video[few.samples[n][0]] for n in batch} for batch in plan]
        if len(plan) <= 10:  # as many as the small videos have frames
            assert shown == [{"a", "b", "c", "d"}] * len(plan)
        else:
            assert sum(map(len, shown)) == 3 * 10 + len(plan)


def test_eight_videos_give_batches_of_four_without_a_repeat(clips):
    """The rehearsal's shots: 8 clips of 5 frames."""
    sets = clips(_Square)
    index = pd.concat([sets.index.iloc[:1]] * 8, ignore_index=True)
    index = index.assign(video=list("abcdefgh"), frames=5, supervision="all")
    few = Samples(index, sets.features, sets.method, sets.classes)
    for seed in range(20):
        for batch in few.epoch(np.random.default_rng(seed), 4):
            assert len({few.samples[n][0] for n in batch}) == 4


@pytest.mark.parametrize("size", [(4, 8), (8, 4), (5, 7)])
def test_a_mask_survives_the_way_to_the_grid_and_back(clips, size):
    """A half-plane in the frame, encoded as SAM sees it, comes back where it was."""
    height, width = size
    method = _Square(MethodConfig(), None)
    shape = ResizeLongestSide(64).get_preprocess_shape(height, width, 64)
    logits = torch.full((1, 16, 16), -9.0)
    logits[:, :, : shape[1] // 8] = 9.0  # the left half of the frame's part of the square
    native = to_native(logits, (height, width), method.config.geometry, 64)[0]
    assert native.shape == size
    assert (native[:, : width // 2] > 0).all() and (native[:, (width + 1) // 2 :] < 0).all()


def test_whole_clips_of_a_single_frame_method_with_the_first_mask_copied(clips):
    train = clips(_Square, labelled_only=True, whole_clips=True, copied=True)
    assert train.samples == [(0, (0, 1)), (1, (0, 1))]
    batch = train.batch(np.array([0, 1]))
    assert batch.supervised.all()
    # The mask of the wide clip's frame 1 has three columns; it is learned from frame 0's two.
    assert (
        batch.masks[0, 1].tolist() == batch.masks[0, 0].tolist() == [[1, 0, 0, 0], *[[0] * 4] * 3]
    )
    assert batch.masks[1, 1].sum() > batch.masks[1, 0].sum()  # labelled throughout: its own masks
    assert clips(_Square, labelled_only=True, copied=True).samples[:2] == [(0, (0,)), (0, (1,))]
    uncopied = clips(_Square, labelled_only=True, whole_clips=True).batch(np.array([0]))
    assert uncopied.supervised.tolist() == [[True, False]] and uncopied.masks[0, 1].sum() == 0


def test_masks_at_the_frame_s_own_size_are_the_file_s_pixels(clips):
    class AtFrameSize(_Square):
        learns_at_frame_size = True

    train = clips(AtFrameSize, labelled_only=True, whole_clips=True)
    batch = train.batch(np.array([1]))
    expected = np.zeros((6, 6))
    expected[:2, :3] = 1
    assert batch.masks[0, 1].tolist() == expected.tolist() and batch.valid.shape == (1, 6, 6)
    with pytest.raises(ValueError, match="4 x 8 and 6 x 6 pixels.*batch_clips 1"):
        train.batch(np.array([0, 1]))
    assert clips(AtFrameSize).batch(np.array([1])).masks.shape[-2:] == (4, 4)  # scoring's grid


def test_batches_of_whole_clips_hold_so_many_frames_with_a_mask(clips):
    """V1S's clips have one each, V1M's and V2's as many as they last: 20, 4 and 2 for 20."""
    sizes = {}
    for frames, supervision in ((5, "first_frame"), (5, "all"), (10, "all")):
        rows = clips(_Squash).index.iloc[[0] * 45].assign(frames=frames, supervision=supervision)
        videos = [f"v{i}" for i in range(45)]
        rows = rows.assign(video=videos, first_row=range(0, 45 * frames, frames))
        samples = Samples(
            rows, None, _Squash(_SquashedClips(), None), [], labelled_only=True, by_frames=True
        )
        plan = samples.epoch(np.random.default_rng(0), 20)
        sizes[frames, supervision] = {len(batch) for batch in plan}
    assert sizes == {(5, "first_frame"): {20}, (5, "all"): {4}, (10, "all"): {2}}
