"""Each reduction against frames worked by hand, slow loops from the papers, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scoring.metrics import (
    class_mean,
    fscore,
    fscore_curves,
    fscore_terms,
    iou_terms,
    lit_area,
    lit_terms,
    miou,
    restrict,
)

THRESHOLDS = np.linspace(0, 1 - 1e-10, 255).astype(np.float32)


@pytest.fixture(scope="module")
def hand(make_scores):
    """IoU at 0.5: a third, then a silent frame a quarter lit, then in its own clip a dark one."""
    frames = [
        ("one", [[0.9, 0.6], [0.45, 0.1]], [[1, 0], [1, 0]]),
        ("one", [[0.9, 0.1], [0.1, 0.1]], np.zeros((2, 2))),
        ("two", np.full((2, 2), 0.1), np.zeros((2, 2))),
    ]
    return make_scores(frames, classes={"one": "dog_cat", "two": "dog"}.get)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, (1 / 3 + 3 / 4 + 1) / 3),
        ({"threshold": 0.4}, (2 / 3 + 3 / 4 + 1) / 3),
        ({"unit": "clip"}, ((1 / 3 + 3 / 4) / 2 + 1) / 2),
        ({"unit": 1}, ((1 / 3 + 3 / 4) / 2 + 1) / 2),
        ({"unit": 2}, (1 / 3 + 3 / 4 + 1) / 3),
        ({"empty": "hard"}, (1 / 3 + 0 + 1) / 3),
        ({"empty": "skip"}, 1 / 3),
        ({"empty": "hard", "unit": "clip"}, ((1 / 3 + 0) / 2 + 1) / 2),
        ({"empty": "skip", "unit": "clip"}, 1 / 3),
        ({"unit": "dataset"}, 1 / (3 + 1 + 0)),
        ({"unit": "dataset", "empty": "hard"}, 1 / 4),
        ({"unit": "dataset", "empty": "skip"}, 1 / 3),
        ({"unit": "dataset", "empty": "skip", "threshold": 0.4}, 2 / 3),
    ],
)
def test_miou_by_hand(hand, arguments, expected):
    assert miou(hand, **arguments) == pytest.approx(expected, abs=1e-12)


def test_other_figures_by_hand(hand):
    assert lit_area(hand) == pytest.approx((1 / 4 + 0) / 2)
    dog, cat = (1 / 3 + 3 / 4 + 1) / 3, (1 / 3 + 3 / 4) / 2
    assert class_mean(hand) == pytest.approx((dog + cat) / 2)
    assert class_mean(hand, empty="skip") == pytest.approx(1 / 3)


def test_fscore_by_hand(hand):
    """Frame 0 is best with only its first pixel lit: p = 1, r = 1/2."""
    best = 1.3 * (1 / 2) / (0.3 + 1 / 2)
    assert fscore(hand) == pytest.approx((best + 0) / 2)  # clip two has no target: 0
    assert fscore(hand, empty="skip") == pytest.approx(best)
    assert fscore(hand, "frame", "skip") == pytest.approx(best)
    assert fscore(hand, "frame") == pytest.approx(best / 3)
    assert fscore(hand, "set") == fscore(hand, 2) == pytest.approx(best)


def test_fscore_of_nothing_lit_is_that_of_everything_lit(make_scores):
    """The threshold 0 lights every pixel: a black map has the foreground share as precision."""
    scores = make_scores([("a", np.zeros((2, 2)), [[1, 0], [0, 0]])])
    assert fscore(scores) == pytest.approx(1.3 * 0.25 / (0.3 * 0.25 + 1))


def test_one_threshold_is_chosen_a_unit(make_scores):
    """Frames that are perfect at thresholds that exclude each other: only `frame` sees both."""
    sharp = [[1.0, 0.6], [0.6, 0.6]]  # perfect above 0.6
    faint = [[0.3, 0.0], [0.0, 0.0]]  # perfect up to 0.3
    mask = [[1, 0], [0, 0]]
    scores = make_scores([("a", sharp, mask), ("a", faint, mask), ("b", sharp, mask)])
    all_lit = 1.3 * 0.25 / (0.3 * 0.25 + 1)
    assert fscore(scores, "frame") == pytest.approx(1)
    assert fscore(scores, "clip") == pytest.approx(((all_lit + 1) / 2 + 1) / 2)
    assert fscore(scores, "set") == pytest.approx(max(1 + 2 * all_lit, 2) / 3)


def test_without_frames_to_average_the_score_is_nan(make_scores):
    silent = make_scores([("a", np.zeros((2, 2)), np.zeros((2, 2)))])
    assert math.isnan(miou(silent, empty="skip")) and math.isnan(fscore(silent, empty="skip"))
    assert math.isnan(miou(silent, unit="dataset")) and math.isnan(class_mean(silent, empty="skip"))
    assert miou(silent) == 1 and fscore(silent) == 0
    assert math.isnan(lit_area(make_scores([("a", np.ones((2, 2)), np.ones((2, 2)))])))


def test_clips_are_known_by_name_and_batched_as_stored(make_scores):
    """Names out of alphabetical order, and clip z's frames apart: batches are (z, a) and (m)."""
    on, off, mask = np.ones((1, 2)), np.zeros((1, 2)), np.array([[1, 1]])
    scores = make_scores([("z", on, mask), ("a", off, mask), ("z", off, mask), ("m", on, mask)])
    assert miou(scores, unit="clip") == pytest.approx((0.5 + 0 + 1) / 3)
    assert miou(scores, unit=2) == pytest.approx((1 / 3 + 1) / 2)
    assert iou_terms(scores, unit="clip").video.tolist() == ["z", "a", "m"]


