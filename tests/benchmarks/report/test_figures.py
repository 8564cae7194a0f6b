"""What is drawn, read back from the artists."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from benchmarks.common.tables import SHARE
from benchmarks.report.bars import figure1
from benchmarks.report.curves import figure3
from benchmarks.report.figures import PALETTE, dots, forest, png, training_curves
from benchmarks.report.measure import Block, Cell, Column, Table
from benchmarks.report.overlays import COLOURS, OPACITY, Panel, colour_mask, overlay_figure
from benchmarks.scoring.records import Epoch
from benchmarks.scoring.statistics import Difference, Interval
from tests.benchmarks.report.conftest import plan_with

PLAN = plan_with(
    table1={"published": ["avsbench"], "controlled": [], "gavs": ["gavs"], "operators": []}
)


def cell(mean, low, high, difference=None):
    return Cell(Interval(mean, low, high, 0.01, 2), 2, difference)


def column(where, measure, paper=None, **options):
    return Column(where, measure, measure, (), (), judged=True, paper=paper, **options)


def table(cells, paper=None, columns=()):
    columns = columns or [
        column("v1s", "miou", ("v1s", "train", "miou")),
        *(column("v1s", name) for name in ("floor", "shuffled")),
    ]
    rows = list(dict.fromkeys(row for row, _ in cells))
    return Table("table1", "gavs", [Block(rows, columns)], cells, {}, [], [], paper or {})


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
        ("avsbench", "v1s miou"): cell(0.5, 0.45, 0.55),
        ("avsbench", "v1s floor"): cell(0.25, 0.2, 0.3),
        ("avsbench", "v1s shuffled"): cell(0.3, 0.2, 0.4),
        ("gavs", "v1s miou"): cell(0.75, 0.7, 0.8),
        ("oracle_click", "v1s miou"): cell(0.9, 0.85, 0.95),
    }
    place = ("v1s", "train", "miou")
    paper = {("gavs", *place): 80.06, ("avsbench", *place): 78.7}
    own, published = dots(PLAN, table(cells, paper), ["avsbench", "gavs", "absent"]).axes
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
        return [
            Epoch(epoch=0, loss=1.0, validation=None),
            Epoch(epoch=1, loss=loss, validation=val),
        ]

    histories = {("avsbench", "v1s"): [], ("gavs", "v1s"): [history(0.2, 0.5), history(0.4, 0.7)]}
    loss, val = training_curves(PLAN, ["v1s"], histories).axes
    assert loss.lines[0].get_xydata().tolist() == [[0, 1], [1, pytest.approx(0.3)]]
    assert val.lines[0].get_xydata().tolist() == [[1, pytest.approx(60)]]
    band = loss.collections[0].get_paths()[0].vertices
    assert {tuple(v) for v in band} == {(0, 1), (1, 0.2), (1, 0.4)}
    assert loss.lines[0].get_color() == PALETTE[1]  # gavs is the second row here as in the legend
    legend = loss.figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["avsbench", "gavs"]
    assert [to_hex(h.get_color()).upper() for h in legend.get_lines()] == PALETTE[:2]


def test_forest_is_hollow_inside_the_noise():
    cells = {
        ("gavs", "v1s miou"): cell(0.5, 0.4, 0.6),
        ("no_cue", "v1s miou"): cell(0.4, 0.3, 0.5, Difference(-0.1, -0.15, -0.05, 0.01, 0.03)),
        ("no_noise", "v1s miou"): cell(0.51, 0.4, 0.6, Difference(0.01, -0.02, 0.04, 0.5, 0.04)),
    }
    groups = {"prompt": ["no_cue", "absent"], "noise": ["no_noise"]}
    (axes,) = forest(PLAN, table(cells), "v1s miou", groups).axes
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


def test_figure_1_keeps_the_papers_bars_in_a_panel_of_their_own():
    cells = {
        ("avsbench", "vggss m"): cell(0.3, 0.25, 0.35),
        ("gavs", "vggss m"): cell(0.4, 0.3, 0.5),
    }
    found = table(cells, columns=[column("vggss", "m")])
    paper = {"HardWay": (34.4, True), "GAVS": (41.07, False)}
    rows = ["avsbench", "absent", "gavs"]
    trivial = {"disc": 0.375, "whole image": 0.3124}
    own, published = figure1(PLAN, found, rows, "vggss m", trivial, paper).axes
    assert [bar.get_width() for bar in own.patches] == [30, 40]
    assert [to_hex(bar.get_facecolor()).upper() for bar in own.patches] == PALETTE[1::-1]
    segments = [tuple(s[:, 0].round(6)) for c in own.collections for s in c.get_segments()]
    assert segments == [(25, 35), (30, 50)]
    lines = {line.get_label(): line.get_xdata()[0] for line in own.lines}
    assert list(lines) == ["whole image", "disc"]  # the weakest first, as in the legend
    assert list(lines.values()) == pytest.approx([31.24, 37.5])
    assert [bar.get_width() for bar in published.patches] == [34.4, 41.07]
    assert [bool(bar.get_hatch()) for bar in published.patches] == [True, False]
    assert not published.lines and "the paper" in published.get_xlabel()


def test_figure_3_has_bands_and_the_papers_curves_beside():
    shares = {"10 %": 0.1, "100 %": 1.0}
    columns = [
        column(where, measure, ("v2", where, measure), unit=unit)
        for where in shares
        for measure, unit in (("miou", column("", "").unit), ("fscore", SHARE))
    ]
    cells = {
        ("gavs", "10 % miou"): cell(0.3, 0.2, 0.4),
        ("gavs", "100 % miou"): cell(0.5, 0.45, 0.55),
        ("gavs", "100 % fscore"): cell(0.6, 0.5, 0.7),
    }
    paper = {("gavs", "v2", "10 %", "miou"): 60.2, ("gavs", "v2", "100 %", "miou"): 67.7}
    figure = figure3(PLAN, table(cells, paper, columns), ["avsbench", "gavs"], shares)
    (miou, printed), (fscore, _) = figure.axes[:2], figure.axes[2:]
    assert miou.lines[1].get_xydata().tolist() == [[10, 30], [100, 50]]
    band = {tuple(v.round(6)) for v in miou.collections[1].get_paths()[0].vertices}
    assert band == {(10, 20), (10, 40), (100, 45), (100, 55)}
    assert fscore.lines[1].get_xydata().tolist() == [[100, 0.6]]  # in its own unit
    assert printed.lines[1].get_xydata().tolist() == [[10, 60.2], [100, 67.7]]
    assert "the paper" in printed.get_title() and not printed.collections


def test_a_png_has_nothing_of_the_time_or_the_version():
    drawn = dots(PLAN, table({("gavs", "v1s miou"): cell(0.5, 0.4, 0.6)}), ["gavs"])
    image = Image.open(io.BytesIO(png(drawn)))
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


def test_boxes_are_drawn_on_every_image_but_the_sound():
    truth, frame, log_mel = np.ones((4, 8), bool), np.zeros((4, 8, 3), np.uint8), np.ones((96, 64))
    panel = Panel("VGG-SS", frame, log_mel, 0, truth, {"gavs": truth}, [[0.25, 0, 0.75, 0.5]])
    axes = overlay_figure([panel]).axes
    drawn = [[p.get_bbox().bounds for p in a.patches] for a in axes]
    assert drawn == [[(1.5, -0.5, 4, 2)], [], [(1.5, -0.5, 4, 2)], [(1.5, -0.5, 4, 2)]]
