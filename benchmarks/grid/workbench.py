"""Workbench: the index, opened stores, encoders and builders that a process's cells share."""

from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch

from benchmarks.data.index import load_index
from benchmarks.features.layout import covered
from benchmarks.features.live import LiveStore
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.silence import NoClip
from benchmarks.features.store import FeatureStore
from benchmarks.grid.clip_sets import ClipSets
from benchmarks.grid.fingerprint import Fingerprints
from benchmarks.grid.needs import needed_rows
from benchmarks.params import Params, Row
from benchmarks.training.clips import Features, Samples
from benchmarks.training.config import TrainingParams
from gavs.method import Method
from gavs.sizes import SAM_SIZES


class Workbench:
    """The index, the opened stores and the encoders that the cells of a process share."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.encoders = ProfileEncoders(params.encoders, params.audio)
        self._no_clip = NoClip(self.encoders)
        self._stores: dict[tuple[str, str], FeatureStore | LiveStore] = {}

    @cached_property
    def index(self) -> pd.DataFrame:
        """The clip index, with the number of each clip's frame 0 among all frames."""
        index = load_index(self.params.shared / "index.csv")
        index["first_row"] = index.frames.cumsum() - index.frames
        return index

    @cached_property
    def clip_sets(self) -> ClipSets:
        """Rows of the index by the name of a clip set."""
        return ClipSets(self.params, self.index)

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """Identities of this project's stores, models and records."""
        return Fingerprints(self.params, self.clip_sets, self.encoders)

    @cached_property
    def needed(self) -> dict[str, np.ndarray]:
        """Which rows of each store are read, by "{cover}/{name}", (rows,) bool."""
        return needed_rows(self.params, self.clip_sets)

    def store(self, name: str, cover: str = "avs") -> FeatureStore | LiveStore:
        """The opened store of a name; its rows are numbered as the whole index's frames.

        Raises:
            StoreError: it is missing, or not the one that the parameters ask for.
        """
        if (name, cover) not in self._stores:
            folder = self.params.shared / "features" / cover / name
            clips, features = covered(self.index, cover), self.params.features
            expected, first_row = self.fingerprints.store(name, cover), int(clips.first_row.iloc[0])
            if name in features.live:
                sam, device = self.params.encoders.sam, self.params.device
                live = LiveStore(expected, clips, sam, device, features.precision)
                self._stores[name, cover] = live
            else:
                needed = self.needed.get(f"{cover}/{name}")
                self._stores[name, cover] = FeatureStore(
                    folder, expected, first_row, needed, self._frame
                )
        return self._stores[name, cover]

    def stores(self, row: Row) -> dict[str, FeatureStore | LiveStore]:
        """All that a row's method reads, by name."""
        return {name: self.store(name, row.method_config.cover()) for name in row.stores}

    def _frame(self, row: int) -> str:
        clip = int(self.index.first_row.searchsorted(row, side="right")) - 1
        return f"frame {row - self.index.first_row[clip]} of clip {self.index.uid[clip]}"

    def build(self, row: Row, seed: int) -> Method:
        """A row's method, its parameters drawn by the seed."""
        torch.manual_seed(int(np.random.SeedSequence([seed, 0]).generate_state(1)[0]))
        return row.cls(row.method_config, self.encoders)

    def clips(
        self,
        method: Method,
        name: str,
        audio: str = "own",
        frames: str = "scored",
        training: TrainingParams | None = None,
    ) -> Samples:
        """The clips of a set as `method` takes them, with the frames that are scored, that may be
        learned from (`labelled`, as `training` says), or all."""
        index = self.clip_sets[name]
        size = SAM_SIZES[self.params.encoders.sam.size].img_size
        stores = partial(self.store, cover=method.config.cover())
        return Samples(
            index,
            Features(stores, self._no_clip, size),
            method,
            self.clip_sets.classes,
            labelled_only=frames == "labelled",
            heard=self.clip_sets.heard(name, audio),
            frames=self.params.scoring.frames_per_clip if frames == "scored" else None,
            whole_clips=training is not None and training.whole_clips,
            copied=training is not None and training.first_mask == "copied",
            by_frames=training is not None and training.batch_clips is None,
        )
