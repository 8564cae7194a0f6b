"""Pictures and sounds of the miniature world, object by object."""

import colorsys
import math

import numpy as np
import pytest

from benchmarks.miniature.scenes import (
    CLASSES,
    LOOKALIKES,
    RADIUS,
    SHAPES,
    Scene,
    Thing,
    place,
    random_thing,
)
from benchmarks.miniature.sounds import LEVEL, PITCH, RATE, mix, synth


def one(label, radius=40.0):
    """A thing of a class, white; tilted, since edges along the pixel grid round its area."""
    white = ((255.0, 255.0, 255.0),) * 2
    return Thing(label, radius, white, angle=0.4, aspect=1.0, grain=(0.3, 6.0, 1.0, 2.0))


AREAS = {  # of the shapes as scenes.py describes them, in squared radii
    "disc": math.pi * 0.95**2,
    "square": 1.7**2,
    "triangle": 3 * math.sqrt(3) * 0.6**2,  # equilateral, inradius 0.6
    "star": 5 * 1.2 * 0.55 * math.sin(math.pi / 5),  # five tips at 1.2, notches at 0.55
    "plus": 2 * 2 * 0.72 - 0.72**2,
    "ring": math.pi * (1.02**2 - 0.44**2),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [64, 128])
def test_shape_areas(shape, size):
    black = np.zeros((size, size, 3), np.float32)
    thing = one(CLASSES.index(f"{shape}-plain"))
    frame = Scene(black, (thing,)).frame(np.random.default_rng(0))
    expected = AREAS[shape] * (40 * size / 128) ** 2
    assert frame.visible.sum() == pytest.approx(expected, rel=0.02)
    assert ((frame.image > 127).all(-1) == frame.visible[0]).all()  # the mask is what one sees


def test_front_hides_back():
    disc, square = CLASSES.index("disc-plain"), CLASSES.index("square-dots")
    black = np.zeros((128, 128, 3), np.float32)
    back, front = one(disc, 40.0), one(square, 20.0)
    frame = Scene(black, (back, front)).frame(np.random.default_rng(0))
    assert frame.labels[64, 64] == square and frame.labels[64, 64 + 30] == disc
    assert frame.labels[0, 0] == -1
    alone = Scene(black, (back,)).frame(np.random.default_rng(0)).visible[0]
    assert (frame.visible[0] == alone & ~frame.visible[1]).all()


def test_things_stay_in_view_and_apart():
    rng = np.random.default_rng(0)
    for _ in range(50):
        things = [random_thing(rng, int(k), "source") for k in rng.integers(24, size=4)]
        order = np.argsort([thing.radius for thing in things])
        placed = place(rng, things, seconds=10)
        assert (np.argsort([thing.radius for thing in placed]) == order).all()
        for second in (0, 5, 10):
            at = [thing.at(second) for thing in placed]
            for i, (thing, (x, y)) in enumerate(zip(placed, at, strict=True)):
                assert 0.7 * thing.radius < min(x, y) and max(x, y) < 128 - 0.7 * thing.radius
                for other, position in zip(placed[:i], at[:i], strict=True):
                    assert math.dist((x, y), position) > 0.85 * (thing.radius + other.radius)


def test_hue_is_a_shortcut_in_the_source_style_only():
    label = CLASSES.index("ring-checker")

    def hues(style):
        things = [random_thing(np.random.default_rng(k), label, style) for k in range(200)]
        # The brighter of the two colours has the class's hue.
        return [colorsys.rgb_to_hsv(*max(t.colours, key=max))[0] for t in things]

    def spread(angles):
        return abs(np.exp(2j * np.pi * np.array(angles)).mean())  # 1: all alike

    assert spread(hues("source")) > 0.9 and spread(hues("shifted")) < 0.2


@pytest.mark.parametrize(("radius", "pitch"), [(RADIUS[0], PITCH[0]), (RADIUS[1], PITCH[1])])
def test_size_sets_the_pitch(radius, pitch):
    for seed in range(5):
        sound = synth(np.random.default_rng(seed), CLASSES.index("disc-plain"), radius, 2.0)
        peak = np.abs(np.fft.rfft(sound)).argmax() / 2  # Hz
        assert peak == pytest.approx(pitch, rel=0.065)
        assert np.sqrt((sound**2).mean()) == pytest.approx(LEVEL, rel=1e-3)


def spectrum(name):
    sound = synth(np.random.default_rng(3), CLASSES.index(name), RADIUS[1], 4.0)
    power = np.abs(np.fft.rfft(sound)) ** 2
    base = power[: 4 * 300].argmax()

    def share(ratio):
        window = power[int(ratio * base * 0.97) : int(ratio * base * 1.03)]
        return window.sum() / power.sum()

    return share


def test_textures_are_timbres():
    plain, stripes, checker = (spectrum(f"disc-{t}") for t in ("plain", "stripes", "checker"))
    assert plain(1) > 0.97
    assert stripes(2) > 0.1 > checker(2) and checker(2.76) > 0.1 > stripes(2.76)
    twin = spectrum("square-checker")  # half-way between checker and stripes
    assert LOOKALIKES["square-checker"] == "square-stripes"
    assert stripes(2) > twin(2) > checker(2) and checker(2.76) > twin(2.76) > stripes(2.76)


@pytest.mark.parametrize(("shape", "rate"), [("square", 4), ("star", 8), ("ring", 7)])
def test_shapes_are_rhythms(shape, rate):
    for seed in range(3):
        sound = synth(np.random.default_rng(seed), CLASSES.index(f"{shape}-plain"), 20.0, 4.0)
        envelope = np.abs(sound).reshape(-1, 100).mean(1)  # 160 Hz
        beat = np.abs(np.fft.rfft(envelope - envelope.mean()))[4:80].argmax() / 4 + 1
        assert 0.84 * rate < beat < 1.16 * rate


@pytest.mark.parametrize(("style", "low", "high"), [("source", 15, 30), ("shifted", 3, 14)])
def test_noise_level(style, low, high):
    silence = np.zeros(RATE, np.float32)
    for seed in range(20):
        noise = mix(np.random.default_rng(seed), [silence], style)
        assert low - 0.1 < 20 * math.log10(LEVEL / np.sqrt((noise**2).mean())) < high + 0.1
