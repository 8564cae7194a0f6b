"""Costs without data or a GPU: the published numbers of clips, the figures of results/gpu.json."""

import json
import math
from functools import cached_property
from typing import Any

import numpy as np
import torch

from benchmarks.common.closure import ROOT
from benchmarks.common.memory import GIB
from benchmarks.common.tables import Grid, markdown
from benchmarks.features.extract import passes
from benchmarks.features.layout import COVERS, kind_of, layout
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.grid.protocol import Model
from benchmarks.params import Params, Row
from benchmarks.preflight.cost import Costs, Line, models_of
from benchmarks.preflight.trial import Trial
from benchmarks.scoring.counts import score_frames
from benchmarks.training.config import TrainingParams
from gavs.sam import SAM_SIZES

FIGURES = ROOT / "results/gpu.json"
# Clips of each set: AVSBench's metadata.csv, vggss.json, the released AVS-V3 lists; AVS-V3's folds
# are ours. Sets of a draw, and VGG-SS-Sub's, at most so many.
CLIPS = {
    **{"v1s/train": 3452, "v1s/val": 740, "v1s/test": 740},
    **{"v1m/train": 296, "v1m/val": 64, "v1m/test": 64},
    **{"v2/train": 4750, "v2/val": 500, "v2/test": 750},
    **{"v3/train": 4274, "v3/val": 538, "v3/seen_test": 530, "v3/unseen": 758, "v3/test": 758},
    **{"vggss/all": 5158, "vggss_sub/novel": 5158, "vggss_sub/seen": 5158, "vggss_sub/test": 5158},
    **{"vggsound/train": 142_000, "vggsound/val": 2000},
}
NOVEL = {"v3": 14, "vggss_sub": 44}  # classes that give shots
SECONDS = {"v1s": 5, "v1m": 5, "v2": 10, "v3": 10, "vggss": 1, "vggss_sub": 1, "vggsound": 1}
# Frames of V3's clips in the mean: those from V1M have five. Of the 4,274 about 41,380, which are
# the 60 epochs of 16 frames that profiles/paper.yaml gives tpavi_sam as steps.
V3_FRAMES = 9.682
# Assumptions, for what results/gpu.json doesn't have.
SHORTEST_STEP = 0.03  # seconds; a GAVS step of 16 frames takes 36 of the 42 ms of one of 40
DECODING = 0.003  # seconds to decode and resize a frame of 720 x 1280, in 8 threads
FORWARD = 1 / 3  # of a training step: a scored frame, before it is counted
COUNTING = 0.0034  # seconds to count a frame of 720 x 1280: 17 ms for five (results/speed.md)
MEMORY = 5e9  # bytes per second between the GPU and this machine's memory
CORES = 16
DOMINATING = 8  # rows that are listed
RATES_TRIED = 3  # by studies.tune
WINDOWS, SQUASHED = 50, 90  # VGGish windows and squashed frames per second and core


class Figures:
    """What `python -m benchmarks speed --device cuda` has measured.

    Raises:
        FileNotFoundError: nothing is measured yet.
    """

    def __init__(self) -> None:
        content = json.loads(FIGURES.read_text())
        self.machine = content["machine"]["GPU"]
        rows = content["rows"].items()
        self._rows = {name: row["figures"] for name, row in rows if "figures" in row}  # measured

    def images_per_second(self, size: str, precision: str) -> float:
        """Images per second through SAM's encoder.

        Raises:
            KeyError: it isn't measured.
        """
        return self._rows[f"extraction: {size}, {precision}"]["images/s"]

    @property
    def disk(self) -> float:
        """Bytes per second that a training reads from stores on a disk."""
        return 1e9 * self._rows["loader: from disk"]["GB/s"]

    def training(self, name: str, amp: bool) -> dict[str, Any] | None:
        """Figures of a row's training step; None where it isn't measured."""
        return self._rows.get(f"training: {name}, {'amp' if amp else 'fp32'}")


