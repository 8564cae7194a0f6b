"""Fingerprints of what a store, a model and a record depend on: one answer for all who ask.

Each depends on code, as `common.closure` compares it, and on values: parameters, weights, data. A
recipe is what can be said without data; `Fingerprints` adds the data.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import closure
from benchmarks.common.files import sha256
from benchmarks.features.layout import covered, frames_checksum, kind_of, layout
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.features.store import Header
from benchmarks.grid.clip_sets import ClipSets
from benchmarks.grid.needs import reads
from benchmarks.grid.protocol import (
    Cell,
    Evaluation,
    Model,
    evaluations_of,
    model_of,
    supervision_of,
    training_of,
)
from benchmarks.params import Params, Row

# Where the closures of models and records end.
BY_VALUE = (  # what these give enters the identities below as values
    "benchmarks.params",
    "benchmarks.features.config",
    "benchmarks.scoring.config",
    "benchmarks.training.config",
    "benchmarks.data.index",  # by the digests of the clips' files
    "benchmarks.grid.protocol",
    "benchmarks.grid.needs",  # which rows are stored, not what is in them
    "benchmarks.grid.clip_sets",  # by the clips of each set
    "benchmarks.training.audio",  # by the clips whose sound is borrowed
    "benchmarks.grid.fingerprint",
)
# Locks, processes, checksums; the log and the time left.
NO_NUMBER = ("benchmarks.common", "benchmarks.data.clip_files", "benchmarks.grid.progress")
WORLD = ("world", "vggss", "vggsound")  # of `miniature`; each writes one data set


def fingerprint(identity: Any) -> str:
    """Checksum of all that something depends on."""
    return sha256(json.dumps(identity, sort_keys=True).encode())


def store_code(name: str) -> str:
    """Checksum of the code that fills a store of this name."""
    kind = kind_of(name)
    sound, pixels = kind["audio"], kind["pixels"]
    parts = {
        "gavs.pixels": pixels,
        "benchmarks.features.sam": not (sound or pixels),
        "gavs.sam": not (sound or pixels),
        "benchmarks.features.sound": sound,
        "gavs.spectrogram": name == "spectrogram",
        "gavs.vggish": name in ("vggish", "logmel"),
        "gavs.backbones": False,
        "benchmarks.features.config": False,  # by the header's values
        "benchmarks.features.store": False,  # the files' format, by the header's version
    }
    return _checksum("benchmarks.features.encode", stops=(*NO_NUMBER, *_left_out(parts)))


def model_code(params: Params, model: Model) -> str:
    """Checksum of the code that trains a model: its method's, and what this training goes through.

    A method's own imports count whatever they are.
    """
    row, training = training_of(params, model)
    named = row.method_config.encoders()
    backbones = [name for name in named if name not in ("sam", "vggish_pca")]
    sizes = [getattr(params.encoders, name).size for name in backbones]
    validated = training.selection != "last"
    parts = {
        **_of_silence(row, model.silent),
        "benchmarks.features.live": bool({*_read_stores(params, model)} & {*params.features.live}),
        "benchmarks.grid.budget": model.full,
        "benchmarks.training.sam_masks": supervision_of(params, model) == "sam_mask",
        "benchmarks.training.evaluate": validated,
        "benchmarks.scoring.metrics": validated,
        "benchmarks.scoring.boxes": False,  # boxes never select
        "gavs.backbones": sizes,
        "gavs.swin": any(size.startswith("swin") for size in sizes),
    }
    trained = _checksum("benchmarks.grid.models", stops=(*BY_VALUE, *NO_NUMBER, *_left_out(parts)))
    return sha256(trained.encode(), _checksum(row.method_config.network).encode())


def record_code(params: Params, cell: Cell) -> str:
    """Checksum of the code that scores a trained model; the model's fingerprint has the rest."""
    tests = evaluations_of(params, cell)
    row, _ = training_of(params, model_of(cell))
    parts = {
        **_of_silence(row, any(test.audio in ("silence", "noise") for test in tests)),
        "benchmarks.features.live": bool({*row.stores} & {*params.features.live}),
        "benchmarks.scoring.boxes": any(test.rules for test in tests),
        "benchmarks.grid.models": False,
        "benchmarks.training.loop": False,
        "gavs.backbones": False,
    }
    return _checksum("benchmarks.grid.cells", stops=(*BY_VALUE, *NO_NUMBER, *_left_out(parts)))


