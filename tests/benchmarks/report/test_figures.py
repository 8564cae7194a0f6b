"""What is drawn, read back from the artists."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from benchmarks.report.figures import PALETTE, dots, forest, png, training_curves
from benchmarks.report.overlays import COLOURS, OPACITY, Panel, colour_mask, overlay_figure
from benchmarks.report.records import Counts, Epoch
from benchmarks.report.summary import Cell, Plan, Table
from benchmarks.scoring.statistics import Difference, Interval


def cell(mean, low, high, difference=None, histories=(), floor=None, shuffled=None):
    return Cell(
        seeds=[0],
        counts=Counts(trainable_parameters=1),
        histories=histories,
        metrics={"miou": Interval(mean, low, high, 0.01, 2, 9)},
        difference=difference,
        floor=floor,
        floor_gain=None,
        shuffled=shuffled,
        shuffle_loss=None,
    )


def table(cells, paper=None, groups=None, ceiling=None):
    plan = Plan(
        profile="miniature",
        seeds=[0, 1],
        benchmarks=["v1s"],
        groups=groups or {"": ["avsbench", "gavs", "absent"]},
        base="gavs",
        ceiling=ceiling,
        paper=paper or {},
    )
    return Table(plan, {(row, "v1s"): c for row, c in cells.items()}, [], [])


def points(axes, marker):
    """(x, y, colour) of the single points drawn with a marker, top row first."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [(*(float(v[0]) for v in line.get_data()), line.get_color()) for line in lines]


def spans(axes):
    """(low, high, row) of the horizontal lines."""
    data = [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == 2]
    return [(a[0], b[0], a[1]) for a, b in data if a[1] == b[1]]


def test_dots_of_table_1_and_the_papers_apart():
    cells = {
        "avsbench": cell(0.5, 0.45, 0.55, floor=0.25, shuffled=0.3),
        "gavs": cell(0.75, 0.7, 0.8),
        "oracle_click": cell(0.9, 0.85, 0.95),
    }
    paper = {("gavs", "v1s", "miou"): 80.06, ("avsbench", "v1s", "miou"): 78.7}
    groups = {"": ["avsbench", "gavs", "absent", "oracle_click"]}
    own, published = dots(table(cells, paper, groups, "oracle_click")).axes
    assert points(own, "o") == [(50, 0, PALETTE[0]), (75, 1, PALETTE[1])]
    assert spans(own) == [pytest.approx((45, 55, 0)), pytest.approx((70, 80, 1))]
    assert [x for x, *_ in points(own, "|")] == [25]
    assert [x for x, *_ in points(own, "x")] == [30]
    assert own.lines[-1].get_xdata() == [90, 90]  # the ceiling, from top to bottom
    assert [label.get_text() for label in own.get_yticklabels()] == ["avsbench", "gavs", "absent"]
    assert [x for x, *_ in points(published, "D")] == [78.7, 80.06]
    assert not points(own, "D") and not points(published, "o")
    assert "miniature" in own.get_title() and "real data" in published.get_title()


def test_curves_are_the_mean_of_the_seeds_in_their_range():
    def history(loss, val):
        return [Epoch(epoch=0, loss=1.0, val_miou=None), Epoch(epoch=1, loss=loss, val_miou=val)]

    cells = {"gavs": cell(0.5, 0.4, 0.6, histories=[history(0.2, 0.5), history(0.4, 0.7)])}
    loss, val = training_curves(table(cells)).axes
    assert loss.lines[0].get_xydata().tolist() == [[0, 1], [1, pytest.approx(0.3)]]
    assert val.lines[0].get_xydata().tolist() == [[1, pytest.approx(60)]]
    band = loss.collections[0].get_paths()[0].vertices
    assert {tuple(v) for v in band} == {(0, 1), (1, 0.2), (1, 0.4)}
    assert loss.lines[0].get_color() == PALETTE[1]  # gavs is the second row here as in the legend
    legend = loss.figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["avsbench", "gavs", "absent"]
    assert [to_hex(h.get_color()).upper() for h in legend.get_lines()] == PALETTE[:3]


