"""AVIN: Induction Network, audio-visual modality gap-bridging (Liu et al., ACM MM 2023), AVIN-RN.

After the paper and Tahy1/AVIN: the picture's mean feature, its induction vector, learns by adaptive
soft masks to stand out from the background and from other pictures; the audio learns to be near it,
and no gradient of that reaches the picture's side. No object guidance.
Other than there: the frozen audio network is the suite's VGGish over the frame's second, before its
last ReLU (theirs: PANNs' ResNet22 over the segment); the enlarged picture is 1.1 times the crop
(theirs: 256 to 224, 1.14).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._localiser import Localiser, cosines, soft_mean
from baselines.configs.avin import AvinConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


@METHODS.register_module(name="avin")
class Avin(Localiser):
    Config = AvinConfig

    def __init__(self, config: AvinConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.see = nn.Conv2d(self.image.channels, config.dim, 1, bias=False)
        self.hear = nn.Sequential(
            nn.Linear(encoders.audio_dim, config.dim, bias=False),
            nn.ReLU(),
            nn.Linear(config.dim, config.dim, bias=False),
        )

    def embed(self, image: Tensor, audio: Tensor) -> dict[str, Tensor]:
        seen, raw = self.see(self.image(image)), self.hear(audio)  # (N, C, h, w), (N, C)
        return {
            "seen": F.normalize(seen, dim=1),
            "heard": F.normalize(raw, dim=1),
            "heard raw": raw,
            "induction": seen.mean((2, 3)),  # (N, C)
        }

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        aux = prediction.aux
        maps = cosines(aux["seen"], F.normalize(aux["induction"], dim=1))
        return {
            "visual": induction_nce(maps, self.config),
            "audio": distance_loss(
                aux["induction"].detach(), aux["heard raw"], self.config.distance_margin
            ),
        }


def induction_nce(maps: Tensor, config: AvinConfig) -> Tensor:
    """Weighted contrast of pictures and induction vectors, from cosines (N, N, h, w).

    The brightest and the darkest shares of each map, softly, are what an induction vector means and
    what it doesn't: both of every other pair, and the dark places of its own, are negatives.
    """
    places = maps.flatten(2)  # (N, N, h * w)
    ordered = places.sort(2).values
    brightest = max(1, int(places.shape[2] * config.positive_share))
    darkest = max(1, int(places.shape[2] * config.negative_share))
    above = ordered[..., -brightest, None, None]
    below = ordered[..., darkest - 1, None, None]
    bright = soft_mean(maps, torch.sigmoid((maps - above) / config.softness))  # (N, N)
    dark = soft_mean(maps, torch.sigmoid((below - maps) / config.softness))
    pairs = torch.arange(len(maps), device=maps.device)
    by_picture, by_vector = torch.cat([bright, dark], 1), torch.cat([bright.T, dark.T], 1)
    return (
        F.cross_entropy(by_picture / config.temperature, pairs)
        + F.cross_entropy(by_vector / config.temperature, pairs)
    ) / 2


def distance_loss(induction: Tensor, heard: Tensor, margin: float) -> Tensor:
    """Sounds (N, C) near to their pictures' induction vectors (N, C), hinged by row and by column.

    A sound is drawn to other pictures as far as they look like its own, and pushed away from those
    that look the opposite.
    """
    squared = (induction.float()[:, None] - heard.float()).square().sum(2)  # (N, N)
    unit = F.normalize(induction.float(), dim=1)
    others = (unit @ unit.T) / max(1, len(unit) - 1)
    weights = others.fill_diagonal_(1)
    weighted = weights * squared
    return ((weighted.sum(1) + margin).relu().mean() + (weighted.sum(0) + margin).relu().mean()) / 2
