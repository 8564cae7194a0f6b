"""Counts against the loops that the field runs, above all for values that lie on a threshold."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from benchmarks.scoring.counts import THRESHOLDS, FrameScores, count_frames
from benchmarks.scoring.metrics import fscore, lit_area, miou
from benchmarks.scoring.npz import load_scores, save_scores
from benchmarks.scoring.resize import nearest, resize
from benchmarks.scoring.tensors import count_tensors

FIELD = torch.linspace(0, 1 - 1e-10, 255)  # the thresholds as AVSBench writes them


def neighbours(values: np.ndarray, ulps: int) -> np.ndarray:
    """Each float32 and those up to `ulps` steps beside it, inside 0..1."""
    bits = np.asarray(values, np.float32).view(np.int32)
    near = (bits[:, None] + np.arange(-ulps, ulps + 1)).ravel()
    return np.sort(near[(near >= 0) & (near <= np.float32(1).view(np.int32))]).view(np.float32)


def reaching(probabilities: torch.Tensor, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(N, 255) hits and (N, 255) positives at each threshold, one threshold after the other."""
    hits = [((probabilities >= t) & targets).sum((1, 2)) for t in FIELD]
    positives = [(probabilities >= t).sum((1, 2)) for t in FIELD]
    return torch.stack(hits, 1).numpy(), torch.stack(positives, 1).numpy()


def from_histograms(counts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    foreground, background = counts["foreground"], counts["background"]
    hits = [foreground[:, i + 1 :].sum(1) for i in range(255)]
    alarms = [background[:, i + 1 :].sum(1) for i in range(255)]
    return np.stack(hits, 1), np.stack(hits, 1) + np.stack(alarms, 1)


def adversarial() -> np.ndarray:
    """Values at every threshold, at other roundings of i/254, and where the nearest step flips."""
    i = np.arange(255)
    corners = [FIELD.numpy(), i / 254, np.float32(1) / np.float32(254) * i, (i[:-1] + 0.5) / 254]
    tiny = [0.0, 1e-45, 1e-38, 1 / 255, 0.4, 0.5, 1 - 1e-10, 1.0]
    return np.concatenate([neighbours(c, 4) for c in corners] + [np.float32(tiny)])


def test_binning_is_exact_on_and_beside_every_threshold():
    """The bin can change only at a threshold or where the nearest step flips: all are probed."""
    values = adversarial()
    counts = count_frames(torch.from_numpy(values)[:, None, None], torch.ones(len(values), 1, 1))
    reached = [(values >= t).astype(int) for t in FIELD.numpy()]
    np.testing.assert_array_equal(counts["foreground"].argmax(1), np.sum(reached, 0))


def test_histograms_hold_the_counts_of_the_naive_loop():
    rng = np.random.default_rng(0)
    pool = np.concatenate([adversarial(), rng.random(4000, np.float32), np.zeros(500, np.float32)])
    probabilities = torch.from_numpy(rng.choice(pool, (7, 40, 30)))
    targets = torch.from_numpy(rng.random((7, 40, 30)) < np.linspace(0, 1, 7)[:, None, None])
    counts = count_frames(probabilities, targets)
    for fast, slow in zip(from_histograms(counts), reaching(probabilities, targets), strict=True):
        np.testing.assert_array_equal(fast, slow)
    assert (counts["foreground"].sum(1) == counts["target"]).all()
    assert ((counts["foreground"] + counts["background"]).sum(1) == counts["pixels"]).all()


def test_thresholds_are_strict_in_single_precision():
    p = torch.tensor([[[0.5, np.nextafter(np.float32(0.5), np.float32(1)), 0.4, 0.41]]])
    counts = count_frames(p, torch.tensor([[[True, True, True, False]]]), (0.5, 0.4))
    assert counts["predicted"].tolist() == [[1, 3]]
    assert counts["intersection"].tolist() == [[1, 2]]
    assert counts["union"].tolist() == [[3, 4]]
    assert counts["target"].tolist() == [3] and counts["pixels"].tolist() == [4]


def test_squash_is_counted_on_its_own_grid(make_scores):
    """A 2 x 4 frame whose left half sounds, lit all over: half of 64 pixels on an 8 x 8 square."""
    mask = [[1, 1, 0, 0], [1, 1, 0, 0]]
    scores = make_scores([("a", np.full((2, 4), 0.6), mask)], squash=8)
    assert scores.squash_intersection.tolist() == [[32, 32]]
    assert scores.squash_union.tolist() == [[64, 64]]
    assert scores.squash_target.tolist() == [32] and scores.squash_pixels.tolist() == [64]
    assert miou(scores, resolution="squash") == miou(scores) == 0.5


def test_squash_sees_less_than_the_native_size(make_scores):
    """A lit pixel in a corner of 8 x 8 vanishes on 2 x 2."""
    p = np.zeros((8, 8))
    p[0, 0] = 1
    scores = make_scores([("a", p, np.zeros((8, 8)))], squash=2)
    assert scores.predicted[0, 0] == 1 and scores.squash_union[0, 0] == 0


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "nan"), (-0.01, "-0.01"), (1.5, "sigmoid"), (np.inf, "inf")]
)
def test_what_is_no_probability_is_refused(value, message):
    p = torch.full((1, 2, 2), 0.5)
    p[0, 1, 1] = value
    with pytest.raises(ValueError, match=message):
        count_frames(p, torch.zeros(1, 2, 2))


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\).*\(1, 2, 3\)"):
        count_frames(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3))


