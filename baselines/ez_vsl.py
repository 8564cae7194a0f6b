"""EZ-VSL: Localizing Visual Sounds the Easy Way (Mo and Morgado, ECCV 2022).

After the paper and stoneMo/EZ-VSL: contrast of the best place of each picture for each sound, both
ways; object-guided localisation by a second, frozen trunk. Other than there: maps are enlarged
without aligning corners, as everywhere here; pictures are resized bilinearly (there bicubically);
sound is resampled to 16 kHz (there taken at the file's rate).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._localiser import (
    Localiser,
    audio_trunk,
    cosines,
    initialise,
    to_unit_range,
)
from baselines.configs.ez_vsl import EzVslConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


@METHODS.register_module(name="ez_vsl")
class EzVsl(Localiser):
    Config = EzVslConfig

    def __init__(self, config: EzVslConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.see = initialise(nn.Conv2d(self.image.channels, config.dim, 1))
        self.listen = audio_trunk(config.audio_blocks, config.audio_channels)
        self.hear = initialise(nn.Linear(config.audio_channels[-1], config.dim))

    def embed(self, image: Tensor, audio: Tensor) -> dict[str, Tensor]:
        return {
            "seen": F.normalize(self.see(self.image(image)), dim=1),  # (N, C, h, w)
            "heard": F.normalize(self.hear(self.listen(audio)), dim=1),  # (N, C)
        }

    def guide(self, scores: Tensor, image: Tensor) -> Tensor:
        alpha, objects = self.config.guidance_alpha, self.object_strength(image)
        return alpha * to_unit_range(scores) + (1 - alpha) * to_unit_range(objects)

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {"contrast": self.contrast(prediction, margin=0.0)}

    def contrast(self, prediction: Prediction, margin: float) -> Tensor:
        best = cosines(prediction.aux["seen"], prediction.aux["heard"]).amax((2, 3))  # (N, N)
        return margin_nce(best, self.config.temperature, margin)


def margin_nce(scores: Tensor, temperature: float, margin: float) -> Tensor:
    """Cross-entropy of the pairs on the diagonal of (N, N) scores, both ways, added.

    `margin` is taken off the pairs' scores before the temperature divides them.
    """
    logits = (scores - margin * torch.eye(len(scores), device=scores.device)) / temperature
    pairs = torch.arange(len(scores), device=scores.device)
    return F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)
