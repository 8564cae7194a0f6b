"""Pictures of the miniature world: textured shapes, furniture and backgrounds, rendered with masks.

A class is a shape with a texture (24 of them). Lengths are in pixels of a 128 x 128 frame whatever
the size rendered, velocities in such pixels per second. Everything is drawn from the generator that
the caller hands over, so a scene is a function of its seed.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from .backgrounds import EXTENT, STYLES, grid, random_background

SHAPES = ("disc", "square", "triangle", "star", "plus", "ring")
TEXTURES = ("plain", "stripes", "checker", "dots")
CLASSES = tuple(f"{shape}-{texture}" for shape in SHAPES for texture in TEXTURES)
FURNITURE = ("slab", "table", "wedge")  # silent kinds: no class, no mask, no sound
KINDS = CLASSES + FURNITURE

# The first of each pair is half way to the second in texture and timbre and shares its mean hue.
LOOKALIKES = {
    "square-checker": "square-stripes",
    "triangle-checker": "triangle-stripes",
    "ring-dots": "ring-plain",
}
RADIUS = (11.0, 26.0)  # of AVSBench's part; the pitch of a sound is a function of it
NEAR = (11.0, 64.0)  # of the largest object where the camera is near: VGG-SS, VGG-Sound


@dataclass(frozen=True)
class Thing:
    """One object or piece of furniture."""

    kind: int  # index into KINDS
    radius: float
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]  # RGB 0..255
    angle: float
    aspect: float
    grain: tuple[float, float, float, float]  # texture angle, period, offsets
    x: float = EXTENT / 2
    y: float = EXTENT / 2
    vx: float = 0.0
    vy: float = 0.0

    @property
    def label(self) -> int:
        """Class (index into CLASSES), -1 for furniture."""
        return self.kind if self.kind < len(CLASSES) else -1

    def at(self, second: float) -> tuple[float, float]:
        """Position (x, y) at a time."""
        return self.x + self.vx * second, self.y + self.vy * second


@dataclass(frozen=True)
class Frame:
    """Picture of a scene at one time, and what is seen at each pixel."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    owner: np.ndarray  # (S, S) int8, index into the scene's things of what is seen, -1 background
    things: tuple[Thing, ...]

    @property
    def visible(self) -> np.ndarray:
        """Visible pixels of each thing, (N, S, S) bool, in the order of `things`."""
        return self.owner == np.arange(len(self.things), dtype=np.int8)[:, None, None]

    @property
    def labels(self) -> np.ndarray:
        """Class of each pixel, (S, S) int8, -1 on background and furniture."""
        return np.array([t.label for t in self.things] + [-1], np.int8)[self.owner]


@dataclass(frozen=True)
class Scene:
    """Background with things in front of it, back to front; the same look in every frame."""

    background: np.ndarray  # (S, S, 3) float32 0..255
    things: tuple[Thing, ...]
    blur: float = 0.0
    noise: float = 0.0

    def frame(self, rng: np.random.Generator, second: float = 0.0) -> Frame:
        """Render the scene at a time; `rng` draws the sensor noise only."""
        image = self.background.copy()
        size = len(image)
        owner = np.full((size, size), -1, np.int8)
        for index, thing in enumerate(self.things):
            window, alpha, colour = _stamp(thing, *thing.at(second), size)
            image[window] += alpha[..., None] * (colour - image[window])
            owner[window][alpha > 0.5] = index
        if self.blur > 0.3:  # narrower than that it changes nothing
            image = gaussian_filter(image, (self.blur * size / EXTENT,) * 2, axes=(0, 1))
        image += np.float32(self.noise) * rng.standard_normal(image.shape, np.float32)
        return Frame(np.clip(image + 0.5, 0, 255).astype(np.uint8), owner, self.things)


