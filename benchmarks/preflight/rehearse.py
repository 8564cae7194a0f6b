"""Rehearsal of every stage of the paper profile on clips of noise: `python -m benchmarks rehearse`.

Its numbers are no results. The folders are laid out as the real data sets, the encoders have their
published sizes and random weights, the methods their full width; few clips, single steps, one seed.
It shows, before the first real hour, whether the machine can run every stage.
"""

import logging
import resource
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.common.checks import merge
from benchmarks.params import TABLES, load
from benchmarks.params.files import lower, write_yaml
from benchmarks.params.profile import profile_file
from benchmarks.preflight.fake_data import (
    write_avsbench_object,
    write_avsbench_semantic,
    write_vggsound,
    write_vggss,
)
from benchmarks.preflight.weights import WeightFile, find_weights
from gavs.backbones import build_backbone
from gavs.sam import build_sam
from gavs.vggish import PCA, build_vggish

# Clips per label: GAVS contrasts four videos in a batch, in four shots of V1M's classes too,
# whose control is as many clips of V2's.
CLIPS = {
    "v1s": {"train": 4, "val": 2, "test": 2},
    "v1m": {"train": 6, "val": 2, "test": 2},
    "v2": {"train": 8, "val": 2, "test": 2},
}
SIZE = (1280, 720)  # pixels of a frame
UNSEEN, SEEN = ("dog", "cat"), ("horse", "guitar", "man", "baby")  # V1M's classes, the others'
NOVEL, MAPPED = "wind chime", "dog barking"  # VGG-SS's labels: 15 clips make a novel one
IMAGES = [NOVEL] * 15 + [MAPPED] * 6
CUT = {  # most that any block of params.yaml may ask for
    "epochs": 1,
    "steps": 1,
    "freeze_epochs": 0,
    "validate_from": 0,
    "batch_frames": 4,  # a frame takes 4 GiB where the image encoder is adapted
    "batch_clips": 2,
    "whole_clips": False,  # of methods that see single frames
}
CHANGES = {
    "profile": "rehearsal",
    "results": "work/rehearsal/results",
    "seeds": [0],
    "data": {
        "root": "avsbench",
        "vggss": "vggss",
        "vggsound": {"root": "vggsound", "list": "train", "val_clips": 2},
    },
    "protocol": {
        "unseen": "unseen.csv",
        "vggss_labels": "vggss_labels.csv",
        "vggss_heard": None,
        "seen_test_folds": 2,  # of ten: of twelve seen videos eight are learned from
        "shots": [4],
        "draws": [0],
        "fractions": [0.9],
        "fraction_draws": [0],
        "fraction_videos": 1,
    },
    "features": {"batch_size": 1, "precision": "fp32", "live": []},  # on CPUs
    "training": {"steps": 1},
    "scoring": {"frames_per_clip": 1, "floor_seeds": []},
    "tables": {"ablated": [], "paired": [], "table1": {"pairs": []}},  # no stage of their own
}
Command = Callable[[list[str]], int]  # `python -m benchmarks` in this process: its exit code
log = logging.getLogger(__name__)


def rehearse(params: Path, folder: Path, workers: int, command: Command) -> bool:
    """Make the folder unless it is there, and run every stage in it; returns whether all succeeded.

    The same command continues where it stopped. It needs 20 GB of disk and up to 22 GiB of memory
    per worker (docs/real-data.md has its times).
    """
    start = time.monotonic()
    if not (folder / "params.yaml").is_file():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make(params, part)
        part.rename(folder)
    log.info("data sets and weights: %.0f s", time.monotonic() - start)
    stages = [("data",), ("features",), *(("run", table) for table in TABLES), ("report",)]
    return run(folder, stages, workers, command)


def make(
    params: Path,
    folder: Path,
    clips: Mapping[str, Mapping[str, int]] = CLIPS,
    images: Sequence[str] = IMAGES,
    changes: Mapping[str, Any] = {},
) -> None:
    """Make a project folder: data sets, weights, and params.yaml with the paper profile cut short.

    Args:
        clips: by label and split; V1S and V1M in AVSBench-object's layout, V2 in the semantic one.
        images: labels of VGG-SS's clips.
        changes: to params.yaml, after all others.
    """
    root = folder / "avsbench"
    root.mkdir(parents=True)
    for label, counts in clips.items():
        options: dict[str, Any] = {"labels": [label], "clips_per_split": counts, "several": False}
        if label == "v2":
            write_avsbench_semantic(root, size=SIZE, classes=SEEN, **options)
        else:  # V1M's oddities would leave its shots too few
            classes = UNSEEN if label == "v1m" else SEEN
            write_avsbench_object(root, classes=classes, odd=label == "v1s", **options)
    files = write_vggss(folder / "vggss", len(images), SIZE, images, odd=False)
    write_vggsound(folder / "vggsound", "train", 6, SIZE, files[:1])
    (folder / "unseen.csv").write_text("\n".join(["class", *UNSEEN]) + "\n")
    (folder / "vggss_labels.csv").write_text(f"label,class\n{NOVEL},\n{MAPPED},{UNSEEN[0]}\n")
    path, paper = folder / "params.yaml", load(profile_file("paper", params))
    weights = {name: {"weights": f"weights/{name}.pth"} for name, _ in paper.encoders}
    values = lower(paper.model_dump(mode="json"), CUT)
    for change in (CHANGES, {"encoders": weights}, changes):
        values = merge(values, change)
    write_yaml(path, values)
    (folder / "weights").mkdir()
    for file in find_weights(load(path)):
        torch.save(_untrained(file).state_dict(), folder / file.path)


def _untrained(file: WeightFile) -> nn.Module:
    """Build an encoder with random weights by the published names and of the published shapes."""
    if file.encoder == "sam":
        return build_sam(file.size)
    if file.encoder == "vggish":
        return build_vggish(file.size)
    if file.encoder == "vggish_pca":
        return PCA()
    return build_backbone(file.size).net


def run(folder: Path, stages: Sequence[Sequence[str]], workers: int, command: Command) -> bool:
    """Run stages one after the other, also after one has failed; print how long each took.

    Returns whether all succeeded.
    """
    lines, succeeded = [], True
    with chdir(folder):
        for stage in stages:
            start = time.monotonic()
            options = [] if stage[0] == "report" else ["--workers", str(workers)]
            failed = command([*stage, *options])
            seconds = time.monotonic() - start
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            outcome = "FAILED" if failed else "done"
            lines.append(f"{' '.join(stage):<20} {outcome:<7} {seconds:7.0f} s {memory:6.1f} GiB")
            log.info(lines[-1])
            succeeded &= not failed
    print("stage, its time, and the most memory that a worker process has taken by its end:")
    print("\n".join(lines))
    return succeeded
