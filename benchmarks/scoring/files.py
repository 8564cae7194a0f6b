"""Scores of probability maps that lie in a folder, whoever made them."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.data.masks import foreign_problem, inverted
from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.scoring.metrics import fscore, lit_area, miou
from gavs.images import open_image
from gavs.reading import reading, shown

GREY = {"L": 255, "I;16": 65535, "I": 65535}  # Pillow's modes of grey PNGs: the value of 1
DARK = 1.5 / 255  # the largest probability of a mask saved as 0 and 1 of 255
log = logging.getLogger(__name__)


class ScoreError(ValueError):
    """A prediction or a mask that can't be scored: its name and why."""


class _Look(NamedTuple):
    """Look of a prediction's numbers."""

    largest: float  # probability
    binary: bool  # nothing but 0 and 1


def score_folders(predictions: Path, masks: Path) -> tuple[FrameScores, dict[str, float]]:
    """Scores every mask under `masks` with the prediction of the same relative path.

    masks/CLIP/FRAME.png               ground truth: a pixel above 0 sounds (colour: any channel)
    predictions/CLIP/FRAME.png         8- or 16-bit grey: probability = value / 255 or / 65535
    predictions/CLIP/FRAME.npy         or a float array (H, W) of probabilities in 0..1

    CLIP may be several folders deep; frames of one folder are one clip, and a file directly in the
    top folder is a clip of its own. Clips and frames are taken in natural order of their names.
    Predictions have the size of their mask: nothing is resized. A mask holds one value above 0, or
    the colours or numbers of AVSBench's classes.

    What is odd but may be meant is logged: binary or all but dark predictions, masks that look
    inverted, files of another kind.

    Returns the scores (classes empty, video = clip) and their headline figures, see `headline`.
    Raises FileNotFoundError for a file without counterpart, ScoreError for one that can't be read
    or scored, and for predictions that are all dark, as 0 and 1 of 255 are; both name the file.
    """
    truth, predicted = _files(masks, {".png"}), _files(predictions, {".png", ".npy"})
    for names, folder, other in (
        (truth.keys() - predicted.keys(), predictions, "masks"),
        (predicted.keys() - truth.keys(), masks, "predictions"),
    ):
        if names:
            raise FileNotFoundError(
                f"{folder} lacks {len(names)} of the {other}' files, e.g. {shown(min(names))}; "
                "both folders must hold the same relative paths"
            )
    frames: dict[str, int] = {}
    parts, looks, turned = [], {}, []
    for name in sorted(truth, key=_natural):
        clip = name.rpartition("/")[0] or name
        frames[clip] = frames.get(clip, -1) + 1
        path = predicted[name]
        with reading(truth[name], ScoreError, "as a mask"):
            mask = _read_mask(truth[name])
        with reading(path, ScoreError, "as a prediction"):
            probabilities = _read_prediction(path)
            _check_size(probabilities.shape, mask.shape)
            scores = score_frames(
                torch.from_numpy(probabilities)[None],
                torch.from_numpy(mask)[None],
                uid=[clip],
                video=[clip],
                frame=[frames[clip]],
                classes=[""],
            )
        parts.append(scores)
        binary = bool(((probabilities == 0) | (probabilities == 1)).all())
        looks[path] = _Look(float(probabilities.max()), binary)
        if inverted(mask):
            turned.append(truth[name])
    scores = FrameScores.concatenate(parts)
    if turned:
        log.warning("%s: lit all round an unlit part, as inverted masks are", _first(turned))
    _judge(looks, bool(scores.target.any()))
    return scores, headline(scores)


def headline(scores: FrameScores) -> dict[str, float]:
    """The figures of the tables, then the variants that papers of the field report."""
    return {
        "frames": len(scores),
        "clips": len(np.unique(scores.uid)),
        "miou": miou(scores),
        "fscore": fscore(scores),
        "miou_threshold_0.4": miou(scores, threshold=0.4),
        "miou_squash": miou(scores, resolution="squash"),
        "miou_dataset": miou(scores, unit="dataset"),
        "miou_hard_empty": miou(scores, empty="hard"),
        "miou_non_empty": miou(scores, empty="skip"),
        "lit_area_on_empty": lit_area(scores),
    }


