import json
import os
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from sklearn import metrics

from benchmarks.scoring.boxes import (
    BoxScores,
    Figure,
    Rule,
    Shape,
    baselines_text,
    binarise,
    box_hull,
    box_terms,
    score_boxes,
    trivial_rows,
)
from benchmarks.scoring.components import component_boxes
from benchmarks.scoring.statistics import interval, sample

PIXELS = 224 * 224
FIXED, MEDIAN, ORACLE = range(3)
MASK, HULL = range(2)
QUARTER = [[0.0, 0.0, 0.5, 0.5]]


def score(logits, boxes):
    names = pd.Series([f"clip{i}" for i in range(len(logits))], range(7, 7 + len(logits)))
    return score_boxes(torch.as_tensor(logits), boxes, uid=names, video=names, classes=names)


def figures(scores, rule, shape="mask"):
    return [box_terms(scores, f, rule, shape).value for f in ("success", "auc", "mean_iou")]


def test_a_prediction_worked_out_by_hand():
    # The top half positive and falling to the right: half of it is the truth, the upper left.
    logits = np.full((224, 224), -1.0)
    logits[:112] = 224 - np.arange(224)
    scores = score(logits[None], [QUARTER])
    assert scores.target.tolist() == [112 * 112]
    assert scores.lit[0].tolist() == [[25088, 25088], [25088, 25088], [12544, 12544]]
    assert scores.iou[0].tolist() == [[0.5, 0.5], [0.5, 0.5], [1, 1]]
    assert figures(scores, "fixed") == [1, 0.525, 0.5]  # reaches 0, ..., 0.5: 10 steps and a half
    assert figures(scores, "oracle") == [1, 1, 1]
    assert scores.target_share[0] == 0.25 and scores.lit_share[0, MEDIAN, MASK] == 0.5


def test_the_truth_is_the_union_of_truncated_half_open_boxes():
    # 0.0999 * 224 = 22.4 and 0.2044 * 224 = 45.8: rows and columns 22..44, 23 x 23 pixels.
    twice = [[0.0999, 0.0999, 0.2044, 0.2044], [0.0999, 0.0999, 0.15, 0.15]]
    scores = score(np.zeros((1, 224, 224)), [twice])
    assert scores.target.tolist() == [23 * 23]


