"""SLAVC: A Closer Look at Weakly-Supervised Audio-Visual Source Localization (Mo and Morgado,
NeurIPS 2022).

After the paper and stoneMo/SLAVC: EZ-VSL's trunks, strong dropout on the visual features, momentum
copies as targets, and two pairs of projections: which sound belongs to a place (softmax over
sounds) and which place to a sound (softmax over places). The map is the mean of both cosines, of
the trained encoders: the released test commands don't ask for the momentum ones.
Its test asks for 5 s of sound, which its loader doesn't pass on: it hears 3 s, as here. Its README
tests by the relative rule, half of the pixels: read the median rule here.
Other than there: maps are enlarged bilinearly, without aligning corners; pictures are resized
bilinearly (there bicubically); sound is resampled to 16 kHz (there taken at the file's rate).
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines._localiser import (
    Localiser,
    audio_trunk,
    cosines,
    initialise,
    own_cosines,
)
from baselines.configs.slavc import SlavcConfig
from gavs.method import METHODS, Batch, Encoders, Prediction

BRANCHES = ("instance", "place")


class Heads(nn.Module):
    """Dropout, then a projection to unit vectors for each branch."""

    def __init__(self, dropout: float, projections: list[nn.Module]) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.projections = nn.ModuleList(projections)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.dropout(x)
        return [F.normalize(project(x), dim=1) for project in self.projections]


@METHODS.register_module(name="slavc")
class Slavc(Localiser):
    Config = SlavcConfig

    def __init__(self, config: SlavcConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        channels, dim = self.image.channels, config.dim
        self.see = Heads(
            config.visual_dropout, [initialise(nn.Conv2d(channels, dim, 1)) for _ in BRANCHES]
        )
        self.listen = audio_trunk(config.audio_blocks, config.audio_channels)
        channels = config.audio_channels[-1]
        self.hear = Heads(
            config.audio_dropout, [initialise(nn.Linear(channels, dim)) for _ in BRANCHES]
        )
        self.slow_eye, self.slow_ear = (momentum_copy(net) for net in self._trained())

    def _trained(self) -> tuple[nn.Sequential, nn.Sequential]:
        return nn.Sequential(self.image, self.see), nn.Sequential(self.listen, self.hear)

    def embed(self, image: Tensor, audio: Tensor) -> dict[str, Tensor]:
        eye, ear = self._trained()
        embedded = {"seen": eye(image), "heard": ear(audio)}
        with torch.no_grad():
            embedded |= {"seen target": self.slow_eye(image), "heard target": self.slow_ear(audio)}
        return {
            f"{side} {branch}": x
            for side, pair in embedded.items()
            for branch, x in zip(BRANCHES, pair, strict=True)
        }

    def similarity(self, aux: dict[str, Tensor]) -> Tensor:
        maps = [own_cosines(aux[f"seen {b}"], aux[f"heard {b}"]) for b in BRANCHES]
        return torch.stack(maps).mean(0)

    def guide(self, scores: Tensor, image: Tensor) -> Tensor:
        alpha, objects = self.config.guidance_alpha, self.object_strength(image)
        return alpha * scores + (1 - alpha) * objects / self.config.object_range

    def loss(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        return {
            "image_to_audio": self._contrast(prediction.aux, "seen", "heard target"),
            "audio_to_image": self._contrast(prediction.aux, "seen target", "heard"),
        }

    def _contrast(self, aux: dict[str, Tensor], seen: str, heard: str) -> Tensor:
        by_instance, by_place = (
            cosines(aux[f"{seen} {b}"], aux[f"{heard} {b}"]).flatten(2) / self.config.temperature
            for b in BRANCHES
        )
        return joint_nce(by_instance, by_place)

    def after_step(self) -> None:
        for slow, net in zip((self.slow_eye, self.slow_ear), self._trained(), strict=True):
            follow(slow, net, self.config.momentum)


def joint_nce(by_instance: Tensor, by_place: Tensor) -> Tensor:
    """Cross-entropy of the pairs, each scored by how far a place and a sound pick each other.

    Args:
        by_instance, by_place: logits of pictures, sounds and places, (N, N, P); the first compete
            among the sounds, the second among the places.
    """
    both = by_instance.log_softmax(1) + by_place.log_softmax(2)
    scores = both.logsumexp(2)  # (N, N), the log of the sum of the products
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def momentum_copy(module: nn.Module) -> nn.Module:
    """A copy without parameters: its weights are buffers, that no optimiser sees and checkpoints
    keep."""
    twin = copy.deepcopy(module)
    for part in twin.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach().clone())
    return twin


@torch.no_grad()
def follow(twin: nn.Module, module: nn.Module, momentum: float) -> None:
    """Move the copy's weights towards the module's; its batch statistics are its own."""
    buffers = dict(twin.named_buffers())
    for name, parameter in module.named_parameters():
        buffers[name].lerp_(parameter, 1 - momentum)
