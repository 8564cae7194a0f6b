"""What is drawn, read back from the artists."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from benchmarks.common.overlay import COLOURS, OPACITY, colour_mask
from benchmarks.common.tables import SHARE
from benchmarks.params import load
from benchmarks.report.ablations_figure import DECIDED, ablations_figure
from benchmarks.report.critical_figure import OUT, critical_figure, groups
from benchmarks.report.figure1 import KINDS, figure1
from benchmarks.report.figure3_figure import figure3_figure
from benchmarks.report.measure import Block, Column, Score, Table
from benchmarks.report.overlays import Panel, overlay_figure
from benchmarks.report.plan import plan_of
from benchmarks.report.robustness_figure import robustness_figure
from benchmarks.report.shots_figure import shots_figure
from benchmarks.report.style import FAMILIES, MARKERS, PALETTE, looks, looks_of, png
from benchmarks.report.table1_figure import table1_figure
from benchmarks.report.training_curves import training_curves
from benchmarks.scoring.records import Epoch
from benchmarks.scoring.statistics import Difference, Interval, Sample
from benchmarks.studies.scenes_figure import scenes_figure
from tests.benchmarks.report.conftest import plan_with
from tests.copies import ROOT

PLAN = plan_with(
    table1={"published": ["avsbench"], "controlled": [], "gavs": ["gavs"], "operators": []}
)
COLOUR = looks_of(PLAN)["palette"]


def score(mean, low, high, difference=None):
    return Score(Interval(mean, low, high, 0.01, 2), 2, difference)


def column(where, measure, paper=None, **options):
    return Column(where, measure, (), (), judged=True, paper=paper, **options)


def table(scores, paper=None, columns=()):
    columns = columns or [
        column("v1s", "miou", ("v1s", "train", "miou")),
        *(column("v1s", name) for name in ("floor", "shuffled")),
    ]
    rows = list(dict.fromkeys(row for row, _ in scores))
    return Table("table1", "gavs", [Block(rows, columns)], scores, {}, [], [], paper or {})


def dots(axes):
    """(x, y, colour) of every point."""
    return [
        (*map(float, place), to_hex(colour).upper())
        for collection in axes.collections
        for place, colour in zip(
            collection.get_offsets(),
            np.resize(collection.get_facecolor(), (len(collection.get_offsets()), 4)),
            strict=True,
        )
    ]


def spans(axes):
    """(low, high, row) of the horizontal lines."""
    data = [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == 2]
    return [(a[0], b[0], a[1]) for a, b in data if a[1] == b[1]]


def test_a_method_has_one_look_and_no_other_has_it():
    methods = [f"m{i}" for i in range(40)]
    look = looks(methods)
    pairs = [(look["palette"][m], look["markers"][m]) for m in methods]
    assert len({*pairs}) == 40
    assert len({look["palette"][m] for m in methods[:8]}) == len(PALETTE) == 8
    assert len({*MARKERS}) == len(MARKERS)
    families = {row: list(FAMILIES)[i % 4] for i, row in enumerate(methods)}
    look = looks(methods, families)
    assert len({(look["palette"][m], look["markers"][m]) for m in methods}) == 40
    assert all(look["palette"][row] in FAMILIES[family] for row, family in families.items())
    assert PLAN.methods[:2] == ["avsbench", "gavs"] and len({*PLAN.methods}) == len(PLAN.methods)


def test_a_variant_has_its_bases_colour_where_the_family_has_no_other():
    colours = FAMILIES["in-set"]
    rows = [*(f"m{i}" for i in range(len(colours))), "m1_dice", "other", "m1_dice_wide"]
    bases = {"m1": "m0", "m1_dice": "m1", "m1_dice_wide": "m1_dice"}
    look = looks(rows, dict.fromkeys(rows, "in-set"), bases)
    assert [look["palette"][row] for row in rows[: len(colours)]] == colours  # variants too
    assert look["palette"]["m1_dice"] == look["palette"]["m1_dice_wide"] == colours[1]
    assert look["palette"]["other"] == colours[0]  # of no base: from the first again
    three = [
        (look["markers"][row], look["dashes"][row]) for row in ("m1", "m1_dice", "m1_dice_wide")
    ]
    assert len({marker for marker, _ in three}) == len({dashes for _, dashes in three}) == 3


def test_rows_of_the_default_tables_are_told_apart_by_their_looks():
    plan = plan_of(load(ROOT / "params.yaml"))
    look = looks_of(plan)
    pairs = {row: (look["palette"][row], look["markers"][row]) for row in plan.methods}
    assert len({*pairs.values()}) == len(plan.methods) > 25
    for base in ("gavs", "sam_fusion", "gavs_full_decoder", "sam_fusion_full_decoder"):
        assert look["palette"][f"{base}_dice"] == look["palette"][base]
        assert plan.families[f"{base}_dice"] == plan.families[base]
    ends = [*plan.tables.figure3.rows, *plan.tables.table2.rows]  # drawn as curves
    assert len({look["palette"][row] for row in ends}) == len({*ends})


def test_dots_of_table_1_and_the_papers_apart():
    scores = {
        ("avsbench", "v1s miou"): score(0.5, 0.45, 0.55),
        ("avsbench", "v1s floor"): score(0.25, 0.2, 0.3),
        ("avsbench", "v1s shuffled"): score(0.3, 0.2, 0.4),
        ("gavs", "v1s miou"): score(0.75, 0.7, 0.8),
        ("oracle_click", "v1s miou"): score(0.9, 0.85, 0.95),
    }
    place = ("v1s", "train", "miou")
    paper = {("gavs", *place): 80.06, ("avsbench", *place): 78.7}
    rows = ["avsbench", "gavs"]
    measured, published = table1_figure(PLAN, table(scores, paper), rows).axes
    floor, shuffled, *means = dots(measured)
    assert means == [(50, 0, COLOUR["avsbench"]), (75, 1, COLOUR["gavs"])]
    assert (floor[0], shuffled[0]) == (25, 30) and 0 < floor[1] == shuffled[1] < 0.5
    assert spans(measured) == [pytest.approx((45, 55, 0)), pytest.approx((70, 80, 1))]
    assert measured.lines[-1].get_xdata() == [90, 90]  # the ceiling, from top to bottom
    assert [label.get_text() for label in measured.get_yticklabels()] == rows
    assert dots(published) == [(78.7, 0, COLOUR["avsbench"]), (80.06, 1, COLOUR["gavs"])]
    assert "miniature" in measured.get_title() and "real data" in published.get_title()


def test_curves_are_the_mean_of_the_seeds_in_their_range():
    def history(loss, val):
        return [
            Epoch(epoch=0, step=30, loss=1.0, validation=None),
            Epoch(epoch=1, step=60, loss=loss, validation=val),
        ]

    histories = {("avsbench", "v1s"): [], ("gavs", "v1s"): [history(0.2, 0.5), history(0.4, 0.7)]}
    loss, val = training_curves(PLAN, histories).axes
    (line,), (validation,) = ([x for x in axes.lines if len(x.get_xdata())] for axes in (loss, val))
    assert line.get_xydata().tolist() == [[30, 1], [60, pytest.approx(0.3)]]
    assert validation.get_xydata().tolist() == [[50, 1], [pytest.approx(70), 1]]  # in its row
    band = loss.collections[0].get_paths()[0].vertices
    assert {tuple(v) for v in band} == {(30, 1), (60, 0.2), (60, 0.4)}
    assert line.get_color() == COLOUR["gavs"]
    legend = loss.figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["avsbench", "gavs"]
    assert [h.get_color() for h in legend.get_lines()] == [COLOUR["avsbench"], COLOUR["gavs"]]


def test_forest_is_hollow_inside_the_noise():
    scores = {
        ("gavs", "v1s miou"): score(0.5, 0.4, 0.6),
        ("no_cue", "v1s miou"): score(0.4, 0.3, 0.5, Difference(-0.1, -0.15, -0.05, 0.01, 0.03, 2)),
        ("no_noise", "v1s miou"): score(
            0.51, 0.4, 0.6, Difference(0.01, -0.02, 0.04, 0.5, 0.04, 2)
        ),
    }
    groups = {"prompt": ["no_cue", "absent"], "noise": ["no_noise"]}
    (axes,) = ablations_figure(PLAN, table(scores), "v1s miou", groups).axes
    assert dots(axes) == [(-10, 0, DECIDED), (1, 2, "#FFFFFF")]
    assert spans(axes) == [pytest.approx((-15, -5, 0)), pytest.approx((-2, 4, 2))]
    beside = [(text.get_text(), text.xy[1]) for text in axes.texts]
    assert beside == [
        ("−10.00 [−15.00, −5.00]", 0),
        ("+1.00 [−2.00, +4.00]", 2),
        ("prompt", 0),
        ("noise", 2),
    ]


def test_figure_1_keeps_the_papers_bars_in_a_panel_of_their_own():
    scores = {
        ("avsbench", "vggss m"): score(0.3, 0.25, 0.35),
        ("gavs", "vggss m"): score(0.4, 0.3, 0.5),
    }
    place = ("vggss", "in-set", "ciou")
    paper = {("hardway", *place): 34.4, ("gavs", "vggss", "0-shot", "ciou"): 41.07}
    measured_table = table(scores, paper, [column("vggss", "m")])
    trivial = {"disc": 0.375, "whole image": 0.3124}
    rows = ["avsbench", "absent", "gavs"]
    measured, published = figure1(PLAN, measured_table, rows, "vggss m", trivial).axes
    assert [bar.get_width() for bar in measured.patches] == [30, 40]
    faces = [to_hex(bar.get_facecolor()).upper() for bar in measured.patches]
    assert faces == [COLOUR["avsbench"], COLOUR["gavs"]]
    hatches = [bar.get_hatch() or "" for bar in measured.patches]
    assert hatches == [KINDS["fusion"][1], KINDS["prompt"][1]]
    assert spans(measured) == [pytest.approx((25, 35, 0)), pytest.approx((30, 50, 1))]
    assert measured.get_xlim()[1] > 50  # no interval is cut
    lines = {x.get_label(): x.get_xdata()[0] for x in measured.lines if x.get_label()[0] != "_"}
    assert list(lines) == ["whole image", "disc"]  # the weakest first, as in the legend
    assert list(lines.values()) == pytest.approx([31.24, 37.5])
    assert [bar.get_width() for bar in published.patches] == [34.4, 41.07]
    assert [bar.get_hatch() or "" for bar in published.patches] == [KINDS["in-set"][1], ""]
    assert not published.lines and "the paper" in published.get_xlabel()


def test_figure_3_has_bands_and_the_papers_curves_beside():
    shares = {"10 %": 0.1, "100 %": 1.0}
    columns = [
        column(where, measure, ("v2", where, measure), unit=unit)
        for where in shares
        for measure, unit in (("miou", column("", "").unit), ("fscore", SHARE))
    ]
    scores = {
        ("gavs", "10 % miou"): score(0.3, 0.2, 0.4),
        ("gavs", "100 % miou"): score(0.5, 0.45, 0.55),
        ("gavs", "100 % fscore"): score(0.6, 0.5, 0.7),
    }
    paper = {("gavs", "v2", "10 %", "miou"): 60.2, ("gavs", "v2", "100 %", "miou"): 67.7}
    rows = ["avsbench", "gavs"]
    figure = figure3_figure(PLAN, table(scores, paper, columns), rows, shares)
    (miou, printed), (fscore, _) = figure.axes[:2], figure.axes[2:]

    def curves(axes):
        return [x.get_xydata().tolist() for x in axes.lines if len(x.get_xdata())]

    assert curves(miou) == [[[10, 30], [100, 50]]]
    band = {tuple(v.round(6)) for v in miou.collections[0].get_paths()[0].vertices}
    assert band == {(10, 20), (10, 40), (100, 45), (100, 55)}
    assert curves(fscore) == [[[100, 0.6]]]  # in its own unit
    assert curves(printed) == [[[10, 60.2], [100, 67.7]]]
    assert "the paper" in printed.get_title() and not printed.collections


def test_rows_are_joined_where_no_two_are_told_apart():
    def pair(p):
        return Difference(0.1, 0, 0.2, p, 0.1, 2)

    means = {"d": 4, "a": 1, "c": 3, "b": 2}
    p = {("a", "b"): 0.5, ("b", "c"): 0.5, ("a", "c"): 0.01, ("c", "d"): 0.5, ("b", "d"): 0.5}
    pairs = {rows: pair(value) for rows, value in p.items()} | {("d", "a"): pair(0.01)}
    assert groups(means, pairs) == [("a", "b"), ("b", "c", "d")]
    assert groups(means, {rows: pair(0.01) for rows in pairs}) == []


def test_rows_in_no_verdict_are_grey_and_under_no_bar():
    """Three rows with the same score and no spread: a bar over the two that take part."""
    same = Sample(
        ((0, None), (1, None)), np.array([0.5, 0.5]), np.array(["v", "w"]), np.zeros((2, 2))
    )
    rows = ["avsbench", "gavs", "gavs_released"]
    scores = {
        (row, "v1s miou"): score(value, 0.4, 0.6)
        for row, value in zip(rows, (0.5, 0.6, 0.7), strict=True)
    }
    full = replace(
        table(scores),
        samples={place: same for place in scores},
        left_out={("gavs_released", "v1s miou"): "all dark"},
    )
    (axes,) = critical_figure(PLAN, full, rows).axes
    bars = [line.get_xdata() for line in axes.lines if line.get_color() == "black"]
    assert [tuple(bar) for bar in bars] == [(50, 60)]
    assert {text.get_text().split()[0]: text.get_color() for text in axes.texts} == {
        "avsbench": COLOUR["avsbench"], "gavs": COLOUR["gavs"], "gavs_released": OUT,
    }  # fmt: skip
    assert axes.get_title("left").endswith("grey: in no verdict")


def test_shots_have_a_panel_per_measure_and_names_that_do_not_overlap():
    settings = PLAN.shot_settings
    columns = [column(where, m) for where in settings for m in ("miou", "seen")]
    scores = {
        (row, f"{where} {m}"): score(value, value - 0.02, value + 0.02)
        for row, value in (("avsbench", 0.5), ("gavs", 0.501))
        for where in settings
        for m in ("miou", "seen")
    }
    rows = ["avsbench", "gavs"]
    measures = {"miou": "unseen", "seen": "seen"}
    figure = shots_figure(PLAN, table(scores, columns=columns), rows, measures, "mIoU")
    assert [a.get_title() for a in figure.axes] == ["unseen", "seen"]
    lines = [x.get_xydata().tolist() for x in figure.axes[0].lines if len(x.get_xdata())]
    assert lines == [[[0, 50], [1, 50]], [[0, pytest.approx(50.1)], [1, pytest.approx(50.1)]]]
    figure.draw_without_rendering()
    texts = figure.axes[0].texts
    assert [text.get_text() for text in texts] == rows
    assert texts[0].get_window_extent().y1 <= texts[1].get_window_extent().y0 + 1  # pixel


def test_robustness_keeps_scores_and_lit_areas_apart():
    plan = plan_with(robustness={"benchmark": "v1s", "rows": ["avsbench", "gavs"]})
    columns = [column("v1s", name) for name in ("clean", "lit_own", "lit_noise")]
    scores = {
        ("gavs", "v1s clean"): score(0.5, 0.4, 0.6),
        ("gavs", "v1s lit_own"): score(0.2, 0.2, 0.2),
        ("gavs", "v1s lit_noise"): score(0.3, 0.3, 0.3),
    }
    kinds = {"own": "own sound", "noise": "white noise"}
    figure = robustness_figure(plan, table(scores, columns=columns), ["avsbench", "gavs"], kinds)
    clean, lit = figure.axes
    assert [d[:2] for d in dots(clean)] == [(50, 1)]
    assert spans(clean) == [pytest.approx((40, 60, 1))]
    assert sorted(d[:2] for d in dots(lit)) == [(20, 1), (30, 1)]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(kinds.values())


def test_natural_and_balanced_scenes_are_joined_by_row():
    lines = [
        ("v1s", "default", "a", 0.6),
        ("v1s", "balanced", "a", 0.1),
        ("v1s", "default", "b", 0.4),
        ("v1s", "balanced", "b", 0.3),
        ("v1s", "bf16", "b", 0.9),
        ("v2", "default", "b", 0.8),
    ]
    scores = pd.DataFrame(lines, columns=["benchmark", "alternative", "row", "miou"])
    (axes,) = scenes_figure(scores, looks(["a", "b"]), "miniature").axes
    joined = [x.get_xydata().tolist() for x in axes.lines if len(x.get_xdata()) == 2][:2]
    assert joined == [[[0, 40], [1, 30]], [[0, 60], [1, 10]]]
    assert {t.get_text() for t in axes.texts} == {"a 60.0", "a 10.0", "b 40.0", "b 30.0"}


def test_a_png_has_nothing_of_the_time_or_the_version():
    drawn = table1_figure(PLAN, table({("gavs", "v1s miou"): score(0.5, 0.4, 0.6)}), ["gavs"])
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