def data_code(world: bool) -> str:
    """Checksum of the code that reads the data sets and draws the clip sets, and of the world's."""
    roots = ["benchmarks.data.read", "benchmarks.grid.clip_sets", "benchmarks.training.audio"]
    roots += [f"benchmarks.miniature.{name}" for name in WORLD if world]
    stops = ("benchmarks.params", "benchmarks.grid.protocol", *NO_NUMBER)
    return _checksum(*roots, stops=stops)


def _of_silence(row: Row, heard: bool) -> dict[str, Any]:
    """Modules that only silence and noise go through."""
    spectrogram = row.method_config.hears() == "spectrogram"
    return {
        "benchmarks.features.silence": heard,
        "gavs.spectrogram": heard and spectrogram,
        "gavs.vggish": heard and not spectrogram,
    }


def _left_out(parts: Mapping[str, Any]) -> list[str]:
    return [module for module, needed in parts.items() if not needed]


def _checksum(*roots: str, stops: Sequence[str] = ()) -> str:
    return closure.project().checksum(roots, tuple(stops))


def recipe(params: Params, model: Model) -> dict[str, Any]:
    """Recipe of a model, all that makes it apart from the data: its parameters and its code."""
    row, training = training_of(params, model)
    return {
        "method": row.method,
        "parameters": {
            "method": row.config,
            "training": training.model_dump(exclude={"checkpoint_seconds"}),
        },
        "code": model_code(params, model),
        "seed": model.seed,
        "silent": model.silent,
        "budget": _budget(params, model),
        # What selects is a loss, or mIoU at 0.5 and at the frames' own size.
        "frames_per_clip": params.scoring.frames_per_clip if training.selection != "last" else None,
        "supervision": supervision_of(params, model) if model.shots else None,
    }


def _budget(params: Params, model: Model) -> list[str] | None:
    """How long a fraction's training is: as many steps as the whole set's, or its share of them."""
    if model.full is None:
        return None
    budget = params.protocol.fraction_budget
    return [budget] if budget == "steps" else [budget, model.train.split("-")[1]]


def _read_stores(params: Params, model: Model) -> list[str]:
    """Names of the stores that a training reads: its method's, and SAM's for masks of boxes."""
    row, _ = training_of(params, model)
    masks = ["sam_rgb"] if supervision_of(params, model) == "sam_mask" else []
    return list(dict.fromkeys([*row.stores, *masks]))


def scoring_values(params: Params) -> dict[str, Any]:
    """The parameters of `scoring` that change what a frame scores."""
    return params.scoring.model_dump(include={"thresholds", "squash_size", "frames_per_clip"})


def drawing_values(params: Params) -> dict[str, Any]:
    """The parameters of `protocol` that decide which clips a drawn set has."""
    others = {"cross", "fraction_videos", "fraction_budget", "one_budget"}
    values = params.protocol.model_dump(mode="json", exclude=others)
    paths = {name: value for name, value in params.protocol if isinstance(value, Path)}
    return values | {name: _content(path) for name, path in paths.items()}


def _content(path: Path) -> Any:
    """Checksums of a file, or of all in a folder; the path of what isn't there."""
    if path.is_dir():
        return {p.relative_to(path).as_posix(): sha256(p) for p in sorted(path.rglob("*.csv"))}
    return sha256(path) if path.is_file() else str(path)


