"""Pretraining of the small encoders of the miniature world; outside the default pipeline.

The weights in git were made by `run`. Rebuilt ones are another version of the benchmark, since
every figure depends on them.
"""

from benchmarks.miniature.pretrain.common import PretrainConfig
from benchmarks.miniature.pretrain.run import CONFIGS, pretrain, run
from benchmarks.miniature.pretrain.weights import adopt, verify

__all__ = ["CONFIGS", "PretrainConfig", "adopt", "pretrain", "run", "verify"]
