"""Parts that the self-supervised localisation methods share: trunks, augmentation, maps, guidance.

They learn from unlabelled clips which pictures go with which sounds, and localise by the cosine of
the sound's embedding with the picture's at each place. The map is brought to the picture's size and
its range to 0..1 picture by picture, as their codes do before they threshold. The logits are that,
shifted and scaled, so a probability of 0.5 is the middle of the range: AVIN's published rule, and
the meaning of the fixed rule for all five.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from baselines.configs._localiser import LocaliserConfig
from gavs.method import Batch, Encoders, Method, Prediction

ENLARGED = 1.1  # augmentation: a random crop of the picture enlarged by this
STEEPNESS = 12.0  # logits of the unit range, straight: a logit would blow its ends up


class ImageTrunk(nn.Module):
    """The pretrained ResNet-18: (N, 3, H, W) -> (N, channels, H / stride, W / stride)."""

    def __init__(self, encoders: Encoders, stride: Literal[16, 32]) -> None:
        super().__init__()
        self.backbone = encoders.backbone("resnet18")
        self.channels: int = self.backbone.channels[-1]
        if stride == 16:
            for module in self.backbone.net.layer4.modules():
                if isinstance(module, nn.Conv2d):
                    module.stride = (1, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.backbone(image)[-1]


def audio_trunk(
    blocks: Sequence[int], channels: Sequence[int], last_stride: Literal[1, 2] = 2
) -> nn.Sequential:
    """A ResNet from scratch, spectrograms (N, 1, 257, T) -> (N, channels[-1]) by their maximum.

    torchvision's ResNet-18 with one input channel if `blocks` are (2, 2, 2, 2) and `channels`
    (64, 128, 256, 512); the stem is as wide as the first stage, there and in narrower ones.
    `last_stride` is the last stage's.
    """
    width, strides = channels[0], (1, 2, 2, last_stride)
    layers: list[nn.Module] = [
        nn.Conv2d(1, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    for stage, (depth, planes) in enumerate(zip(blocks, channels, strict=True)):
        for block in range(depth):
            stride = strides[stage] if block == 0 else 1
            shortcut = None
            if stride > 1 or width != planes:
                conv = nn.Conv2d(width, planes, 1, stride, bias=False)
                shortcut = nn.Sequential(conv, nn.BatchNorm2d(planes))
            layers.append(BasicBlock(width, planes, stride, shortcut))
            width = planes
    trunk = initialise(nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()))
    return trunk.to(memory_format=torch.channels_last)  # faster on a CPU


def initialise(module: nn.Module) -> Any:
    """The module with the originals' initial weights, in place."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.Linear):
            nn.init.trunc_normal_(m.weight, std=0.01)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight, mean=1, std=0.02)
            nn.init.zeros_(m.bias)
    return module


def augment(image: Tensor) -> Tensor:
    """Random crops of the pictures enlarged by 1.1, half of them mirrored: (N, C, S, S) both ways.

    From torch's generator. The originals enlarge the stored frame, here the squashed one is.
    """
    n, share = len(image), 1 / ENLARGED
    offset = (2 * torch.rand(n, 2, device=image.device) - 1) * (1 - share)
    mirror = torch.randint(2, (n,), device=image.device) * 2 - 1
    window = torch.zeros(n, 2, 3, device=image.device)
    window[:, 0, 0], window[:, 1, 1], window[:, :, 2] = share * mirror, share, offset
    grid = F.affine_grid(window, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, "bicubic", "border", align_corners=False)


def cosines(seen: Tensor, heard: Tensor) -> Tensor:
    """Each picture's map for each sound, of unit vectors (N, C, h, w) and (M, C): (N, M, h, w).

    In full precision: a temperature of 0.03 makes a cosine's third digit count.
    """
    with torch.autocast(seen.device.type, enabled=False):
        return torch.einsum("nchw,mc->nmhw", seen.float(), heard.float())


def own_cosines(seen: Tensor, heard: Tensor) -> Tensor:
    """Each picture's map for its own sound, of unit vectors (N, C, h, w) and (N, C): (N, h, w)."""
    return (seen.float() * heard.float()[:, :, None, None]).sum(1)


def soft_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of maps (..., h, w) weighted by soft masks of that shape: (...)."""
    return (mask * values).sum((-2, -1)) / mask.sum((-2, -1))


def to_unit_range(maps: Tensor) -> Tensor:
    """Each map (N, S, S) from its minimum and maximum to 0 and 1; a constant map to 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-12)


def top_quarter(maps: Tensor) -> Tensor:
    """Mean of the largest quarter of each map (N, S, S): (N,)."""
    values = maps.flatten(1)
    return values.topk(values.shape[1] // 4, 1, sorted=False).values.mean(1)


class Localiser(Method):
    """Base of the five.

    Subclasses say how pictures and sounds are embedded (`embed`), which map that gives
    (`similarity`) and what is learned from it (`loss`).

    `Prediction.aux` has what `embed` returns and `confidence` (B, T): SLAVC's, the mean of the top
    quarter of the cosines' map brought from -1..1 to 0..1, low where nothing in view sounds. Object
    guidance doesn't change it.
    """

    Config = LocaliserConfig

    def __init__(self, config: LocaliserConfig, encoders: Encoders) -> None:
        super().__init__(config, encoders)
        self.target_size = config.image_size
        self.image = ImageTrunk(encoders, config.stride)
        if config.guidable:
            self.objects = ImageTrunk(encoders, config.stride).requires_grad_(False)

    def embed(self, image: Tensor, audio: Tensor) -> dict[str, Tensor]:
        """Pictures (N, 3, S, S) and `Batch.audio`'s (N, ...) -> embeddings by name."""
        raise NotImplementedError

    def similarity(self, aux: dict[str, Tensor]) -> Tensor:
        """Map of each picture for its own sound, cosines (N, h, w)."""
        return own_cosines(aux["seen"], aux["heard"])

    def guide(self, scores: Tensor, image: Tensor) -> Tensor:
        """Audio-visual scores (N, S, S), 0..1, mixed with `object_strength`: (N, S, S)."""
        raise NotImplementedError(f"{type(self).__name__} has no object-guided localisation")

    def object_strength(self, image: Tensor) -> Tensor:
        """Strength of the object network's features, (N, 3, S, S) -> (N, S, S)."""
        return self._enlarge(self.objects(image).float().abs().mean(1))

    def forward(self, batch: Batch) -> Prediction:
        image = batch.features["pixels"].flatten(0, 1)  # (N, 3, S, S)
        if self.training:
            image = augment(image)
        aux = self.embed(image, batch.audio.flatten(0, 1))
        with torch.no_grad():
            scores = self._enlarge((self.similarity(aux) + 1) / 2)  # (N, S, S)
            confidence = top_quarter(scores)
            if self.guided:
                scores = self.guide(scores, image)
            logits = STEEPNESS * (to_unit_range(scores) - 0.5)
        shape = batch.audio.shape[:2]
        aux["confidence"] = confidence.unflatten(0, shape)
        return Prediction(logits.unflatten(0, shape), aux)

    def _enlarge(self, maps: Tensor) -> Tensor:
        size = (self.target_size,) * 2
        return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]

    def train(self, mode: bool = True) -> "Localiser":
        super().train(mode)
        if self.config.guidable:
            self.objects.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        trunk = list(self.image.parameters())
        trunk_ids = {id(p) for p in trunk}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in trunk_ids]
        return [
            {"params": rest, "lr_scale": 1.0},
            {"params": trunk, "lr_scale": self.config.backbone_lr_scale},
        ]
