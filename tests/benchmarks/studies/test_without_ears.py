"""Rules without ears: a scene worked by hand, and the committed figures."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.experiments import EXPERIMENTS
from benchmarks.miniature.clips import Clip, ClipKey
from benchmarks.miniature.scenes import CLASSES, KINDS, Frame, Scene, Thing
from benchmarks.studies.without_ears import rules, without_ears

FURNITURE = len(CLASSES)


@pytest.fixture
def clip(monkeypatch):
    """clip(benchmark, *heard): 8 x 8 pixels: object 0 has 16, 1 the central 4, 2 has 2; a chair."""
    owner = np.full((8, 8), -1, np.int8)
    owner[:4, :4], owner[4:6, 4:6], owner[7, :2], owner[:2, 6:] = 0, 1, 2, 3
    assert len(KINDS) > FURNITURE
    places = [(20.0, 20.0), (70.0, 70.0), (10.0, 120.0), (64.0, 64.0)]
    things = tuple(
        Thing(kind, 9.0, ((0, 0, 0), (0, 0, 0)), 0.0, 1.0, (0, 1, 0, 0), x, y)
        for kind, (x, y) in zip((0, 1, 2, FURNITURE), places, strict=True)
    )
    scene = Scene(np.zeros((8, 8, 3), np.float32), things)
    image = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(Scene, "frame", lambda self, *_: Frame(image, owner, self.things))

    def make(benchmark, *heard):
        key = ClipKey(benchmark, "test", 0, 0, 0)
        on = np.ones((len(heard), 10), bool)
        return Clip(key, "a", 0, scene, tuple(things[k] for k in heard), (9.0,), on, 0, {})

    return make


def test_each_rule_takes_what_it_says(clip):
    found = rules(clip("v2", 1), 1)
    assert found == pytest.approx(
        {
            "largest object": 0.0,
            "most central object": 1.0,  # furniture, nearer still, is no object
            "a random object": 1 / 3,
            "all objects": 4 / 22,
        }
    )


def test_two_are_taken_where_two_sound(clip):
    found = rules(clip("v1m", 0, 1), 2)
    assert found["largest object"] == found["most central object"] == 1.0
    assert found["a random object"] == pytest.approx((1 + 16 / 22 + 4 / 22) / 3)


def test_where_nothing_sounds_only_an_empty_mask_is_right(clip):
    silent = replace(clip("v2", 0), on=np.zeros((1, 10), bool))
    assert set(rules(silent, 1).values()) == {0.0}
    empty = replace(silent, scene=replace(silent.scene, things=()))
    assert set(rules(empty, 1).values()) == {1.0}


def test_boxes_are_scored_on_vggss(clip):
    """All objects' boxes are 16, 4 and 2 pixels; the two that sound, 20 of these 22."""
    assert rules(clip("vggss", 0, 1), 1)["all objects"] == pytest.approx(20 / 22)


@pytest.mark.slow
def test_the_committed_figures_are_these():
    committed = EXPERIMENTS / "table1_avs_benchmarks" / "without_ears.csv"
    assert committed.read_text().splitlines() == without_ears()
