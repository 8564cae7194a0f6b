"""Pretraining of the small VGGish on class tags of synthetic sounds; the original had YouTube-8M's.

Trained with batch norm after each convolution, without which it does not learn; the norms are then
folded into the convolutions, so that the file holds the plain VGGish topology.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.miniature.pretrain.common import HELD_OUT, PretrainConfig, fit, write_half
from benchmarks.miniature.scenes import CLASSES, RADIUS
from benchmarks.miniature.sounds import mix, synth
from gavs.vggish import AUDIO_DIM, SAMPLE_RATE, VGGish, build_vggish, log_mel

SOURCES = (0.05, 0.60, 0.35)  # share of examples with 0, 1 and 2 sounding classes
HELD_OUT_SOUNDS = 1_200
CONFIG = PretrainConfig(pool=14_000, steps=2_600, batch=32, lr=1.5e-3)


@dataclass(frozen=True)
class Sounds:
    """Mixtures of sounds of one second."""

    log_mel: Tensor  # (P, 96, 64)
    tags: Tensor  # (P, 24) float


def make_sounds(count: int, seed: int) -> Sounds:
    """Make `count` examples of a second cut from two, each a function of (seed, index)."""
    waves = np.empty((count, SAMPLE_RATE), np.float32)
    tags = torch.zeros(count, len(CLASSES))
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        labels = rng.permutation(len(CLASSES))[: rng.choice(3, p=SOURCES)].tolist()
        low, high = np.log(RADIUS)
        radii = np.exp(rng.uniform(low, high, len(labels))).tolist()
        waveforms = [synth(rng, *pair, seconds=2.0) for pair in zip(labels, radii, strict=True)]
        start = int(rng.integers(SAMPLE_RATE + 1))
        pieces = [wave[start : start + SAMPLE_RATE] for wave in waveforms]
        waves[i] = mix(rng, pieces or [np.zeros(SAMPLE_RATE, np.float32)], "pretrain")
        tags[i, labels] = 1.0
    batches = torch.from_numpy(waves).split(256)
    return Sounds(torch.cat([log_mel(batch, 1.0, 1)[:, 0] for batch in batches]), tags)


def with_batch_norm(model: VGGish) -> VGGish:
    """Copy a model whose convolutions are each followed by a batch norm, freshly initialised."""
    model = copy.deepcopy(model)
    layers: list[nn.Module] = []
    for layer in model.features:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            layers.append(nn.BatchNorm2d(layer.out_channels))
    model.features = nn.Sequential(*layers)
    return model


def fold_batch_norm(model: VGGish) -> VGGish:
    """Invert `with_batch_norm`: a plain copy with the same output in eval mode."""
    model = copy.deepcopy(model)
    layers: list[Any] = []
    layer: Any
    for layer in model.features:
        if isinstance(layer, nn.BatchNorm2d):
            mean, variance = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
            scale = layer.weight.data / torch.sqrt(variance + layer.eps)
            conv = layers[-1]
            conv.weight.data *= scale[:, None, None, None]
            conv.bias.data = layer.bias.data + scale * (conv.bias.data - mean)
        else:
            layers.append(layer)
    model.features = nn.Sequential(*layers)
    return model


class SoundTagger(nn.Module):
    """VGGish with its last ReLU and a linear classifier that is dropped afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = with_batch_norm(VGGish("mini"))
        self.head = nn.Linear(AUDIO_DIM, len(CLASSES))

    def forward(self, log_mel: Tensor) -> Tensor:
        return self.head(F.relu(self.encoder(log_mel)))  # (N, 24) logits


def tag_figures(logits: Tensor, tags: Tensor) -> dict[str, float]:
    """Mean average precision; top-1 accuracy on one source; recall in the top two on two."""
    many = tags.sum(1)
    top = logits.topk(2).indices
    hits = tags.gather(1, top)  # (N, 2)
    return {
        "map": float(average_precision_score(tags, logits)),
        "single_top1": float(hits[many == 1, 0].mean()),
        "mixture_recall": float(hits[many == 2].mean()),
    }


def pretrain(out: Path, config: PretrainConfig = CONFIG) -> dict[str, float]:
    """Train the small VGGish into `out`; returns its figures on held-out sounds."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    pool = make_sounds(config.pool, config.seed)
    model = SoundTagger()

    def loss(index: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(model(pool.log_mel[index]), pool.tags[index])

    fit("vggish", model, loss, config, generator)
    plain = fold_batch_norm(model.encoder)
    write_half(out, plain.state_dict())
    return evaluate(out, model.head, config.seed + HELD_OUT)


@torch.inference_mode()
def evaluate(weights: Path, head: nn.Module, seed: int) -> dict[str, float]:
    """Measure the file as written, on sounds never trained on."""
    held_out = make_sounds(HELD_OUT_SOUNDS, seed)
    encoder = build_vggish("mini", weights)
    logits = torch.cat([head(F.relu(encoder(x))) for x in held_out.log_mel.split(100)])
    return tag_figures(logits, held_out.tags)