class NominalCosts(Costs):
    """Costs on the published numbers of clips, by figures measured on one GPU."""

    def __init__(self, params: Params, figures: Figures) -> None:
        super().__init__(params, processes=1)
        self.figures = figures
        self.encoders = ProfileEncoders(params.encoders, params.audio)
        self._trials: dict[tuple[str, str], Trial | None] = {}

    def trial(self, model: Model) -> Trial | None:
        key = model.row, model.benchmark
        if key not in self._trials:
            self._trials[key] = self._trial(self.params.row(*key), model.benchmark)
        return self._trials[key]

    def steps(self, model: Model, name: str, training: TrainingParams) -> int:
        if training.steps is not None:
            return training.steps
        row = self._row(model)
        return updates_of(row, training, name)

    def frames(self, model: Model, name: str) -> int:
        return frames_of(name)

    def features(self) -> list[Line]:
        """Costs of the feature stores, one line per pass over the frames."""
        lines = []
        for cover, names in self.params.stores.items():
            frames = sum(
                CLIPS[f"{b}/{part}"] * SECONDS[b]
                for b in COVERS[cover]
                if b in self._benchmarks
                for part in ("train", "val", "test", "all")
                if f"{b}/{part}" in CLIPS
            )
            for group in passes(names):
                line: Line = {"stage": f"features {cover}/{', '.join(group)}"}
                hours = frames * self._encoding(group) / 3600
                line |= {"work": f"{frames:,} rows", "hours": hours}
                size = frames * sum(map(self.row_bytes, group)) / GIB
                lines.append(line | {"disk GiB": size, "GiB per process": math.nan})
        return lines

    def _encoding(self, stores: list[str]) -> float:
        """Seconds of a row of one pass: SAM sees a frame once in each order of its colours."""
        kinds = [kind_of(store) for store in stores]
        seconds = 0.0
        if colours := {kind["sam"] or kind["tokens"] for kind in kinds} - {None}:
            sam, precision = self.params.encoders.sam.size, self.params.features.precision
            seconds = len(colours) / self.figures.images_per_second(sam, precision)
        if kinds[0]["audio"] or any(kind["pixels"] for kind in kinds):
            seconds += 1 / CORES / (WINDOWS if kinds[0]["audio"] else SQUASHED)
        return seconds

    def row_bytes(self, store: str) -> int:
        """Bytes of a row of a store."""
        shape, dtype = layout(store, self.encoders)
        return math.prod(shape) * np.dtype(dtype).itemsize

    def _reading(self, store: str) -> float:
        """Seconds until a row of a store is there, from a disk or made anew."""
        if store in self.params.features.live:
            return self.made_anew(store)
        return self.row_bytes(store) / self.figures.disk

    def made_anew(self, store: str) -> float:
        """Seconds to make a row of a store of SAM from the frame's file."""
        sam = self.params.encoders.sam.size
        cut, depth = kind_of(store)["cut"], SAM_SIZES[sam].depth
        share = 1.0 if cut is None else int(cut) / depth
        rate = self.figures.images_per_second(sam, self.params.features.precision)
        return DECODING + share / rate + self.row_bytes(store) / MEMORY

    @cached_property
    def _benchmarks(self) -> set[str]:
        data = self.params.data
        named = {"vggss": data.vggss, "vggsound": data.vggsound}
        return {*data.labels, *(name for name, place in named.items() if place is not None)}

    def _trial(self, row: Row, benchmark: str) -> Trial | None:
        if row.method_config.oracle:
            return None
        name, training = row.name, row.training
        while (figures := self.figures.training(name, training.amp)) is None:
            if name == row.method:
                raise KeyError(f"{row.name}: no step of '{name}' is measured in {FIGURES.name}")
            name = self.params.base_of(name)
        batch = row.samples(benchmark)
        frames = batch * (SECONDS[benchmark] if row.by_clip else 1)
        reading = sum(map(self._reading, row.stores))
        ms = figures["ms"] / figures["frames"]
        compute = max(SHORTEST_STEP, frames * ms / 1000)
        return Trial(
            *(row.name, batch, batch, compute + frames * reading, figures["GiB"]),
            *(ms / 1000 * FORWARD + COUNTING + reading, 0.0),
            *(int(4e6 * figures["trained, million"]), self._score_bytes),
        )

    @cached_property
    def _score_bytes(self) -> int:
        """Bytes that are stored of a scored frame."""
        frame, names = torch.zeros(1, 8, 8), {n: ["a"] for n in ("uid", "video", "classes")}
        thresholds = tuple(self.params.scoring.thresholds)
        scores = score_frames(frame, frame > 1, **names, frame=[0], thresholds=thresholds, squash=8)
        return sum(array.nbytes for array in scores.arrays().values())