def random_scene(
    rng: np.random.Generator,
    style: str = "source",
    n_objects: int | None = None,
    labels: Sequence[int] | None = None,
    furniture: int | None = None,
    seconds: float = 0.0,
    size: int = 128,
    near: bool = False,
) -> Scene:
    """Draw a scene in a style: 1-5 objects of all classes in front of 0-2 pieces of furniture.

    `labels` (indices into CLASSES) or `n_objects` fix the objects, `seconds` is how long their
    linear motion must keep them in view. Radii are of RADIUS, if `near` uniform in NEAR; then they
    shrink until they fit.
    """
    if labels is None:
        count = int(rng.integers(1, 6)) if n_objects is None else n_objects
        labels = rng.integers(len(CLASSES), size=count).tolist()
    count = int(rng.integers(0, 3)) if furniture is None else furniture
    silent = [random_thing(rng, len(CLASSES) + int(rng.integers(3)), style) for _ in range(count)]
    drawn = [random_thing(rng, label, style) for label in labels]
    if near:
        drawn = [replace(thing, radius=float(rng.uniform(*NEAR))) for thing in drawn]
    objects = place(rng, drawn, seconds)
    ranges = STYLES[style]
    return Scene(
        random_background(rng, style, size),
        (*(scatter(rng, thing) for thing in silent), *objects),
        float(rng.uniform(*ranges.blur)),
        float(rng.uniform(*ranges.noise)),
    )


def random_thing(rng: np.random.Generator, kind: int, style: str) -> Thing:
    """Draw size and look of a thing of a kind (index into KINDS); it is not placed yet."""
    if kind < len(CLASSES):
        twin = CLASSES.index(LOOKALIKES.get(CLASSES[kind], CLASSES[kind]))
        mean = twin * 7 % len(CLASSES) / len(CLASSES)  # neighbours in CLASSES are far apart in hue
        spread = STYLES[style].hue
        first = (mean + rng.uniform(-spread, spread), rng.uniform(0.4, 1), rng.uniform(0.5, 1))
        second = (first[0] + rng.uniform(-0.15, 0.15), rng.uniform(0.2, 1), rng.uniform(0.05, 0.3))
    else:
        first = (rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.8))
        second = (first[0], first[1], first[2] * 0.8)
    colours = [first, second] if rng.uniform() < 0.5 else [second, first]
    if KINDS[kind].endswith("plain") or kind >= len(CLASSES):
        colours = [first, second]
    (low, high), period = RADIUS, rng.uniform(5.0, 8.0)
    rgb: Any = tuple(tuple(255 * c for c in colorsys.hsv_to_rgb(*hsv)) for hsv in colours)
    return Thing(
        kind=kind,
        radius=float(low * (high / low) ** rng.uniform()),
        colours=rgb,
        angle=float(rng.uniform(0, 2 * np.pi)),
        aspect=float(rng.uniform(0.88, 1.12)),
        grain=(float(rng.uniform(0, np.pi)), float(period), *rng.uniform(0, 8, 2).tolist()),
    )


def scatter(rng: np.random.Generator, thing: Thing) -> Thing:
    """Put a thing anywhere in the frame, at rest."""
    return replace(thing, x=float(rng.uniform(0, EXTENT)), y=float(rng.uniform(0, EXTENT)))


def place(rng: np.random.Generator, things: Sequence[Thing], seconds: float = 0.0) -> list[Thing]:
    """Give things positions and slow linear motion so that they stay in view and barely overlap.

    Where they don't fit they all shrink by a tenth, so their order by size stays.
    """
    things = list(things)
    while True:
        for _ in range(20):
            if (placed := _try_place(rng, things, seconds)) is not None:
                return placed
        things = [replace(thing, radius=0.9 * thing.radius) for thing in things]


def _try_place(rng, things: list[Thing], seconds: float) -> list[Thing] | None:
    """Place each thing with 12 tries; None where one fits nowhere."""
    placed = list(things)
    paths: list[tuple[np.ndarray, float]] = []
    for index in rng.permutation(len(things)):  # the first placed would be the most central
        thing = things[index]
        margin = 0.75 * thing.radius
        for _ in range(12):
            start = rng.uniform(margin, EXTENT - margin, 2)
            heading, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2)
            velocity = speed * np.array([np.cos(heading), np.sin(heading)])
            path = start + velocity * np.array([[0.0], [0.5], [1.0]]) * seconds  # (3, 2)
            inside = (path[-1] > margin).all() and (path[-1] < EXTENT - margin).all()
            apart = all(
                (np.hypot(*(path - other).T) > 0.9 * (thing.radius + radius)).all()
                for other, radius in paths
            )
            if inside and apart:
                break
        else:
            return None
        (x, y), (vx, vy) = start.tolist(), velocity.tolist()
        placed[index] = replace(thing, x=x, y=y, vx=vx, vy=vy)
        paths.append((path, thing.radius))
    return placed


