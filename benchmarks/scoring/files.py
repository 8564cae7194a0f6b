"""Scores of probability maps that lie in a folder, whoever made them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.scoring.metrics import fscore, lit_area, miou

GREY = {"L": 255, "I;16": 65535, "I": 65535}  # Pillow's modes of grey PNGs: the value of 1


def score_folders(predictions: Path, masks: Path) -> tuple[FrameScores, dict[str, float]]:
    """Scores every mask under `masks` with the prediction of the same relative path.

    masks/CLIP/FRAME.png               ground truth: a pixel above 0 sounds (colour: any channel)
    predictions/CLIP/FRAME.png         8- or 16-bit grey: probability = value / 255 or / 65535
    predictions/CLIP/FRAME.npy         or a float array (H, W) of probabilities in 0..1

    CLIP may be several folders deep; frames of one folder are one clip, and a file directly in the
    top folder is a clip of its own. Clips and frames are taken in natural order of their names.
    Predictions have the size of their mask: nothing is resized.

    Returns the scores (classes empty, video = clip) and their headline figures, see `headline`.
    Raises FileNotFoundError for a file without counterpart, ValueError for one that cannot be read
    or scored; both name it.
    """
    truth, found = _files(masks, {".png"}), _files(predictions, {".png", ".npy"})
    for names, folder, other in (
        (truth.keys() - found.keys(), predictions, "masks"),
        (found.keys() - truth.keys(), masks, "predictions"),
    ):
        if names:
            raise FileNotFoundError(
                f"{folder} lacks {len(names)} of the {other}' files, e.g. {min(names)}; "
                "both folders must hold the same relative paths"
            )
    parts, frames = [], {}
    for name in sorted(truth, key=_natural):
        clip = name.rpartition("/")[0] or name
        frames[clip] = frames.get(clip, -1) + 1
        prediction = _read(found[name], _read_prediction)
        mask = _read(truth[name], _read_mask)
        try:
            parts.append(
                score_frames(
                    torch.from_numpy(prediction)[None],
                    torch.from_numpy(mask)[None],
                    uid=[clip],
                    video=[clip],
                    frame=[frames[clip]],
                    classes=[""],
                )
            )
        except ValueError as error:
            raise ValueError(f"{found[name]}: {error}") from error
    scores = FrameScores.concatenate(parts)
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
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix in suffixes and p.is_file()]
    if not paths:
        kinds = " or ".join(sorted(suffixes))
        raise FileNotFoundError(f"{folder} holds no {kinds} files; expected CLIP/FRAME{kinds[:4]}")
    found: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise ValueError(f"{path} and {found[name]} predict one frame; keep one of them")
        found[name] = path
    return found


def _natural(name: str) -> list[str]:
    return [part.zfill(20) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _read(path: Path, reader: Callable[[Path], np.ndarray]) -> np.ndarray:
    try:
        return reader(path)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three
        raise ValueError(f"{path}: {error}") from error


def _read_mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        grey = image.mode in GREY or image.mode == "1"
        pixels = np.asarray(image if grey else image.convert("RGB")) > 0
    return pixels if pixels.ndim == 2 else pixels.any(-1)


def _read_prediction(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        array = np.lib.format.open_memmap(path, mode="r")  # never unpickles, reads no archive
        if array.ndim != 2 or array.dtype.kind != "f":
            raise ValueError(f"{array.dtype} of shape {array.shape}; expected floats (H, W)")
        return array.astype(np.float32)
    with Image.open(path) as image:
        if image.mode not in GREY:
            raise ValueError(f"PNG of Pillow mode {image.mode}; expected 8- or 16-bit grey")
        return np.asarray(image).astype(np.float32) / GREY[image.mode]
