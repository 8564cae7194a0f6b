"""Sounds of the miniature world: the shape sets how a sound moves, the texture its timbre.

The size sets the pitch (small is high), so that two objects of one class differ by ear only in
pitch. All waveforms are float32 at 16 kHz; `LEVEL` is the RMS of one sounding object.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .scenes import CLASSES, LOOKALIKES, RADIUS

RATE = 16_000
LEVEL = 0.1
PITCH = (1500.0, 220.0)  # Hz at the smallest and the largest radius
SNR = {"source": (15.0, 30.0), "shifted": (3.0, 14.0), "pretrain": (3.0, 30.0)}  # dB
TRANSPOSE = {"source": 1.0, "shifted": 1.12}
_BELLS = ((1.0, 1.0), (2.76, 0.7), (5.4, 0.5), (8.9, 0.35))  # inharmonic (ratio, amplitude)
_GRAIN = 16  # samples that the noise is averaged over: about 500 Hz to either side of the pitch
_LAP = 50  # turns after which all of _BELLS' ratios are back at zero phase
_CEILING = 7_500.0  # VGGish's highest mel band; partials above it would be heard by no method


def pitch_of(radius: float) -> float:
    """Mean pitch in Hz of an object of a radius (log-log between the ends of RADIUS and PITCH)."""
    share = np.log(radius / RADIUS[0]) / np.log(RADIUS[1] / RADIUS[0])
    return float(PITCH[0] * (PITCH[1] / PITCH[0]) ** share)


def synth(
    rng: np.random.Generator,
    label: int,
    radius: float,
    seconds: float = 1.0,
    transpose: float = 1.0,
) -> np.ndarray:
    """Synthesise a class (index into CLASSES) and a size: (seconds * 16000,), RMS = LEVEL.

    `transpose` multiplies the pitch.
    """
    shape, texture = CLASSES[label].split("-")
    samples = round(seconds * RATE)
    t = np.arange(samples, dtype=np.float32) / RATE
    pitch = pitch_of(radius) * transpose * (1 + rng.uniform(-0.06, 0.06))
    bend, envelope = _movement(shape, t, rng.uniform(0.85, 1.15), rng.uniform())
    top = pitch * float(bend.max())
    phase = (2 * np.pi / RATE * pitch) * np.cumsum(bend, dtype=np.float64)
    phase = np.mod(phase + rng.uniform(0, 2 * np.pi), 2 * np.pi * _LAP).astype(np.float32)
    wave = _timbre(rng, texture, phase, top)
    if twin := LOOKALIKES.get(CLASSES[label]):
        wave = 0.5 * (wave + _timbre(rng, twin.split("-")[1], phase, top))
    wave *= envelope
    fade = min(160, samples // 2)
    edge = np.linspace(0, 1, fade, dtype=np.float32)
    wave[:fade] *= edge
    wave[samples - fade :] *= edge[::-1]
    return (wave * (LEVEL / np.sqrt(np.mean(wave**2)))).astype(np.float32)


def mix(rng: np.random.Generator, waves: list[np.ndarray], style: str = "source") -> np.ndarray:
    """Sum equally long sounds within 3 dB of each other, and the style's noise.

    The noise (white; pink-ish in "shifted", either in "pretrain") is relative to LEVEL, not to what
    sounds, so it goes on in silent seconds.
    """
    gains = 10 ** (rng.uniform(-1.5, 1.5, len(waves)) / 20)
    total = sum(np.float32(gain) * wave for gain, wave in zip(gains, waves, strict=True))
    noise = rng.standard_normal(len(waves[0]), np.float32)
    if style == "shifted" or (style == "pretrain" and rng.uniform() < 0.5):
        noise = np.convolve(noise, 0.85 ** np.arange(24, dtype=np.float32), mode="same")
    noise *= LEVEL / np.sqrt(np.mean(noise**2)) * 10 ** (-rng.uniform(*SNR[style]) / 20)
    return np.clip(total + noise, -1, 1).astype(np.float32)


def _movement(
    shape: str, t: np.ndarray, tempo: float, offset: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pitch factor and envelope over time of a shape."""
    steady = np.ones_like(t)
    match shape:
        case "disc":  # slow swell
            return steady, 0.25 + 0.75 * np.sin(np.pi * (tempo * t + offset)) ** 2
        case "square":  # 4 Hz gate
            gate = np.sin(2 * np.pi * (4 * tempo * t + offset))
            return steady, np.clip(0.5 + 6 * gate, 0, 1)
        case "triangle":  # repeated upward glide
            return 1 + 0.6 * ((2 * tempo * t + offset) % 1), steady
        case "star":  # 8 Hz plucks
            return steady, np.exp(-5 * ((8 * tempo * t + offset) % 1))
        case "plus":  # two-pitch siren
            return np.where((2 * tempo * t + offset) % 1 < 0.5, 1, 4 / 3), steady
        case "ring":  # 7 Hz vibrato and tremolo
            swing = np.sin(2 * np.pi * (7 * tempo * t + offset))
            return 1 + 0.05 * swing, 0.7 + 0.3 * swing
    raise ValueError(f"shape {shape!r} has no sound")


def _timbre(rng: np.random.Generator, texture: str, phase: np.ndarray, top: float) -> np.ndarray:
    """Waveform of about unit RMS; `top` is the highest instantaneous pitch in Hz."""
    partials: Sequence[tuple[float, float]]
    match texture:
        case "plain":
            partials = [(1.0, 1.0)]
        case "stripes":
            partials = [(float(k), 1 / k) for k in range(1, 8)]
        case "checker":
            partials = _BELLS
        case "dots":  # ring-modulated noise, narrow enough for its pitch to be followed
            noise = rng.standard_normal(len(phase) + _GRAIN, np.float32).cumsum(dtype=np.float64)
            return ((noise[_GRAIN:] - noise[:-_GRAIN]) * np.sin(phase)).astype(np.float32)
        case _:
            raise ValueError(f"texture {texture!r} has no sound")
    audible = [(ratio, amplitude) for ratio, amplitude in partials if ratio * top < _CEILING]
    wave: Any = sum(
        np.float32(amplitude) * np.sin(np.float32(r) * phase) for r, amplitude in audible
    )
    return wave * np.float32(np.sqrt(2 / sum(amplitude**2 for _, amplitude in audible)))