def slow_f(frames: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """AVSBench's F of one batch: per frame and threshold, then mean curve, then maximum."""
    curves = []
    for p, target in frames:
        if not target.any():
            continue
        curve = []
        for t in THRESHOLDS:
            lit = p >= t
            hits = (lit & target).sum()
            precision, recall = hits / (lit.sum() + 1e-20), hits / (target.sum() + 1e-20)
            bottom = 0.3 * precision + recall
            curve.append(1.3 * precision * recall / bottom if bottom else 0.0)
        curves.append(curve)
    return float(np.mean(curves, 0).max()) if curves else 0.0


def test_fscore_against_the_slow_loop(make_scores):
    """300 pixels: more than a byte counts."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(14):
        target = rng.random((20, 15)) < rng.choice([0, 0.2, 0.7])
        steps = rng.integers(0, 255, (20, 15))
        values = np.where(rng.random((20, 15)) < 0.5, THRESHOLDS[steps], rng.random((20, 15)))
        frames.append((f"clip{i // 3}", (values * (0.5 + 0.5 * target)).astype("f4"), target))
    scores = make_scores(frames)
    clips = {clip: [f[1:] for f in frames if f[0] == clip] for clip, *_ in frames}
    batches = [sum(list(clips.values())[i : i + 2], []) for i in (0, 2, 4)]
    loops = {
        "frame": [slow_f([f[1:]]) for f in frames],
        "clip": [slow_f(c) for c in clips.values()],
        2: [slow_f(b) for b in batches],
        "set": [slow_f([f[1:] for f in frames])],
    }
    for unit, values in loops.items():
        assert fscore(scores, unit) == pytest.approx(np.mean(values), abs=1e-9)
        np.testing.assert_allclose(fscore_terms(scores, unit).numerator, values, atol=1e-9)


PIXELS = st.sampled_from([0.0, 1 / 254, 0.3, 0.4, 0.5, 0.500001, 0.9, 1.0])
FRAME = st.tuples(st.lists(PIXELS, min_size=6, max_size=6), st.integers(0, 63))


def as_frames(drawn: list, frames_a_clip: int) -> list:
    """Drawn numbers as 2 x 3 frames; the mask is the binary form of an integer."""
    return [
        (
            f"clip{i // frames_a_clip}",
            np.reshape(p, (2, 3)),
            np.reshape([(m >> k) & 1 for k in range(6)], (2, 3)),
        )
        for i, (p, m) in enumerate(drawn)
    ]


@given(st.lists(FRAME.filter(lambda f: f[1] > 0), min_size=8, max_size=8))
@settings(max_examples=60)
def test_a_smaller_unit_never_lowers_f(make_scores, drawn):
    """Targets everywhere, full units: a mean of maxima is no less than the maximum of means."""
    scores = make_scores(as_frames(drawn, frames_a_clip=2))
    values = [fscore(scores, unit) for unit in ("frame", "clip", 2, "set")]
    assert all(a >= b - 1e-12 for a, b in zip(values, values[1:], strict=False))


@given(st.lists(FRAME, min_size=6, max_size=6))
@settings(max_examples=60)
def test_laws_of_iou(make_scores, drawn):
    frames = as_frames(drawn, frames_a_clip=2)
    scores = make_scores(frames)
    soft, hard = miou(scores), miou(scores, empty="hard")
    assert 0 <= hard <= soft <= 1
    assert miou(scores, unit="clip") == pytest.approx(soft)  # clips of one length
    assert miou(make_scores(frames[::-1])) == pytest.approx(soft)

    swapped = make_scores([(clip, mask, p > 0.5) for clip, p, mask in frames])
    assert miou(swapped, unit="dataset") == pytest.approx(miou(scores, unit="dataset"), nan_ok=True)
    perfect = make_scores([(clip, mask, mask) for clip, _, mask in frames])
    assert miou(perfect, empty="hard") == 1


@given(st.lists(FRAME, min_size=4, max_size=4))
@settings(max_examples=40)
def test_repeating_every_pixel_changes_nothing(make_scores, drawn):
    frames = as_frames(drawn, frames_a_clip=2)
    large = [(c, np.kron(p, np.ones((3, 3))), np.kron(m, np.ones((3, 3)))) for c, p, m in frames]
    a, b = make_scores(frames), make_scores(large)
    for figure in (miou, fscore, class_mean, lambda s: miou(s, 0.4, "dataset")):
        assert figure(a) == pytest.approx(figure(b), nan_ok=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: miou(s, threshold=0.45), "0.45.*0.5, 0.4"),
        (lambda s: miou(s, unit="video"), "'video'.*frame, clip, dataset or a number"),
        (lambda s: miou(s, unit=0), "unit 0"),
        (lambda s: miou(s, empty="softly"), "'softly'.*soft, hard, skip"),
        (lambda s: miou(s, resolution="224"), "'224'.*native, squash"),
        (lambda s: fscore(s, "dataset"), "'dataset'.*frame, clip, set"),
        (lambda s: fscore(s, empty="soft"), "'soft'.*zero, skip"),
    ],
)
def test_an_unknown_choice_is_named(hand, call, message):
    with pytest.raises(ValueError, match=message):
        call(hand)


def test_lit_share_of_every_frame(hand):
    """Two, one and none of four pixels at 0.5; three of the first frame's at 0.4."""
    assert lit_terms(hand).numerator.tolist() == [0.5, 0.25, 0]
    assert lit_terms(hand, threshold=0.4).value == pytest.approx((3 / 4 + 1 / 4) / 3)
    assert lit_terms(hand, silent_only=True).numerator.tolist() == [0.25, 0]


def test_terms_by_video_are_the_same_score(make_scores):
    rng = np.random.default_rng(0)
    frames = [(f"c{i % 5}", rng.random((4, 4)), rng.random((4, 4)) < 0.5) for i in range(20)]
    scores = make_scores(frames, video=lambda clip: "w" + clip[-1:] if clip < "c3" else "v")
    for terms in (iou_terms(scores), iou_terms(scores, unit="dataset"), fscore_terms(scores)):
        summed = terms.by_video()
        assert summed.video.tolist() == ["v", "w0", "w1", "w2"]
        assert summed.value == pytest.approx(terms.value)
        of_v = terms.video == "v"
        assert summed.numerator[0] == pytest.approx(terms.numerator[of_v].sum())


def test_restricted_to_some_clips(hand):
    only = restrict(hand, ["two"])
    assert only.uid.tolist() == ["two"] and miou(only) == 1
    assert only.thresholds is hand.thresholds
    assert miou(restrict(hand, ["one", "two"])) == miou(hand)
    with pytest.raises(ValueError, match="no scores of 1 clips, e.g. three"):
        restrict(hand, ["one", "three"])


def test_curves_at_hand_give_the_same_f(hand):
    assert fscore_terms(hand, 2, curves=fscore_curves(hand)).value == fscore(hand, 2)