def test_scores_at_other_thresholds_do_not_join(make_scores):
    frame = ("a", np.ones((2, 2)), np.ones((2, 2)))
    a, b = make_scores([frame]), make_scores([frame], thresholds=(0.5, 0.3))
    with pytest.raises(ValueError, match="0.3"):
        FrameScores.concatenate([a, b])


@pytest.fixture
def scores(make_scores) -> FrameScores:
    """Counts above 255, so that stored bytes would overflow if they were summed as they are."""
    rng = np.random.default_rng(0)
    frames = [(f"clip{i // 3}", rng.random((30, 30)), rng.random((30, 30)) < 0.4) for i in range(9)]
    return make_scores([*frames, ("silent", rng.random((30, 30)), np.zeros((30, 30)))])


def test_stored_scores_give_the_same_figures(scores, tmp_path):
    other = replace(scores, uid=scores.uid[::-1])
    save_scores(tmp_path / "a.npz", {"test": scores, "test_shuffled": other})
    loaded = load_scores(tmp_path / "a.npz")
    assert list(loaded) == ["test", "test_shuffled"]
    back = loaded["test"]
    assert back.foreground.dtype == np.uint8 and back.pixels.dtype == np.uint16
    assert back.uid.tolist() == scores.uid.tolist()
    assert loaded["test_shuffled"].uid.tolist() == scores.uid[::-1].tolist()
    for figure in (
        miou,
        lit_area,
        fscore,
        lambda s: fscore(s, "set"),
        lambda s: miou(s, 0.4, "dataset", resolution="squash"),
    ):
        assert figure(back) == figure(scores)


def test_equal_scores_give_equal_bytes(scores, tmp_path, monkeypatch):
    save_scores(tmp_path / "a.npz", {"test": scores})
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    save_scores(tmp_path / "b.npz", {"test": FrameScores.from_arrays(scores.arrays())})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
        ),
    ],
)
def test_what_counts_on_a_gpu_counts_the_same(device):
    p = torch.from_numpy(np.resize(adversarial(), (3, 60, 50)))
    targets = torch.rand(3, 60, 50, generator=torch.Generator().manual_seed(0)) < 0.3
    here, there = count_frames(p, targets), count_tensors(p.to(device), targets.to(device))
    assert set(here) == set(there)
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])


@pytest.mark.parametrize("size", [(224, 224), (720, 1280), (100, 333), (9, 300)])
def test_frames_are_squashed_as_torch_and_pillow_resize(size):
    rng = np.random.default_rng(0)
    maps, masks = rng.random((2, *size), np.float32), rng.random((2, *size)) < 0.5
    small, mask = resize(maps, (224, 224)), nearest(masks, (224, 224))
    exact = interpolate(
        torch.from_numpy(maps)[:, None], (224, 224), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(small, exact[:, 0], atol=2e-5)
    bytes_ = torch.from_numpy(masks[:, None]).byte()
    np.testing.assert_array_equal(mask, interpolate(bytes_, (224, 224), mode="nearest-exact")[:, 0])
    for i in range(2):
        one = Image.fromarray(maps[i]).resize((224, 224), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(small[i], one, atol=1e-6)


def test_thresholds_are_the_fields_to_the_last_bit():
    np.testing.assert_array_equal(THRESHOLDS, FIELD.numpy())