def _stamp(thing: Thing, x: float, y: float, size: int) -> tuple[tuple, np.ndarray, np.ndarray]:
    """Draw a thing at (x, y): window of the frame, coverage (h, w), colour (h, w, 3)."""
    centres, reach = grid(size), 1.35 * thing.radius
    rows = slice(*np.searchsorted(centres, (y - reach, y + reach)))
    cols = slice(*np.searchsorted(centres, (x - reach, x + reach)))
    dx, dy = centres[cols][None, :] - np.float32(x), centres[rows][:, None] - np.float32(y)
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    distance = thing.radius * _outline(
        thing.kind, u / (thing.radius * thing.aspect), v * (thing.aspect / thing.radius)
    )
    alpha = np.clip(0.5 - distance * (size / EXTENT), 0, 1)
    first, second = np.array(thing.colours, np.float32)
    return (rows, cols), alpha, first + _pattern(thing, u, v)[..., None] * (second - first)


def _outline(kind: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the shape's edge where its radius is 1, negative inside."""
    shape = KINDS[kind].split("-")[0]
    match shape:
        case "disc":
            return np.hypot(u, v) - 0.95
        case "ring":
            return np.abs(np.hypot(u, v) - 0.73) - 0.29
        case "square":
            return np.maximum(np.abs(u), np.abs(v)) - 0.85
        case "triangle":
            return np.maximum(v, np.float32(0.866) * np.abs(u) - 0.5 * v) - 0.6
        case "plus":
            a, b = np.abs(u), np.abs(v)
            return np.maximum(np.minimum(a, b) - 0.36, np.maximum(a, b) - 1.0)
        case "star":
            fold = np.float32(2 * np.pi / 5)
            turn = np.abs((np.arctan2(v, u) + fold / 2) % fold - fold / 2)  # 0 at a tip
            r, tip, notch = np.hypot(u, v), 1.2, 0.55
            edge = np.array([notch * np.cos(np.pi / 5) - tip, notch * np.sin(np.pi / 5)])
            normal = np.array([edge[1], -edge[0]], np.float32) / np.float32(np.hypot(*edge))
            return (r * np.cos(turn) - tip) * normal[0] + r * np.sin(turn) * normal[1]
        case "slab":
            return np.maximum(np.abs(u) - 1.3, np.abs(v) - 0.3)
        case "table":
            top = np.maximum(np.abs(u) - 1.05, np.abs(v + 0.6) - 0.2)
            legs = np.maximum(np.abs(np.abs(u) - 0.8) - 0.18, np.abs(v) - 0.8)
            return np.minimum(top, legs)
        case "wedge":
            return np.maximum(np.hypot(u, v + 0.4) - 1.1, -(v + 0.4))
    raise ValueError(f"shape {shape!r} is not one of {SHAPES + FURNITURE}")


def _pattern(thing: Thing, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Share of the second colour, (h, w), 0..1."""
    angle, period, du, dv = thing.grain
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    step = np.float32(2 * np.pi / period)
    a, b = step * (cos * u + sin * v + np.float32(du)), step * (cos * v - sin * u + np.float32(dv))
    name = KINDS[thing.kind]
    textures = [kind.partition("-")[2] for kind in (name, LOOKALIKES.get(name)) if kind]
    shares = []
    for texture in textures:
        match texture:
            case "stripes":
                wave = 1.5 * np.sin(a)
            case "checker":
                wave = 2.5 * np.sin(0.6 * a) * np.sin(0.6 * b)
            case "dots":
                wave = 1.5 * (np.cos(0.8 * a) + np.cos(0.8 * b) - 0.5)
            case _:  # plain, furniture: faint shading
                wave = (cos * u + sin * v) * np.float32(0.15 / thing.radius) - 0.35
        shares.append(np.clip(0.5 + wave, 0, 1))
    total: Any = sum(shares)
    return total / np.float32(len(shares))
