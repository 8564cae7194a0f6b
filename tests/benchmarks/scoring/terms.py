"""Terms of scores that a test gives video by video."""

import numpy as np

from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.statistics import Difference, Interval, difference, interval, sample


def terms(values: np.ndarray, frames: np.ndarray | None = None) -> Terms:
    """One seed's scores: a mean per video, over so many frames."""
    values = np.asarray(values, float)
    frames = np.ones(len(values)) if frames is None else np.asarray(frames, float)
    video = np.array([f"v{i:03}" for i in range(len(values))])
    return Terms(video, values * frames, frames)


def mean(seeds: list[Terms]) -> Interval:
    return interval(sample(seeds))


def compare(a: list[Terms], b: list[Terms]) -> Difference:
    return difference(sample(a), sample(b))
