"""HardWay, also LVS: Localizing Visual Sounds the Hard Way (Chen et al., CVPR 2021).

After the paper and hche11/Localizing-Visual-Sounds-the-Hard-Way, whose release has the model and
the test but no training: no projections, a map of stride 16, contrast of soft-masked means with a
tri-map, the places that a clip's own sound leaves dark as hard negatives; one kind of ResNet for
pictures and sounds, whose last stage has stride 1.
Other than there: pictures are squashed to a square, bilinearly (there bicubically, by their short
side, and the middle of them is taken, while the boxes stay the whole frame's); the image trunk
starts pretrained (the paper; in the release that flag does nothing and a checkpoint replaces it);
3 s of audio (in the paper's training; the released test reads 10 s); the pair itself is no negative
(released: its mean times -99, the same in effect).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines._localiser import Localiser, audio_trunk, cosines, soft_mean
from baselines.configs.hardway import HardWayConfig
from gavs.method import METHODS, Batch, Encoders, Prediction


@METHODS.register_module(name="hardway")
class HardWay(Localiser):
    Config = HardWayConfig

    def __init__(self, config: HardWayConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        if config.audio_channels[-1] != self.image.channels:
            raise ValueError(
                f"audio_channels ends with {config.audio_channels[-1]}, expected the image trunk's "
                f"{self.image.channels}: HardWay has no projections"
            )
        # One ResNet there for pictures and sounds: layer 4 of both has stride 1.
        self.listen = audio_trunk(
            config.audio_blocks, config.audio_channels, 1 if config.stride == 16 else 2
        )

    def embed(self, image: Tensor, audio: Tensor) -> dict[str, Tensor]:
        return {
            "seen": F.normalize(self.image(image), dim=1),  # (N, C, h, w)
            "heard": F.normalize(self.listen(audio), dim=1),  # (N, C)
        }

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        maps = cosines(prediction.aux["seen"], prediction.aux["heard"])
        return {"contrast": tri_map_nce(maps, self.config)}


def tri_map_nce(maps: Tensor, config: HardWayConfig) -> Tensor:
    """The loss from each picture's maps for each sound, (N, N, h, w)."""
    matching = maps.diagonal().movedim(-1, 0)  # (N, h, w)
    means = soft_mean(maps, torch.sigmoid((maps - config.positive) / config.softness))  # (N, N)
    # 1 - sigmoid(x), without rounding to 0 / 0 where all of the map is bright
    hard = soft_mean(
        matching, torch.sigmoid((config.negative - matching) / config.softness)
    )  # (N,)
    logits = torch.cat([means, hard[:, None]], 1) / config.temperature
    return F.cross_entropy(logits, torch.arange(len(maps), device=maps.device))
