"""What stands in for data."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np


class Bench:
    """A workbench without data, whose clip sets have ten clips of a frame."""

    def __init__(self, params):
        self.params, self.fingerprints = params, self
        self.clip_sets = defaultdict(lambda: SimpleNamespace(frames=np.ones(10)))

    def model(self, model):
        return {}
