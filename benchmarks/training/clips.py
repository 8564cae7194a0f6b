"""Batches in a method's own shape, made from the clip index and the feature stores."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import read_labels
from benchmarks.features.live import LiveStore
from benchmarks.features.store import FeatureStore
from benchmarks.scoring.frames import scored_frames
from benchmarks.training.audio import Heard
from gavs.losses import MIN_VIDEOS
from gavs.method import Batch, Method
from gavs.views import Geometry, normalised, on_grid, shown_cells

KEPT_SIZE = 256  # of targets: all of V2's take 3 GiB there, and 46 at 1024


@dataclass(frozen=True)
class Features:
    """Stores by name, sounds that are no clip's, and SAM's geometry."""

    store: Callable[[str], FeatureStore | LiveStore]
    no_clip: Callable[[str, str], np.ndarray]  # silence or noise as rows of an audio store
    image_size: int  # of SAM's input square

    def read(self, name: str, rows: np.ndarray) -> Tensor:
        """(n, ...) float32; pixels normalised with ImageNet's statistics."""
        values = torch.from_numpy(self.store(name)[rows]).float()
        return normalised(values) if name.startswith("pixels") else values


@dataclass
class Samples:
    """Samples of one split: whole clips for a temporal method, else single frames (T = 1).

    Args:
        index: the clip index's rows of a set, with `first_row`, the number of frame 0 among all.
        classes: class tokens in the order of `Batch.classes`.
        labelled_only: leave out what must not be learned from (training).
        heard: for each clip, the position of the clip whose audio it gets; None: its own;
            "silence" or "noise".
        pseudo: masks (H, W) by uid, in place of the data set's.
        frames: only so many frames of a clip are scored, evenly spaced; None: all.
        whole_clips: samples are whole clips, whatever the method sees.
        copied: where only frame 0 has a mask, the clip's other frames are learned from with it.
        by_frames: a batch's size counts frames with a mask, not samples.
    """

    index: pd.DataFrame
    features: Features
    method: Method
    classes: Sequence[str]
    labelled_only: bool = False
    heard: Heard = None
    pseudo: Mapping[str, np.ndarray] = field(default_factory=dict)
    frames: int | None = None
    whole_clips: bool = False
    copied: bool = False
    by_frames: bool = False

    def __post_init__(self) -> None:
        self.temporal = self.whole_clips or self.method.config.temporal()
        self.videos = pd.factorize(self.index.video)[0]
        self._clips = list(self.index.itertuples())  # a batch's own table costs as much as a step
        self._first_rows = self.index.first_row.to_numpy()
        supervision = self.index.supervision.to_numpy()
        self._unlabelled, one_mask = supervision == "none", supervision == "first_frame"
        self._first_only, self._copied = one_mask & (not self.copied), one_mask & self.copied
        named = (set(names.split("_")) for names in self.index.classes)
        self._named = np.array([[c in names for c in self.classes] for names in named], bool)
        self.samples: list[tuple[int, tuple[int, ...]]] = []
        for clip, row in enumerate(self._clips):
            first_only = self.labelled_only and self._first_only[clip]
            if self.temporal:
                self.samples.append((clip, tuple(range(row.frames))))
            elif first_only:
                self.samples.append((clip, (0,)))
            else:
                self.samples += [(clip, (frame,)) for frame in self._scored(row.frames)]

    def _scored(self, frames: int) -> list[int]:
        """Numbers of the frames of a clip that count."""
        return scored_frames(frames, self.frames)

    def __len__(self) -> int:
        return len(self.samples)

    def epoch(self, rng: np.random.Generator, size: int) -> list[np.ndarray]:
        """Batches of an epoch in random order, each of one number of frames.

        `size` counts samples, or with `by_frames` the frames with a mask of a batch.
        Incomplete batches are left out, other samples each epoch. Where videos are few, each is
        dealt out over the batches: contrast needs `MIN_VIDEOS` in a batch, and of batches drawn at
        random, some would have fewer.
        """
        plan = []
        for group in self._groups():
            n = min(max(1, size // self._labelled(group[0])), len(group))
            group = rng.permutation(group)
            count = len(group) // n  # batches
            if self.index.video.nunique() <= 2 * MIN_VIDEOS:
                video = pd.Series(self.videos[[self.samples[i][0] for i in group]])
                turn = video.groupby(video).cumcount()
                order = np.argsort(turn, kind="stable")[: n * count]  # large videos lose the rest
                order = order[np.argsort(video[order], kind="stable")]
                group = group[order].reshape(n, count).T.ravel()
            plan += [group[b * n : (b + 1) * n] for b in range(count)]
        return [plan[i] for i in rng.permutation(len(plan))]

    def _groups(self) -> list[np.ndarray]:
        """Numbers of the samples by how many frames they have."""
        frames = np.array([len(frames) for _, frames in self.samples])
        return [np.flatnonzero(frames == n) for n in np.unique(frames)]

    def _labelled(self, sample: int) -> int:
        """What a sample counts in a batch: its frames with a mask where these are counted."""
        clip, frames = self.samples[sample]
        return 1 if not self.by_frames or self._first_only[clip] else len(frames)

    def batch(self, numbers: np.ndarray, targets: bool = True) -> Batch:
        """The samples with these numbers, all of as many frames, as one batch.

        Without `targets` its masks are 0: a prediction doesn't see them.
        """
        chosen = [self.samples[n] for n in numbers]
        clips = np.array([clip for clip, _ in chosen])
        frames = np.array([f for _, f in chosen])  # (B, T)
        rows = self._rows(clips, frames)
        features = {
            short: self.features.read(store, rows.ravel()).unflatten(0, rows.shape)
            for short, store in self.method.config.inputs().items()
        }
        if self.method.config.oracle:
            features["sources"] = self._clicks(clips, frames)
        later = (frames > 0) & self._first_only[clips, None]
        supervised = ~later & ~self._unlabelled[clips, None]
        decoded = supervised
        if not self.labelled_only:
            decoded = np.isin(frames, self._scored(frames.shape[1])) | (not self.temporal)
        cells = [
            self._cells(clip, 0 if self._copied[clip] else frame, read)
            for (clip, seconds), reads in zip(chosen, decoded & targets, strict=True)
            for frame, read in zip(seconds, reads, strict=True)
        ]
        return Batch(
            audio=self._audio(clips, frames),
            features=features,
            masks=self._stacked(cells).unflatten(0, rows.shape).float() / 255,
            valid=torch.stack([self._valid(clip) for clip in clips]),
            supervised=torch.from_numpy(supervised),
            video=torch.from_numpy(self.videos[clips]),
            classes=torch.from_numpy(self._named[clips]),
            decoded=torch.from_numpy(decoded) if self.temporal else None,
        )

    def _rows(self, clips: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Numbers of the stores' rows, (B, T)."""
        return self._first_rows[clips, None] + frames

    def batches(self, frames: int) -> list[np.ndarray]:
        """Numbers of every sample once, about `frames` frames at a time."""
        plan = []
        for group in self._groups():
            size = max(1, frames // len(self.samples[group[0]][1]))
            plan += [group[start : start + size] for start in range(0, len(group), size)]
        return plan

    def _audio(self, clips: np.ndarray, frames: np.ndarray) -> Tensor:
        """Audio features of each frame, (B, T, ...)."""
        store = self.method.config.hears()
        if self.heard is not None and not isinstance(self.heard, str):
            clips = self.heard[clips]
        rows = self._rows(clips, frames)
        if isinstance(self.heard, str):
            sound = self.features.no_clip(self.heard, store)
            return torch.from_numpy(sound[rows % len(sound)])
        return self.features.read(store, rows.ravel()).unflatten(0, frames.shape)

    @property
    def _at_frame_size(self) -> bool:
        """Whether masks stay at the frame's own size: in training only, scoring upsamples."""
        return self.method.learns_at_frame_size and self.labelled_only

    def _stacked(self, cells: list[Tensor]) -> Tensor:
        """Masks as one tensor.

        Raises:
            ValueError: they are of several sizes, which a loss at the frame's size can't have.
        """
        sizes = sorted({(mask.shape[0], mask.shape[1]) for mask in cells})
        if len(sizes) > 1:
            listed = " and ".join(f"{height} x {width}" for height, width in sizes)
            raise ValueError(
                f"a batch holds frames of {listed} pixels, and its loss is at the frame's size: "
                "set training.whole_clips true and training.batch_clips 1, or another "
                "loss_resolution"
            )
        return torch.stack(cells)

    def _cells(self, clip: int, frame: int, read: bool) -> Tensor:
        """A frame's mask, uint8 of 255, on the method's grid (G, G) or at the frame's size (H, W);
        0 where it isn't read."""
        row, size = self._clips[clip], self.method.target_size
        geometry = self.method.config.geometry
        if self._unlabelled[clip] or not read:
            shape = (row.height, row.width) if self._at_frame_size else (size, size)
            return torch.zeros(shape, dtype=torch.uint8)
        if self._at_frame_size:
            native = self.pseudo.get(row.uid)
            native = native_mask(_truth(row, frame)) if native is None else native
            return torch.from_numpy(native.astype(np.uint8) * 255)
        if row.uid in self.pseudo:
            return on_grid(self.pseudo[row.uid], geometry, size)
        return _target(_truth(row, frame), geometry, size)

    def _valid(self, clip: int) -> Tensor:
        """Cells of the method's grid that show the frame, (G, G); at the frame's size all."""
        row = self._clips[clip]
        if self._at_frame_size:
            return torch.ones(row.height, row.width)
        return _valid(row.height, row.width, self.method.config.geometry, self.method.target_size)

    def _clicks(self, clips: np.ndarray, frames: np.ndarray) -> Tensor:
        """Points that an oracle is given, (B, T, P, 3): x, y in SAM's square, 1 where present."""
        places = [
            [
                self.method.sources(
                    read_labels(clip_file(self._clips[clip], "mask", f)),
                    self.features.image_size,
                )
                for f in seconds
            ]
            for clip, seconds in zip(clips, frames, strict=True)
        ]
        most = max(1, max(len(points) for clip in places for points in clip))
        clicks = torch.zeros(*frames.shape, most, 3)
        for b, clip in enumerate(places):
            for t, points in enumerate(clip):
                for p, (x, y) in enumerate(points):
                    clicks[b, t, p] = torch.tensor([x, y, 1.0])
        return clicks

    def frame_table(self, numbers: np.ndarray) -> pd.DataFrame:
        """The index's columns for each frame of the samples, in order, with `frame`, its number in
        the clip, and whether it is `scored`."""
        pairs = [(clip, frame) for n in numbers for clip, fs in [self.samples[n]] for frame in fs]
        table = self.index.iloc[[clip for clip, _ in pairs]].reset_index(drop=True)
        seconds = [frame for _, frame in pairs]
        scored = [f in self._scored(n) for f, n in zip(seconds, table.frames, strict=True)]
        return table.assign(frame=seconds, scored=scored)

    def native_masks(self, table: pd.DataFrame) -> Tensor:
        """Ground truth at the frames' own (equal) size, (n, H, W) bool."""
        truths = (_truth(row, row.frame) for row in table.itertuples())
        return torch.from_numpy(np.stack([native_mask(truth) for truth in truths]))


class Truth(NamedTuple):
    """Place of a frame's ground truth: a mask file, or boxes to be filled."""

    mask: Path | None
    boxes: str  # JSON, empty for a mask
    height: int
    width: int


def _truth(row, frame: int) -> Truth:
    mask = None if row.boxes else clip_file(row, "mask", frame)
    return Truth(mask, row.boxes, row.height, row.width)


def _read(truth: Truth) -> np.ndarray:
    if truth.boxes:
        return fill_boxes(json.loads(truth.boxes), truth.height, truth.width)
    return read_labels(truth.mask) > 0  # type: ignore[arg-type]  # without boxes, a mask


@lru_cache(maxsize=100_000)
def _packed(truth: Truth) -> tuple[np.ndarray, tuple[int, int]]:
    mask = _read(truth)
    return np.packbits(mask), mask.shape


def fill_boxes(boxes: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """Union of boxes (xmin, ymin, xmax, ymax in 0..1) in the frame's pixels, (H, W) bool."""
    mask = np.zeros((height, width), bool)
    for box in boxes:
        x0, x1 = (int(x * width) for x in box[::2])
        y0, y1 = (int(y * height) for y in box[1::2])
        mask[y0:y1, x0:x1] = True
    return mask


def native_mask(truth: Truth) -> np.ndarray:
    """Binary mask (H, W), kept as bits: decoding the PNG again costs more than training on it."""
    bits, shape = _packed(truth)
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


def _target(truth: Truth, geometry: Geometry, size: int) -> Tensor:
    if size > KEPT_SIZE:
        return on_grid(native_mask(truth), geometry, size)
    return _kept_target(truth, geometry, size)


@lru_cache(maxsize=100_000)
def _kept_target(truth: Truth, geometry: Geometry, size: int) -> Tensor:
    return on_grid(_read(truth), geometry, size)


@lru_cache(maxsize=1_000)
def _valid(height: int, width: int, geometry: Geometry, size: int) -> Tensor:
    return shown_cells((height, width), geometry, size)
