"""From the clip index and the feature stores to batches in a method's own shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.oracle_click import source_points
from benchmarks.data.files import read_labels
from benchmarks.features.store import FeatureStore
from gavs.method import Batch, Method
from gavs.sam import input_size, postprocess

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Features:
    """Opened stores by name, the silent second's audio embedding, and each clip's first row."""

    stores: Mapping[str, FeatureStore]
    silence: np.ndarray  # (128,)
    image_size: int  # of SAM's input square, for the oracle's clicks

    def read(self, name: str, rows: np.ndarray) -> Tensor:
        """(n, ...) float32; pixels normalised with ImageNet's statistics."""
        values = torch.from_numpy(self.stores[name][rows]).float()
        if name.startswith("pixels"):
            mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1) * 255
            std = torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255
            values = (values - mean) / std
        return values


@dataclass
class ClipSet:
    """Samples of one split: whole clips for a temporal method, else single frames (T = 1).

    Args:
        index: the clip index's rows of this split, with `first_row` (row of frame 0 in the stores).
        labelled_only: leave out what must not be learned from (training).
        audio_from: for each clip, the position of the clip whose audio it gets; None: its own;
            "silent": the embedding of silence.
    """

    index: pd.DataFrame
    root: Path
    features: Features
    method: Method
    labelled_only: bool = False
    audio_from: np.ndarray | str | None = None

    def __post_init__(self) -> None:
        self.classes = sorted({c for names in self.index.classes for c in names.split("_")})
        self.videos = pd.factorize(self.index.video)[0]
        self.samples: list[tuple[int, tuple[int, ...]]] = []
        for clip, row in enumerate(self.index.itertuples()):
            first_only = self.labelled_only and row.supervision == "first_frame"
            if self.method.temporal:
                self.samples.append((clip, tuple(range(row.frames))))
            else:
                labelled = 1 if first_only else row.frames
                self.samples += [(clip, (frame,)) for frame in range(labelled)]

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, numbers: np.ndarray) -> Batch:
        """The samples with these numbers as one batch."""
        chosen = [self.samples[n] for n in numbers]
        clips = np.array([clip for clip, _ in chosen])
        frames = np.array([f for _, f in chosen])  # (B, T)
        rows = self.index.first_row.to_numpy()[clips][:, None] + frames
        shape = rows.shape
        table = self.index.iloc[clips]
        targets, valid = zip(
            *(self._targets(r, f) for r, f in zip(table.itertuples(), frames, strict=True)),
            strict=True,
        )
        first_only = (table.supervision == "first_frame").to_numpy()
        named = [set(names.split("_")) for names in table.classes]
        features = {
            short: self.features.read(store, rows.ravel()).unflatten(0, shape)
            for short, store in self.method.inputs(self.method.config).items()
        }
        if self.method.oracle:
            features["sources"] = self._clicks(table, frames)
        return Batch(
            audio=self._audio(clips, frames),
            features=features,
            masks=torch.stack(targets),
            valid=torch.stack(valid),
            supervised=torch.from_numpy((frames == 0) | ~first_only[:, None]),
            video=torch.from_numpy(self.videos[clips]),
            classes=torch.tensor([[c in n for c in self.classes] for n in named]),
        )

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, Batch]]:
        for start in range(0, len(self), size):
            numbers = np.arange(start, min(start + size, len(self)))
            yield numbers, self.batch(numbers)

    def _audio(self, clips: np.ndarray, frames: np.ndarray) -> Tensor:
        if isinstance(self.audio_from, str):
            silent = torch.from_numpy(self.features.silence)
            return silent.expand(*frames.shape, -1).clone()  # (B, T, 128)
        if self.audio_from is not None:
            clips = self.audio_from[clips]
        rows = self.index.first_row.to_numpy()[clips][:, None] + frames
        return self.features.read("vggish", rows.ravel()).unflatten(0, frames.shape)

    def _targets(self, row, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        """Masks (T, G, G) and valid cells (G, G) on the method's grid."""
        geometry, size = self.method.geometry, self.method.target_size
        first_only = self.labelled_only and row.supervision == "first_frame"
        cells = [
            _target(self.root / row.mask_path.format(f), geometry, size)
            if not (first_only and f > 0)
            else torch.zeros(size, size, dtype=torch.uint8)
            for f in frames
        ]
        return torch.stack(cells).float() / 255, _valid(row.height, row.width, geometry, size)

    def _clicks(self, table: pd.DataFrame, frames: np.ndarray) -> Tensor:
        """Clicks on every sounding source, (B, T, P, 3): x, y in SAM's square, 1 where present."""
        found = [
            [
                source_points(
                    read_labels(self.root / row.mask_path.format(f)), self.features.image_size
                )
                for f in seconds
            ]
            for row, seconds in zip(table.itertuples(), frames, strict=True)
        ]
        most = max(1, max(len(points) for clip in found for points in clip))
        clicks = torch.zeros(*frames.shape, most, 3)
        for b, clip in enumerate(found):
            for t, points in enumerate(clip):
                for p, (x, y) in enumerate(points):
                    clicks[b, t, p] = torch.tensor([x, y, 1.0])
        return clicks

    def frame_table(self, numbers: np.ndarray) -> pd.DataFrame:
        """uid, video, classes, frame, height, width, mask path of the samples' frames, in order."""
        pairs = [(clip, frame) for n in numbers for clip, fs in [self.samples[n]] for frame in fs]
        table = self.index.iloc[[clip for clip, _ in pairs]].reset_index(drop=True)
        return table.assign(frame=[frame for _, frame in pairs])

    def native_masks(self, table: pd.DataFrame) -> Tensor:
        """Ground truth at the frames' own (equal) size, (n, H, W) bool."""
        paths = (self.root / r.mask_path.format(r.frame) for r in table.itertuples())
        return torch.from_numpy(np.stack([native_mask(path) for path in paths]))


def to_native(logits: Tensor, height: int, width: int, method: Method, image_size: int) -> Tensor:
    """Mask logits (n, G, G) to the frames' own size, bilinear: (n, H, W)."""
    size = (height, width)
    if method.geometry == "sam":
        return postprocess(logits[:, None], input_size(size, image_size), size)[:, 0]
    return F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]