def test_forest_is_hollow_inside_the_noise():
    cells = {
        "gavs": cell(0.5, 0.4, 0.6),
        "no_cue": cell(0.4, 0.3, 0.5, Difference(-0.1, -0.15, -0.05, 0.01, 0.03)),
        "no_noise": cell(0.51, 0.4, 0.6, Difference(0.01, -0.02, 0.04, 0.5, 0.04)),
    }
    groups = {"base": ["gavs"], "prompt": ["no_cue", "absent"], "noise": ["no_noise"]}
    (axes,) = forest(table(cells, groups=groups)).axes
    assert [(x, y) for x, y, _ in points(axes, "o")] == [(-10, 0), (1, 2)]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert faces[0] != "white" and faces[1] == "white"
    assert spans(axes) == [pytest.approx((-15, -5, 0)), pytest.approx((-2, 4, 2))]
    beside = [(text.get_text(), text.xy[1]) for text in axes.texts]
    assert beside == [
        ("−10.00 [−15.00, −5.00]", 0),
        ("+1.00 [−2.00, +4.00]", 2),
        ("prompt", 0),
        ("noise", 2),
    ]


def test_a_png_has_nothing_of_the_time_or_the_version():
    image = Image.open(io.BytesIO(png(dots(table({"gavs": cell(0.5, 0.4, 0.6)})))))
    assert set(image.info) == {"dpi"}
    assert image.width == 1440


def test_hits_false_alarms_and_misses():
    frame = np.full((2, 2, 3), 255, np.uint8)
    predicted = np.array([[True, True], [False, False]])
    truth = np.array([[True, False], [True, False]])
    image = colour_mask(frame, predicted, truth)
    expected = [(1 - OPACITY) * 0.7 + OPACITY * np.array(to_rgb(c)) for c in COLOURS.values()]
    hit, alarm, miss = expected
    np.testing.assert_allclose(image, [[hit, alarm], [miss, [0.7] * 3]])


def test_overlay_columns_and_the_frames_second():
    truth = np.zeros((4, 6), bool)
    truth[:2] = True
    frame = np.zeros((4, 6, 3), np.uint8)
    log_mel = np.arange(5 * 96 * 64.0).reshape(-1, 64)
    maps = {"gavs": np.where(truth, 0.51, 0.5), "mute": np.zeros((4, 6))}
    axes = overlay_figure([Panel("V1S", frame, log_mel, 3, truth, maps)]).axes
    assert [a.get_title() for a in axes] == [
        "frame",
        "sound (log-mel)",
        "ground truth",
        "gavs",
        "mute",
    ]
    shown = [a.images[0].get_array() for a in axes]
    np.testing.assert_array_equal(shown[1], log_mel.T)
    assert [line.get_xdata()[0] for line in axes[1].lines] == [3, 4]
    assert axes[1].images[0].get_extent() == [0, 5, 0, 64]
    np.testing.assert_array_equal(shown[3], shown[2])  # 0.5 is not lit, 0.51 is: all hits
    np.testing.assert_allclose(shown[4][0, 0], 0.25 * 0.15 + 0.75 * np.array(to_rgb("#F0E442")))
    np.testing.assert_allclose(shown[4][3, 0], 0.15)


def test_a_method_without_a_prediction_leaves_its_place_empty():
    truth, frame, log_mel = np.ones((2, 2), bool), np.zeros((2, 2, 3), np.uint8), np.ones((96, 64))
    both = {"gavs": np.ones((2, 2)), "other": np.ones((2, 2))}
    one = Panel("V1S", frame, log_mel, 0, truth, {"gavs": both["gavs"]})
    axes = overlay_figure([one, Panel("V1M", frame, log_mel, 0, truth, both)]).axes
    assert [a.get_title() for a in axes[:5]][3:] == ["gavs", "other"]
    assert [len(a.images) for a in axes] == [1, 1, 1, 1, 0] + [1] * 5
