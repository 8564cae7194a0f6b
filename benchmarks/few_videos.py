"""Batches of a training set of few videos: each goes round them.

Contrast needs four videos in a batch (gavs/losses.py), and a tenth of the miniature's V2 has four
to six in all: of batches drawn at random, now and then one would hold three and stop the training.
"""

import numpy as np
import pandas as pd

from benchmarks.training.clips import ClipSet
from gavs.losses import MIN_VIDEOS

FEW = 2 * MIN_VIDEOS  # sets of fewer videos are few


class FewVideos(ClipSet):
    """A clip set whose batches take the videos in turn, as long as each has a sample left."""

    def epoch(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        plan = []
        for group in self._groups():
            shuffled = rng.permutation(group)
            video = pd.Series(self.videos[[self.samples[n][0] for n in shuffled]])
            turn = video.groupby(video).cumcount()
            ordered = shuffled[np.argsort(turn, kind="stable")]
            n = min(size, len(ordered))
            plan += [ordered[i : i + n] for i in range(0, len(ordered) - n + 1, n)]
        return [plan[i] for i in rng.permutation(len(plan))]