def test_the_hull_boxes_each_component_and_corners_touch():
    mask = np.zeros((2, 8, 8), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = True  # one component of two pixels that touch at a corner
    mask[0, 4:7, 4] = mask[0, 6, 4:8] = True  # an L
    mask[1, 0, 0] = True  # the same place in the next image is another component
    expected = np.zeros_like(mask)
    expected[0, :2, :2] = expected[0, 4:7, 4:8] = expected[1, 0, 0] = True
    assert (box_hull(mask) == expected).all()
    assert (box_hull(mask[:, None]) == expected[:, None]).all()


@pytest.mark.parametrize("size", [2, 100, 224, 448])
def test_maps_of_any_size_are_resized_without_a_shift(size):
    logits = np.ones((1, size, size))
    logits[:, :, : size // 2] = -1
    lit = binarise(logits, np.array([9]))[0, FIXED]
    assert lit[:, 112:].all() and not lit[:, :112].any()


def test_an_empty_truth_scores_zero_and_an_empty_prediction_too():
    logits = np.stack([np.full((224, 224), -1.0), np.full((224, 224), 1.0)])
    scores = score(np.concatenate([logits, logits[:1]]), [[], [], QUARTER])
    assert (scores.iou[:2] == 0).all() and scores.target.tolist() == [0, 0, 12544]
    assert scores.lit[:, FIXED, MASK].tolist() == [0, PIXELS, 0]
    assert scores.lit[:2, ORACLE, MASK].tolist() == [25088, 25088]
    assert figures(scores, "fixed") == pytest.approx([0, 0.025, 0])  # S(0) = 1: all are >= 0


def test_equal_pixels_are_lit_evenly_over_the_image():
    lit = binarise(np.zeros((1, 224, 224)), np.array([5000]))[0]
    blocks = lit.reshape(3, 8, 28, 8, 28).mean((2, 4))
    assert np.abs(blocks[MEDIAN] - 0.5).max() < 0.01
    assert np.abs(blocks[ORACLE] - 5000 / PIXELS).max() < 0.01


def slow_masks(logits, target):
    """Rules pixel by pixel: (3, 224, 224) from a list of PIXELS logits."""
    line = sorted(range(PIXELS), key=lambda i: (-logits[i], i * 31011 % PIXELS))
    chosen = [
        {i for i in range(PIXELS) if logits[i] > 0},
        set(line[: PIXELS // 2]),
        set(line[: target or PIXELS // 2]),
    ]
    return [np.array([i in pixels for i in range(PIXELS)]).reshape(224, 224) for pixels in chosen]


def slow_hull(mask):
    """Flood fill."""
    hull, left = np.zeros_like(mask), {tuple(p) for p in np.argwhere(mask).tolist()}
    while left:
        start = left.pop()
        seen, queue = [start], deque([start])
        while queue:
            y, x = queue.popleft()
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    seen.append(near)
                    queue.append(near)
        rows, columns = zip(*seen, strict=True)
        hull[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1] = True
    return hull


def slow_figures(ious):
    reached = [Fraction(sum(i >= Fraction(k, 20) for i in ious), len(ious)) for k in range(21)]
    auc = sum((a + b) / 40 for a, b in zip(reached, reached[1:], strict=False))
    return [reached[10], auc, sum(ious) / len(ious)]


def test_every_rule_shape_and_figure_against_a_slow_implementation():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 14, 14)).repeat(16, 1).repeat(16, 2)
    logits = np.round(logits + rng.normal(0, 0.3, logits.shape)).astype(np.float32)  # many ties
    logits[2] += 2
    boxes = [[[0.1, 0.2, 0.9, 0.95]], [[0, 0, 0.3, 0.3], [0.2, 0.1, 0.6, 0.4]], [[0, 0, 1, 1]], []]
    scores = score(logits, boxes)
    ious = {key: [] for key in np.ndindex(3, 2)}
    for n in range(4):
        truth = np.zeros((224, 224), bool)
        for left, top, right, bottom in boxes[n]:
            for y in range(int(224 * top), int(224 * bottom)):
                for x in range(int(224 * left), int(224 * right)):
                    truth[y, x] = True
        for r, mask in enumerate(slow_masks(logits[n].ravel().tolist(), int(truth.sum()))):
            for s, shape in enumerate((mask, slow_hull(mask))):
                assert scores.lit[n, r, s] == shape.sum()
                both, either = int((shape & truth).sum()), int((shape | truth).sum())
                ious[r, s].append(Fraction(both, max(either, 1)))
    for r, rule in enumerate(get_args(Rule)):
        for s, shape in enumerate(get_args(Shape)):
            assert scores.iou[:, r, s].tolist() == [float(i) for i in ious[r, s]]
            expected = [float(f) for f in slow_figures(ious[r, s])]
            assert figures(scores, rule, shape) == pytest.approx(expected, abs=1e-12)
    assert len({round(f, 6) for r in get_args(Rule) for f in figures(scores, r)}) > 6  # not trivial


@settings(max_examples=200)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_components_have_scipys_boxes(mask):
    places = ndimage.find_objects(ndimage.label(mask, np.ones((3, 3)))[0])
    expected = [[y.start, y.stop, x.start, x.stop] for y, x in places]
    assert sorted(component_boxes(mask).tolist()) == sorted(expected)


@st.composite
def counted(draw):
    """Scores of images with any counts that go together."""
    n = draw(st.integers(1, 12))
    whole = arrays(np.int32, (n, 3, 2), elements=st.integers(0, 40))
    intersection, extra = draw(whole), draw(whole)
    target = intersection.max((1, 2)) + draw(arrays(np.int32, n, elements=st.integers(0, 40)))
    names = np.array([f"v{i}" for i in range(n)])
    rules = np.array(get_args(Rule))
    lit, confidence = intersection + extra, np.zeros(len(names))
    return BoxScores(names, names, names, rules, target, intersection, lit, confidence)


@given(counted())
def test_auc_is_scikit_learns_and_close_to_the_mean_iou(scores):
    thresholds = np.arange(21) / 20
    for r, rule in enumerate(get_args(Rule)):
        success, auc, mean = figures(scores, rule)
        curve = [(scores.iou[:, r, MASK] >= t).mean() for t in thresholds]
        assert auc == pytest.approx(metrics.auc(thresholds, curve), abs=1e-12)
        assert success == pytest.approx(curve[10], abs=1e-12)
        assert abs(auc - mean) <= 0.025 + 1e-12
        assert success <= 2 * mean + 1e-12


MAPS = arrays(np.float32, (3, 5, 7), elements=st.sampled_from([-50.0, -1, -0.1, 0, 0.1, 2, 50]))
CORNER = st.integers(0, 32).map(lambda k: k / 32)
BOX = st.tuples(CORNER, CORNER, CORNER, CORNER).map(
    lambda c: [min(c[:2]), min(c[2:]), max(c[:2]), max(c[2:])]
)


@settings(max_examples=40)
@given(MAPS, st.lists(st.lists(BOX, max_size=3), min_size=3, max_size=3))
def test_laws_of_rules_and_shapes(logits, boxes):
    scores = score(logits, boxes)
    target = scores.target
    assert (scores.lit[:, MEDIAN, MASK] == PIXELS // 2).all()
    assert (scores.lit[:, ORACLE, MASK] == np.where(target, target, PIXELS // 2)).all()
    assert (scores.lit[..., HULL] >= scores.lit[..., MASK]).all()
    bound = np.minimum(target, PIXELS // 2) / np.maximum(target, PIXELS // 2)
    assert (scores.iou[:, MEDIAN, MASK] <= bound + 1e-12).all()
    masks = binarise(logits, target)
    hull = box_hull(masks)
    assert (hull >= masks).all()
    for a, b in [(FIXED, MEDIAN), (FIXED, ORACLE), (MEDIAN, ORACLE)]:  # one contains the other
        both = (masks[:, a] & masks[:, b]).sum((1, 2))
        assert (both == np.minimum(*masks[:, [a, b]].sum((2, 3)).T)).all()
    stretched = binarise(logits * 4, target)
    assert (stretched == masks).all()


@settings(max_examples=20)
@given(st.lists(BOX, max_size=3))
def test_the_truth_as_a_map_is_perfect_by_the_oracle_rule(boxes):
    truth = np.full((224, 224), -1.0)
    for left, top, right, bottom in boxes:
        truth[int(224 * top) : int(224 * bottom), int(224 * left) : int(224 * right)] = 1
    scores = score(truth[None], [boxes])
    full = float((truth > 0).any())
    assert scores.iou[0, FIXED, MASK] == scores.iou[0, ORACLE, MASK] == full
    if len(boxes) == 1:
        assert scores.iou[0, FIXED, HULL] == full


def test_a_batch_scores_as_its_images_do_and_survives_arrays():
    logits = np.random.default_rng(1).normal(size=(3, 20, 30)).astype(np.float32)
    boxes = [QUARTER, [], [[0.2, 0.3, 0.9, 0.9]]]
    whole = score(logits, boxes)
    parts = [score(logits[i : i + 1], boxes[i : i + 1]) for i in range(3)]
    joined = BoxScores.from_arrays(BoxScores.concatenate(parts).arrays())
    assert len(joined) == 3
    for name in ("target", "intersection", "lit"):
        assert (getattr(joined, name) == getattr(whole, name)).all()


def test_a_subset_of_the_rules_counts_the_same():
    logits = torch.randn(2, 12, 12, generator=torch.Generator().manual_seed(0))
    names = {name: ["a", "b"] for name in ("uid", "video", "classes")}
    every, one = (
        score_boxes(logits, [QUARTER] * 2, **names, rules=rules)
        for rules in (("fixed", "median", "oracle"), ("oracle",))
    )
    assert (one.intersection[:, 0] == every.intersection[:, 2]).all()
    assert figures(one, "oracle") == figures(every, "oracle")
    with pytest.raises(ValueError, match="rule 'median': expected oracle"):
        box_terms(one, "auc", "median")


def test_terms_can_be_resampled():
    logits = np.random.default_rng(2).normal(size=(6, 12, 12)).astype(np.float32)
    scores = score(logits, [QUARTER] * 6)
    for figure in get_args(Figure):
        terms = box_terms(scores, figure, "median", "hull")
        found = interval(sample([terms, terms]))
        assert found.low <= found.mean == terms.value <= found.high


def test_bad_input_is_named():
    logits = np.zeros((2, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"logits \(2, 4, 4\) for the boxes of 1 images"):
        score(logits, [QUARTER])
    logits[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="logits of clip1 are NaN"):
        score(logits, [QUARTER] * 2)
    scores = score(np.zeros((1, 4, 4)), [QUARTER])
    for name in ("figure", "rule", "shape"):
        with pytest.raises(ValueError, match=f"{name} 'mean': expected"):
            box_terms(scores, **{"figure": "auc", name: "mean"})


def test_trivial_rows_worked_out_by_hand():
    rows = trivial_rows(pd.DataFrame({"boxes": [[[0, 0, 1, 1]], QUARTER]})).set_index("predictor")
    assert list(rows.rule) == ["fixed", "fixed", "median", "median", "median"]
    assert (rows.n == 2).all() and (rows["empty"] == 0).all()
    whole, square, disc, mean, oracle = (row for _, row in rows.iterrows())
    assert (whole.success, whole.mean_iou) == (0.5, (1 + 0.25) / 2)
    inside, area = 79 * 79, 158 * 158  # the square is rows and columns 33..190
    assert square.mean_iou == pytest.approx((area / PIXELS + inside / (area + 12544 - inside)) / 2)
    assert oracle.mean_iou == 0.5 and oracle.success == 1  # 25088 of 50176, and 12544 of 25088
    # The mean map is 1 in the truth of the second image, then half of the pixels are reached.
    assert mean.mean_iou == pytest.approx((0.5 + 0.5) / 2)
    y, x = np.indices((224, 224)) - 112
    scores = score(np.repeat(-np.hypot(x, y)[None], 2, 0), [[[0, 0, 1, 1]], QUARTER])
    assert list(disc[["success", "auc", "mean_iou"]]) == figures(scores, "median")


def test_baselines_name_empty_truths_and_repairs(tmp_path):
    path = tmp_path / "vggss.json"
    clips = [("a" * 11 + "_000001", [[0.0, 0.0, 1.0, 1.0]]), ("b" * 11 + "_000002", [[0.5] * 4])]
    path.write_text(json.dumps([{"file": f, "class": "cat", "bbox": b} for f, b in clips]))
    text = baselines_text(path)
    assert "N = 2 images, 1 with an empty ground truth" in text
    assert f"scores 0: {clips[1][0]}" in text
    assert f"{clips[1][0]}: box [0.5, 0.5, 0.5, 0.5] dropped" in text
    line = next(line for line in text.splitlines() if line.startswith("whole image"))
    assert line.split()[2:] == ["fixed", "50.00", "0.512", "0.500"]  # 0.5125: the empty one's S(0)


@pytest.mark.skipif("VGGSS_JSON" not in os.environ, reason="VGGSS_JSON: path of vggss.json")
def test_trivial_rows_of_the_released_file():
    text = baselines_text(Path(os.environ["VGGSS_JSON"]))
    rows = [line.split()[-3:] for line in text.splitlines()[1:6]]
    assert [row[:2] for row in rows] == [
        ["21.95", "0.313"],  # whole image
        ["31.72", "0.369"],  # centred square of half the area
        ["34.16", "0.375"],  # centred disc
        ["34.51", "0.378"],  # mean ground truth
        ["50.54", "0.495"],  # half-image oracle
    ]
    assert "N = 5158 images, 2 with an empty ground truth" in text
    assert "M1P1xla8rg0_000000, MKC9LvRivTM_000030" in text


def test_confidence_is_the_mean_of_the_upper_quarter_unless_given():
    maps = torch.tensor([[0.9, 0.2, 0.1, 0.3], [0.5, 0.7, 0.0, 0.4]]).logit(1e-6).view(1, 2, 4)
    names = {"uid": ["a"], "video": ["a"], "classes": ["dog"]}
    assert score_boxes(maps, [[QUARTER[0]]], **names).confidence == pytest.approx([0.8])
    given = score_boxes(maps, [[QUARTER[0]]], **names, confidence=torch.tensor([0.25]))
    assert given.confidence.tolist() == [0.25]
