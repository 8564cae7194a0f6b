"""Parts that the pretrainings share: parameters, scenes, the training loop, weight files."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn

from benchmarks.common.files import write_atomic
from benchmarks.miniature.scenes import CLASSES, random_scene
from gavs.configs import Config

log = getLogger(__name__)

SIZE = 96  # pixels of an encoder's input; scenes are rendered at 128
HELD_OUT = 1_000_003  # added to the seed of what is never trained on
NEAR = 0.5  # share of the scenes with a near camera, where few large objects fit
NEAR_OBJECTS = 3
LEAST_AREA = 40  # visible pixels (of 128 x 128) below which a thing is neither prompted nor tagged


class PretrainConfig(Config):
    """Parameters of one pretraining; ours, the least that reach the figures of results/."""

    seed: int = 0
    pool: int  # scenes or sounds made once, then drawn with flips and rotations or as they are
    steps: int
    batch: int
    lr: float  # peak of a one-cycle schedule
    weight_decay: float = 0.01
    semantic_weight: float = 0.0  # SAM only: weight of the shape and texture head
    bfloat16: bool = False  # encoder passes under autocast: 1.6 times faster with AVX-512 BF16


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes of the style "pretrain": all classes, every look, hue tells nothing."""

    images: Tensor  # (P, 3, 96, 96) uint8 RGB
    owner: Tensor  # (P, 128, 128) int8: index of the thing seen at a pixel, -1 background
    labels: Tensor  # (P, K) class of each thing; -1 furniture, -2 no such thing
    area: Tensor  # (P, K) visible pixels

    @property
    def tags(self) -> Tensor:
        """Tags (P, 24) float: 1 for each class of which an object is visible."""
        visible = (self.labels >= 0) & (self.area >= LEAST_AREA)
        tags = torch.zeros(len(self.labels), len(CLASSES) + 1)
        return tags.scatter_(1, torch.where(visible, self.labels, len(CLASSES)), 1.0)[:, :-1]


def render_scenes(count: int, seed: int, most_objects: int = 5) -> Scenes:
    """Render `count` scenes of 1 to `most_objects` objects, each a function of (seed, index).

    Half of them have AVSBench's sizes; in the rest up to three objects are as large as VGG-SS's.
    """
    images = torch.empty(count, 3, SIZE, SIZE, dtype=torch.uint8)
    owner = torch.empty(count, 128, 128, dtype=torch.int8)
    labels = torch.full((count, 7), -2)
    area = torch.zeros(count, 7)
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        near = bool(rng.uniform() < NEAR)
        n_objects = int(
            rng.integers(1, (min(NEAR_OBJECTS, most_objects) if near else most_objects) + 1)
        )
        frame = random_scene(rng, "pretrain", n_objects, near=near).frame(rng)
        small = Image.fromarray(frame.image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        images[i] = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        owner[i] = torch.from_numpy(frame.owner)
        labels[i, : len(frame.things)] = torch.tensor([thing.label for thing in frame.things])
        area[i, : len(frame.things)] = torch.from_numpy(frame.visible.sum((1, 2))).float()
    return Scenes(images, owner, labels, area)


def turned(maps: Tensor, turns: Tensor) -> Tensor:
    """Flip and rotate each item of (B, ..., S, S) by its turn, 0..7."""
    pairs = zip(maps, turns.tolist(), strict=True)
    return torch.stack(
        [torch.rot90(m.flip(-1) if turn >= 4 else m, turn % 4, (-2, -1)) for m, turn in pairs]
    )


def draws(config: PretrainConfig, generator: torch.Generator) -> Iterable[Tensor]:
    """Yield the indices of each step's batch: whole passes over the pool, shuffled anew."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(config.steps):
        if len(order) < config.batch:
            order = torch.cat([order, torch.randperm(config.pool, generator=generator)])
        yield order[: config.batch]
        order = order[config.batch :]


def fit(
    name: str,
    modules: nn.Module,
    loss: Callable[[Tensor], Tensor],
    config: PretrainConfig,
    generator: torch.Generator,
) -> None:
    """Minimise `loss(indices of a batch)` over the parameters of `modules`."""
    parameters = list(modules.parameters())
    optimizer = torch.optim.AdamW(
        parameters, config.lr, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, config.steps)
    modules.train()
    every, running, start = max(1, config.steps // 20), 0.0, time.monotonic()
    for step, index in enumerate(draws(config, generator), 1):
        value = loss(index)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        running += value.item() / every
        if step % every == 0:
            remaining = (time.monotonic() - start) / step * (config.steps - step)
            log.info(
                "%s %d/%d: loss %.4f, %.0f s left", name, step, config.steps, running, remaining
            )
            running = 0.0
    modules.eval()


def write_half(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors with its floats in half precision."""
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    write_atomic(path, save({k: v.contiguous() for k, v in half.items()}))