@lru_cache(maxsize=100_000)
def _packed(path: Path) -> tuple[np.ndarray, tuple[int, int]]:
    mask = read_labels(path) > 0
    return np.packbits(mask), mask.shape


def native_mask(path: Path) -> np.ndarray:
    """Binary mask (H, W), kept as bits: decoding the PNG again costs more than training on it."""
    bits, shape = _packed(path)
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


@lru_cache(maxsize=100_000)
def _target(path: Path, geometry: str, size: int) -> Tensor:
    """Share of mask pixels in each cell of the method's grid, (G, G) uint8 of 255."""
    mask = torch.from_numpy(native_mask(path))[None, None].float()
    if geometry == "sam":
        side = max(mask.shape)
        mask = F.pad(mask, (0, side - mask.shape[3], 0, side - mask.shape[2]))
    return (F.interpolate(mask, (size, size), mode="area")[0, 0] * 255).round().byte()


@lru_cache(maxsize=1_000)
def _valid(height: int, width: int, geometry: str, size: int) -> Tensor:
    valid = torch.zeros(size, size)
    side = max(height, width) if geometry == "sam" else 0
    rows = round(height / side * size) if side else size
    columns = round(width / side * size) if side else size
    valid[:rows, :columns] = 1
    return valid


def audio_of_other_classes(index: pd.DataFrame) -> np.ndarray:
    """For each clip the position of one that shares no class with it, the same for every method.

    Raises:
        ValueError: some clip shares a class with every other.
    """
    rng = np.random.default_rng(0)
    named = [frozenset(names.split("_")) for names in index.classes]
    chosen = np.empty(len(named), int)
    for clip, mine in enumerate(named):
        others = np.array([k for k, theirs in enumerate(named) if not mine & theirs])
        if not len(others):
            raise ValueError(f"{index.uid.iloc[clip]}: no clip of other classes to take audio from")
        chosen[clip] = rng.choice(others)
    return chosen
