"""What the cells of a process share, and the checksums of all that their numbers depend on."""

import inspect
import json
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.common.files import sha256
from benchmarks.data.index import load_index
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.features.extract import covered, frames_checksum, header
from benchmarks.features.store import FeatureStore
from benchmarks.grid.protocol import (
    Cell,
    ClipSets,
    Evaluation,
    Model,
    evaluations_of,
    model_of,
    supervision_of,
    training_of,
)
from benchmarks.params import Params, Row
from benchmarks.scoring.records import SCHEMA
from benchmarks.training.audio import audio_from
from benchmarks.training.clips import ClipSet, Features
from gavs.method import Method
from gavs.sam import SAM_SIZES
from splits import vggss_boxes

PREDICTION = ("__main__", "checkpoint", "media", "predict")  # of gavs; no table's number needs them
SCORING_CODE = ("counts", "metrics", "selection", "vggss")
ROOT = Path(__file__).parents[2]


class Workbench:
    """What the cells of a process share: the index, the opened stores, the encoders."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.encoders = ProfileEncoders(params.encoders, params.audio)
        self._stores: dict[tuple[str, str], FeatureStore] = {}
        self._checksums: dict[str, str] = {}

    @cached_property
    def index(self) -> pd.DataFrame:
        index = load_index(self.params.work / "index.csv")
        index["first_row"] = index.frames.cumsum() - index.frames
        return index

    @cached_property
    def clip_sets(self) -> ClipSets:
        return ClipSets(self.params, self.index)

    @cached_property
    def classes(self) -> list[str]:
        """AVSBench's class tokens that the index holds, in the order of `Batch.classes`."""
        names = self.index.classes[self.index.mask_path != ""]
        return sorted({token for joined in set(names) for token in joined.split("_")})

    def store(self, name: str, cover: str = "avs") -> FeatureStore:
        """The opened store of a name; its rows are numbered as the whole index's frames.

        Raises:
            StoreError: it is missing, or not the one that the parameters ask for.
        """
        if (name, cover) not in self._stores:
            part = covered(self.index, cover)
            asked = self.params.features
            expected = header(name, part, self.encoders, asked.rows_per_shard, asked.precision)
            folder = self.params.work / "features" / cover / name
            store = FeatureStore(folder, expected, int(part.first_row.iloc[0]))
            self._stores[name, cover] = store
        return self._stores[name, cover]

    def stores(self, row: Row) -> dict[str, FeatureStore]:
        """All that a row's method reads, by name."""
        return {name: self.store(name, row.cls.cover()) for name in row.stores}

    def build(self, row: Row, seed: int) -> Method:
        torch.manual_seed(int(np.random.SeedSequence([seed, 0]).generate_state(1)[0]))
        return row.cls(row.method_config(), self.encoders)

    def clips(
        self, method: Method, name: str, audio: str = "own", frames: str = "scored"
    ) -> ClipSet:
        """The clips of a set as `method` takes them, with the frames that are scored, that may be
        learned from (`labelled`), or all."""
        index = self.clip_sets[name]
        size = SAM_SIZES[self.params.encoders.sam.size].img_size
        stores = partial(self.store, cover=method.cover())
        return ClipSet(
            index,
            Features(stores, self.encoders.no_clip, size),
            method,
            self.classes,
            labelled_only=frames == "labelled",
            heard=audio_from(audio, index),
            frames=self.params.scoring.frames_per_clip if frames == "scored" else None,
        )

    def model_identity(self, model: Model) -> dict[str, Any]:
        """Everything that a trained model depends on; its checksum is the model's fingerprint."""
        row, training = training_of(self.params, model)
        sets = {"train": model.train, "val": model.val, "full": model.full}
        return {
            "schema": SCHEMA,
            **recipe(self.params, model),
            "seed": model.seed,
            "silent": model.silent,
            "clips": {k: self._clips_checksum(v) for k, v in sets.items() if v},
            "classes": self.classes,
            "budget": self.params.protocol.fraction_budget if model.full else None,
            "scoring": self._scoring if training.selection != "last" else None,
            "supervision": supervision_of(self.params, model) if model.shots else None,
            "parent": fingerprint(self.model_identity(model.parent)) if model.parent else None,
            "stores": {name: store.checksum for name, store in self.stores(row).items()},
            "weights": {
                name: self.encoders.checksum(name)
                for name in ("vggish", *row.cls.encoders(row.method_config()))
            },
        }

    def _clips_checksum(self, name: str) -> str:
        """Of a clip set's frames and of what is told of them."""
        if name not in self._checksums:
            index = self.clip_sets[name]
            told = ["uid", "video", "classes", "supervision", "boxes"]
            told += [column for column in ("heard", "shown") if column in index]
            labels = index[told].to_csv(index=False, lineterminator="\n")
            self._checksums[name] = sha256(frames_checksum(index).encode(), labels.encode())
        return self._checksums[name]

    def _borrowed(self, test: Evaluation, row: Row) -> str | None:
        """Checksum of the sound that a test takes from elsewhere."""
        if test.audio in ("own", "silence"):
            return None
        index = self.clip_sets[test.clips]
        heard = audio_from(test.audio, index)
        if isinstance(heard, str):
            noise = self.encoders.no_clip(heard, row.cls.hears(row.method_config()))
            return sha256(noise.tobytes(), index.first_row.to_numpy().tobytes())
        return sha256(heard.tobytes())

    @cached_property
    def _scoring(self) -> dict[str, Any]:
        wanted = {"thresholds", "squash_size", "frames_per_clip"}
        return self.params.scoring.model_dump(include=wanted)

    def identity(self, cell: Cell) -> dict[str, Any]:
        """Everything that a cell's numbers depend on; its checksum is the cell's fingerprint."""
        return {
            "model": fingerprint(self.model_identity(model_of(cell))),
            "benchmark": cell.benchmark,
            "setting": cell.setting,
            "seed": cell.seed,
            "draw": cell.draw,
            "tests": [
                [
                    test.name,
                    test.audio,
                    test.rules,
                    test.guided,
                    self._clips_checksum(test.clips),
                    self._borrowed(test, training_of(self.params, model_of(cell))[0]),
                    sha256(Path(vggss_boxes.__file__)) if test.rules else None,
                ]
                for test in evaluations_of(self.params, cell)
            ],
            "scoring": self._scoring,
        }