def clips_of(name: str) -> int:
    """Clips of a set by its name, such as `v2/fraction-0.1-0` or `v3/5-shot-control-2`."""
    benchmark, part = name.split("/")
    if part.startswith("fraction-"):
        return round(float(part.split("-")[1]) * CLIPS[f"{benchmark}/train"])
    if "-shot" in part:
        return int(part.split("-")[0]) * NOVEL[benchmark]
    return CLIPS[f"{benchmark}/{part.split('-')[0]}"]


def frames_of(name: str) -> int:
    """Frames of a clip set by its name."""
    benchmark = name.split("/")[0]
    return round(clips_of(name) * (V3_FRAMES if benchmark == "v3" else SECONDS[benchmark]))


def updates_of(row: Row, training: TrainingParams, name: str) -> int:
    """Optimiser steps of a training by its epochs on a clip set of the published size."""
    seconds = SECONDS[name.split("/")[0]]
    if name == "v1s/train" and training.first_mask == "first":
        seconds = 1  # the frames that are learned from
    one_each = row.by_clip or seconds == 1
    samples = clips_of(name) if one_each else frames_of(name)
    size = training.batch_samples(row.by_clip, seconds)
    return training.epochs * (samples // min(size, samples))


def dominating(costs: NominalCosts) -> list[tuple[str, str, int, float]]:
    """Rows and benchmarks whose trainings take the most: name, benchmark, trainings, GPU hours."""
    hours: dict[tuple[str, str], list[float]] = {}
    every = dict.fromkeys(model for models in models_of(costs.params).values() for model in models)
    for model in every:
        key = model.row, model.benchmark
        hours.setdefault(key, []).append(costs.training(model)[0] / 3600)
    ranked = sorted(hours.items(), key=lambda item: -sum(item[1]))
    return [(*key, len(values), sum(values)) for key, values in ranked[:DOMINATING]]


def tuning_hours(costs: NominalCosts) -> float:
    """GPU hours of the search for the rates of the rows on frozen SAM embeddings."""
    params, seed = costs.params, costs.params.seeds[0]
    frozen = [*params.tables.table1.controlled, "audio_sam", "sam_fusion", params.tables.base]
    models = [
        Model(row, benchmark, f"{benchmark}/train", f"{benchmark}/val", seed)
        for row in frozen
        for benchmark in params.tables.table1.benchmarks
    ]
    return RATES_TRIED * sum(costs.training(model)[0] for model in models) / 3600


def lines_text(lines: list[Line]) -> str:
    """Table of the costs of stages that cost something, in Markdown, with their sum."""
    total = [sum(line[key] for line in lines) for key in ("hours", "disk GiB")]
    rows = [
        [line["stage"], line["work"], f"{line['hours']:,.1f}", f"{line['disk GiB']:,.1f}"]
        for line in lines
        if line["hours"] or line["disk GiB"]
    ]
    rows.append(["**all**", "", *(f"**{value:,.1f}**" for value in total)])
    return markdown(Grid(["stage", "work", "GPU hours", "disk, GiB"], rows))