def _files(folder: Path, suffixes: set[str]) -> dict[str, Path]:
    """Relative name without suffix -> path. Names come from this walk only, never from a file."""
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name[0] != "."]
    others = [p for p in paths if p.suffix.lower() not in suffixes]
    paths = [p for p in paths if p.suffix.lower() in suffixes]
    kinds = " or ".join(sorted(suffixes))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no {kinds} files; expected CLIP/FRAME{kinds[:4]}")
    if others:
        log.warning("%s: not scored, only %s is read", _first(others), kinds)
    by_name: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in by_name:
            raise ScoreError(
                f"{shown(path)} and {shown(by_name[name])} are of one frame; keep one of them"
            )
        by_name[name] = path
    return by_name


def _natural(name: str) -> list[str]:
    return [part.zfill(20) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _first(paths: list[Path]) -> str:
    """The first of some files, and how many more there are."""
    return shown(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _read_mask(path: Path) -> np.ndarray:
    image = open_image(path)
    if problem := foreign_problem(image):
        raise ValueError(problem)
    grey = image.mode in GREY or image.mode == "1"
    pixels: Any = np.asarray(image if grey else image.convert("RGB")) > 0
    return pixels if pixels.ndim == 2 else pixels.any(-1)


def _read_prediction(path: Path) -> np.ndarray:
    """Probabilities (H, W) float32.

    Raises:
        ValueError: another type or shape, or numbers outside 0..1: what they look like.
    """
    if path.suffix.lower() == ".png":
        image = open_image(path)
        if image.mode not in GREY:
            raise ValueError(f"PNG of Pillow mode {image.mode}; expected 8- or 16-bit grey")
        return np.asarray(image).astype(np.float32) / GREY[image.mode]
    array = np.lib.format.open_memmap(path, mode="r")  # never unpickles, reads no archive
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        raise ValueError(f"{array.dtype} of shape {array.shape}; expected floats (H, W)")
    low, high = array.min(), array.max()
    if 0 <= low and high <= 1:
        return array.astype(np.float32)
    if low < 0:
        look = "as logits do: apply a sigmoid"
    elif high <= 255:
        look = f"as {'per cent' if high <= 100 else '8-bit values'} do: divide by 100 or 255"
    else:
        look = "which are no probabilities"
    raise ValueError(f"probabilities must lie in 0..1, found {low:g}..{high:g}, {look}")


def _check_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    if size != expected:
        turned = "; it looks transposed" if size == expected[::-1] else ""
        raise ValueError(f"{size} pixels, but its mask has {expected}{turned}; nothing is resized")


def _judge(looks: Mapping[Path, _Look], sounding: bool) -> None:
    """Judge all predictions of a folder by their look, if anything sounds in it.

    Raises:
        ScoreError: no value above 1 of 255, though there is something to find.
    """
    if not sounding:
        return
    dark = [path for path, look in looks.items() if 0 < look.largest <= DARK]
    if dark and all(look.largest <= DARK for look in looks.values()):
        raise ScoreError(
            f"{_first(dark)}: no value of any prediction is above 1/255, as in masks saved as 0 "
            "and 1 of 255, or 8-bit values in 16-bit files; expected probabilities times 255"
        )
    if dark:
        log.warning("%s: no value above 1/255, as in masks saved as 0 and 1", _first(dark))
    if all(look.binary for look in looks.values()):
        log.warning(
            "all %d predictions are binary, %s first: mIoU at 0.5 is as in the tables, but the "
            "tables' F is the maximum over 255 thresholds, which a binary mask hasn't: don't "
            "compare fscore",
            *(len(looks), shown(next(iter(looks)))),
        )