def recipe_checksum(params: Params, cell: Cell) -> str:
    """Checksum of all parameters, weights and code behind a cell's numbers, those of its data too.

    `stale` compares a record's with the present one.
    """
    tests, models = evaluations_of(params, cell), [model_of(cell)]
    while models[-1].parent:
        models.append(models[-1].parent)
    names = [test.clips for test in tests]
    names += [n for model in models for n in (model.train, model.val, model.full) if n]
    drawn = any(n.startswith(("v3/", "vggss_sub/")) or "/fraction-" in n for n in names)
    row, _ = training_of(params, models[0])
    used = ["sam", "vggish", *row.method_config.encoders()]
    values = params.model_dump(mode="json", include={"data", "world", "audio"})
    heard = params.protocol.vggss_heard
    return fingerprint(
        {
            "models": [[recipe(params, model), repr(model)] for model in models],
            "tests": repr(tests),
            "code": [record_code(params, cell), data_code(params.world is not None)],
            "stores": {name: store_code(name) for name in row.stores},
            "weights": _weights(params, used),
            "scoring": scoring_values(params),
            "protocol": drawing_values(params) if drawn else None,
            "heard": _content(heard) if heard and "vggss/all" in names else None,
            "precision": params.features.precision,
            **values,
        }
    )[:16]


def stage_values(params: Params, stage: str) -> dict[str, Any]:
    """Values that a DVC stage (`data`, `features`, `run`) depends on beside the files it reads.

    It is as coarse as a stage: a superset of what its stores, models and records ask for.
    """
    names = {"features": ["sam", "vggish"], "run": list(type(params.encoders).model_fields)}
    values = params.values(stage)
    if stage == "features":
        values |= {"reads": {k: sorted(v) for k, v in reads(params).items()}}
        values["protocol"] = drawing_values(params)
        values["frames_per_clip"] = params.scoring.frames_per_clip
    return {
        "code": stage_code(params, stage),
        "weights": _weights(params, names.get(stage, [])),
        "values": values,
    }


def stage_code(params: Params, stage: str) -> list[str]:
    """Checksums of all code that a DVC stage goes through."""
    if stage == "features":
        return [store_code(n) for n in sorted({n for part in params.stores.values() for n in part})]
    roots = ["benchmarks.data.read", *(f"benchmarks.miniature.{name}" for name in WORLD)]
    if stage == "run":
        roots += ["benchmarks.grid.cells", "benchmarks.features.encode"]
        roots += sorted({row.method_config.network for row in params.rows_in_use()})
    return [_checksum(*roots, stops=NO_NUMBER)]


def _weights(params: Params, names: Sequence[str]) -> dict[str, str]:
    """Checksums of weights, or the path of a file that isn't there."""
    encoders = ProfileEncoders(params.encoders, params.audio)
    paths = {name: getattr(params.encoders, name).weights for name in names}
    return {n: encoders.checksum(n) if p.is_file() else str(p) for n, p in paths.items()}


def header(
    name: str,
    index: pd.DataFrame,
    encoders: ProfileEncoders,
    rows_per_shard: int,
    precision: str = "fp32",
) -> Header:
    """Header of a store of this name: all that it must have been made from.

    Args:
        index: rows of the clip index that it covers.

    Raises:
        StoreError: no store has such a name.
    """
    shape, dtype = layout(name, encoders)
    made_from = {"frames": frames_checksum(index), **row_values(name, encoders, precision)}
    return Header(name, int(index.frames.sum()), shape, dtype, rows_per_shard, made_from)


def row_values(name: str, encoders: ProfileEncoders, precision: str = "fp32") -> dict[str, Any]:
    """What a store's rows depend on beside their clips: code, weights, parameters."""
    values: dict[str, Any] = {"code": store_code(name)}
    if name in ("vggish", "logmel"):
        values["hop_seconds"] = encoders.audio.hop_seconds
    if name == "spectrogram":
        values["spectrogram_hop"] = encoders.audio.spectrogram_hop
    if name == "vggish":
        values["weights"] = encoders.checksum("vggish")
    if name.startswith(("sam", "tokens")):
        values |= {"precision": precision, "weights": encoders.checksum("sam")}
    return values