def fingerprint(identity: dict[str, Any]) -> str:
    return sha256(json.dumps(identity, sort_keys=True).encode())


def recipe(params: Params, model: Model) -> dict[str, Any]:
    """What makes a model apart from the data: its parameters and its code."""
    row, training = training_of(params, model)
    return {
        "method": row.method,
        "parameters": {
            "method": row.config,
            "training": training.model_dump(exclude={"checkpoint_seconds"}),
        },
        "code": code_checksum(row.cls),
    }


def recipe_checksum(params: Params, cell: Cell) -> str:
    """Of all parameters and code behind a cell's numbers; `stale` compares it with today's."""
    model, chain = model_of(cell), []
    while model is not None:
        chain.append([recipe(params, model), supervision_of(params, model)])
        model = model.parent
    scoring = params.scoring.model_dump(include={"thresholds", "squash_size", "frames_per_clip"})
    parts = [chain, scoring, params.protocol.fraction_budget]
    return sha256(json.dumps(parts, sort_keys=True).encode())[:16]


@lru_cache
def code_checksum(cls: type[Method]) -> str:
    """Of the code that decides a method's numbers: gavs, the method's file, loop and metrics."""
    own = Path(inspect.getfile(cls))
    files = [path for path in (ROOT / "gavs").glob("*.py") if path.stem not in PREDICTION]
    files += (ROOT / "benchmarks/training").glob("*.py")
    files += [ROOT / "benchmarks/scoring" / f"{name}.py" for name in SCORING_CODE] + [own]
    if own.parent.name == "baselines":
        files += (ROOT / "baselines").glob("_[!_]*.py")
    return sha256(*sorted(set(files)))
