"""Styles of the miniature world and the backgrounds drawn in them.

Lengths are in pixels of a 128 x 128 frame whatever the size rendered.
"""

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image

EXTENT = 128.0


@dataclass(frozen=True)
class Style:
    """Ranges that a look is drawn from; `hue` is the half-width around the class's mean hue."""

    backgrounds: tuple[str, ...]
    noise: tuple[float, float]
    blur: tuple[float, float]
    lines: tuple[int, int]
    hue: float


STYLES = {
    "source": Style(("flat", "gradient", "blobs"), (1, 4), (0.0, 0.4), (0, 2), 0.10),
    "shifted": Style(("pink", "bars"), (5, 14), (0.4, 1.0), (3, 8), 0.5),
    "pretrain": Style(
        ("flat", "gradient", "blobs", "pink", "bars", "tiles"), (0, 14), (0.0, 1.0), (0, 8), 0.5
    ),
}


def grid(size: int) -> np.ndarray:
    """Centres (S,) of the pixels of a row."""
    return (np.arange(size, dtype=np.float32) + 0.5) * np.float32(EXTENT / size)


def random_background(rng: np.random.Generator, style: str, size: int = 128) -> np.ndarray:
    """Draw a background of a style, (S, S, 3) float32, with its clutter of thin lines."""
    ranges = STYLES[style]
    kind = ranges.backgrounds[rng.integers(len(ranges.backgrounds))]
    first, second = (
        255 * np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0, 0.45), value), np.float32)
        for value in np.clip(rng.uniform(0.2, 0.85) + np.array([0, rng.uniform(-0.3, 0.3)]), 0, 1)
    )
    v, u = np.meshgrid(*2 * [grid(size)], indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (u / EXTENT - 0.5) + np.sin(angle) * (v / EXTENT - 0.5)
    match kind:
        case "flat":
            share = np.zeros_like(u)
        case "gradient":
            share = 0.5 + 0.7 * ramp
        case "blobs":
            cells = int(rng.integers(4, 10))
            share = _enlarge(rng.uniform(0, 1, (cells, cells)), size, Image.Resampling.BICUBIC)
        case "tiles":
            cells = int(rng.integers(4, 12))
            share = _enlarge(rng.uniform(0, 1, (cells, cells)), size, Image.Resampling.NEAREST)
        case "bars":
            share = 0.5 + 0.5 * np.sin(ramp * 2 * np.pi * rng.uniform(4, 12))
        case "pink":
            frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
            spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / (frequency + 0.5 / size)
            field = np.fft.irfft2(spectrum, s=(size, size))
            share = 0.5 + 0.25 * (field - field.mean()) / field.std()
    image = first + np.clip(share, 0, 1).astype(np.float32)[..., None] * (second - first)
    for _ in range(rng.integers(ranges.lines[0], ranges.lines[1] + 1)):
        colour = 255 * np.array(
            colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.1, 0.8), rng.uniform(0.15, 0.9)),
            np.float32,
        )
        x, y, direction = rng.uniform(0, EXTENT), rng.uniform(0, EXTENT), rng.uniform(0, np.pi)
        along = np.cos(direction) * (u - x) + np.sin(direction) * (v - y)
        across = np.cos(direction) * (v - y) - np.sin(direction) * (u - x)
        distance = np.maximum(
            np.abs(along) - rng.uniform(10, 45), np.abs(across) - rng.uniform(0.4, 1.8)
        )
        image += np.clip(0.5 - distance, 0, 1)[..., None] * (colour - image)
    return image


def _enlarge(cells: np.ndarray, size: int, resample: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(cells.astype(np.float32)).resize((size, size), resample))