class Fingerprints:
    """Identities of stores, models and records of one project, data included."""

    def __init__(self, params: Params, clip_sets: ClipSets, encoders: ProfileEncoders) -> None:
        self.params, self.clip_sets, self.encoders = params, clip_sets, encoders
        self._checksums: dict[str, str] = {}
        self._headers: dict[tuple[str, str], Header] = {}

    @cached_property
    def index(self) -> str:
        """Checksum of the whole index's frames: one for all records."""
        return frames_checksum(self.clip_sets.index)

    def store(self, name: str, cover: str) -> Header:
        """Header of a store: all that it must have been made from.

        Raises:
            StoreError: no store has such a name, or no clip is of its cover.
        """
        if (name, cover) not in self._headers:
            features, part = self.params.features, covered(self.clip_sets.index, cover)
            self._headers[name, cover] = header(
                name, part, self.encoders, features.rows_per_shard, features.precision
            )
        return self._headers[name, cover]

    def stores(self) -> dict[str, Header]:
        """Headers of every store that the parameters ask for, by "{cover}/{name}"."""
        covers = self.params.stores
        return {f"{c}/{name}": self.store(name, c) for c in covers for name in sorted(covers[c])}

    def model(self, model: Model) -> dict[str, Any]:
        """Everything that a trained model depends on."""
        row, _ = training_of(self.params, model)
        stores, precision = _read_stores(self.params, model), self.params.features.precision
        # What is fingerprinted now must be what a worker, forked from here, will run.
        for module in closure.project().closure([row.method_config.network]):
            import_module(module)
        encoders = ["vggish", *row.method_config.encoders()]
        if supervision_of(self.params, model) == "sam_mask":
            encoders.append("sam")
        sets = {"train": model.train, "val": model.val, "full": model.full}
        return {
            **recipe(self.params, model),
            "clips": {k: self._clips_checksum(v) for k, v in sets.items() if v},
            # Of a clip's classes the others' methods ask whether two clips share one.
            "classes": self.clip_sets.classes if hasattr(row.method_config, "classes") else None,
            "parent": fingerprint(self.model(model.parent)) if model.parent else None,
            # The clips are named by set: with more of one benchmark, others' models stay.
            "stores": {name: row_values(name, self.encoders, precision) for name in stores},
            "weights": {name: self.encoders.checksum(name) for name in encoders},
        }

    def record(self, cell: Cell) -> dict[str, Any]:
        """Everything that a cell's numbers depend on."""
        return {
            "model": fingerprint(self.model(model_of(cell))),
            "benchmark": cell.benchmark,
            "setting": cell.setting,
            "seed": cell.seed,
            "draw": cell.draw,
            "tests": [
                [
                    *(test.name, test.audio, test.rules, test.guided),
                    self._clips_checksum(test.clips),
                    self._borrowed(test),
                ]
                for test in evaluations_of(self.params, cell)
            ],
            "scoring": scoring_values(self.params),
            "scoring_code": record_code(self.params, cell),
        }

    def _clips_checksum(self, name: str) -> str:
        """Checksum of a clip set's frames and of the facts that the index gives on them."""
        if name not in self._checksums:
            index = self.clip_sets[name]
            columns = ["uid", "video", "classes", "supervision", "boxes"]
            columns += [column for column in ("heard", "shown") if column in index]
            labels = index[columns].to_csv(index=False, lineterminator="\n")
            self._checksums[name] = sha256(frames_checksum(index).encode(), labels.encode())
        return self._checksums[name]

    def _borrowed(self, test: Evaluation) -> str | None:
        """Checksum of which sound a test takes from elsewhere: of which clip, or where in noise."""
        if test.audio in ("own", "silence"):
            return None
        place = f"{test.audio} of {test.clips}"
        if place not in self._checksums:
            heard: Any = self.clip_sets.heard(test.clips, test.audio)  # nothing is its own here
            rows = heard if test.audio != "noise" else self.clip_sets[test.clips].first_row
            self._checksums[place] = sha256(np.asarray(rows).tobytes())
        return self._checksums[place]
