"""Scores of probability maps that lie in a folder, whoever made them."""

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.common.workers import worker_pool
from benchmarks.data.masks import foreign_problem, inverted
from benchmarks.scoring.boxes import BoxScores, score_boxes
from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.scoring.metrics import fscore, lit_area, miou
from benchmarks.scoring.npz import read_arrays
from gavs.images import open_image
from gavs.reading import reading, shown

GREY = {"L": 255, "I;16": 65535, "I": 65535}  # Pillow's modes of grey PNGs: the value of 1
CHUNK = 32  # frames of a task
PREDICTIONS = {".png", ".npy", ".npz"}
Resized = Literal["map", "mask"]
EDGE = 1e-7  # probabilities nearer to 0 or 1 have the logit of this one
DARK = 1.5 / 255  # the largest probability of a mask saved as 0 and 1 of 255
log = logging.getLogger(__name__)


class ScoreError(ValueError):
    """A prediction or a mask that can't be scored: its name and why."""


class _Look(NamedTuple):
    """Look of a prediction's numbers."""

    largest: float  # probability
    binary: bool  # nothing but 0 and 1
    inverted: bool  # its mask
    size: tuple[int, int] | None  # where it isn't the mask's


class Item(NamedTuple):
    """A prediction, its mask and what its counts are filed under."""

    prediction: Path
    mask: Path
    uid: str
    video: str
    frame: int
    classes: str = ""


def score_folders(
    predictions: Path, masks: Path, workers: int = 1
) -> tuple[FrameScores, dict[str, float]]:
    """Scores every mask under `masks` with the prediction of the same relative path.

    masks/CLIP/FRAME.png               ground truth: a pixel above 0 sounds (colour: any channel)
    predictions/CLIP/FRAME.png         8- or 16-bit grey: probability = value / 255 or / 65535
    predictions/CLIP/FRAME.npy, .npz   or one float array (H, W) of probabilities in 0..1

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
    truth, predicted = list_files(masks, {".png"}), list_files(predictions, PREDICTIONS)
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
    items = []
    for name in sorted(truth, key=_natural):
        clip = name.rpartition("/")[0] or name
        frames[clip] = frames.get(clip, -1) + 1
        items.append(Item(predicted[name], truth[name], clip, clip, frames[clip]))
    counted = count_files(items, workers)
    if counted.inverted:
        log.warning("%s: lit all round an unlit part, as inverted masks are", counted.inverted)
    return counted.scores, headline(counted.scores)


class Counted(NamedTuple):
    """Counts of many files, in order, and what their look tells of them."""

    scores: FrameScores
    binary: bool  # no prediction has a value but 0 and 1
    resized: dict[tuple[int, int], int]  # predictions by their size, where it isn't their mask's
    inverted: str  # the first mask that looks inverted, and how many more


def count_files(items: Sequence[Item], workers: int = 1, resized: Resized | None = None) -> Counted:
    """Count every prediction against its mask, decoding in `workers` processes.

    Memory holds a chunk of pictures a worker and 4 kB a frame. On a terminal a bar has the time
    left. What is odd but may be meant is logged: binary or all but dark predictions.

    Args:
        resized: how a prediction of another size than its mask is taken: `map` bilinearly, `mask`
            to the nearest pixel, as `score_frames` resizes probabilities and targets; None: not.

    Raises:
        ScoreError, FileNotFoundError: as `score_folders`.
    """
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    count = partial(_count, resized=resized)
    parts: list[FrameScores] = []
    looks: dict[Path, _Look] = {}
    with tqdm(total=len(items), desc="frames", disable=None, leave=False) as bar:
        for scores, seen in mapped(count, chunks, workers):
            parts.append(scores)
            looks |= seen
            bar.update(len(seen))
    joined = FrameScores.concatenate(parts)
    _judge(looks, bool(joined.target.any()))
    sizes = Counter(look.size for look in looks.values() if look.size)
    turned = [item.mask for item in items if looks[item.prediction].inverted]
    binary = all(look.binary for look in looks.values())
    return Counted(joined, binary, dict(sizes), _first(turned) if turned else "")


def mapped(function: Callable, tasks: Sequence, workers: int) -> Iterator:
    """Results in order; a few tasks a worker at a time, so that what is done can't pile up."""
    if workers == 1 or len(tasks) == 1:
        yield from map(function, tasks)
        return
    with worker_pool(min(workers, len(tasks))) as pool:
        waiting = deque(pool.submit(function, task) for task in tasks[: 2 * workers])
        rest = iter(tasks[2 * workers :])
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, task) for task in islice(rest, 1))


def _count(items: Sequence[Item], resized: Resized | None) -> tuple[FrameScores, dict[Path, _Look]]:
    """Count one chunk, a frame at a time."""
    parts, looks = [], {}
    for item in items:
        mask = read_mask(item.mask)
        probabilities, size = read_prediction(item.prediction, mask.shape, resized)
        with reading(item.prediction, ScoreError, "as a prediction"):  # NaN among its numbers
            scores = score_frames(
                probabilities[None],
                mask[None],
                uid=[item.uid],
                video=[item.video],
                frame=[item.frame],
                classes=[item.classes],
            )
        binary = bool(((probabilities == 0) | (probabilities == 1)).all())
        largest, other = float(probabilities.max()), size if size != mask.shape else None
        looks[item.prediction] = _Look(largest, binary, inverted(mask), other)
        parts.append(scores)
    return FrameScores.concatenate(parts), looks


def count_boxes(
    predictions: Sequence[Path],
    boxes: Sequence[Sequence[Sequence[float]]],
    *,
    uid: Sequence[str],
    video: Sequence[str],
    classes: Sequence[str],
    masks: bool = False,
) -> BoxScores:
    """Count heat maps of any size, one an image, against the image's boxes.

    They are taken as probabilities and resized as logits, as those of the suite's rows are.

    Raises:
        ScoreError, FileNotFoundError: a file can't be read.
    """
    parts = []
    places = zip(predictions, boxes, uid, video, classes, strict=True)
    for path, truth, *names in tqdm(places, "images", len(uid), disable=None, leave=False):
        with reading(path, ScoreError, "as a prediction"):
            p = np.clip(_probabilities(path, masks), EDGE, 1 - EDGE)
            logits = np.log(p / (1 - p))
            clip, source, label = names
            parts.append(
                score_boxes(logits[None], [truth], uid=[clip], video=[source], classes=[label])
            )
    return BoxScores.concatenate(parts)


def _to_size(probabilities: np.ndarray, size: tuple[int, int], how: Resized) -> np.ndarray:
    """Resize (h, w) float32 to (H, W): by the nearest pixel, or bilinearly with antialiasing."""
    method = Image.Resampling.NEAREST if how == "mask" else Image.Resampling.BILINEAR
    resized = Image.fromarray(probabilities).resize(size[::-1], method)
    return np.clip(np.asarray(resized), 0, 1)


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


def list_files(folder: Path, suffixes: set[str]) -> dict[str, Path]:
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


def read_mask(path: Path) -> np.ndarray:
    """Ground truth (H, W) bool.

    Raises:
        ScoreError, FileNotFoundError: it can't be read, or isn't a mask.
    """
    with reading(path, ScoreError, "as a mask"):
        image = open_image(path)
        if problem := foreign_problem(image):
            raise ValueError(problem)
        grey = image.mode in GREY or image.mode == "1"
        pixels: Any = np.asarray(image if grey else image.convert("RGB")) > 0
        return pixels if pixels.ndim == 2 else pixels.any(-1)


def read_prediction(
    path: Path, size: tuple[int, int], resized: Resized | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Probabilities (H, W) float32 of its mask's size, and the size that it had.

    Raises:
        ScoreError, FileNotFoundError: it can't be read, or has another size and isn't resized.
    """
    with reading(path, ScoreError, "as a prediction"):
        probabilities = _probabilities(path, masks=resized == "mask")
        before = probabilities.shape
        if resized and before != size and before != size[::-1]:
            probabilities = _to_size(probabilities, size, resized)
        _check_size(probabilities.shape, size)
        return probabilities, before


def _probabilities(path: Path, masks: bool = False) -> np.ndarray:
    """Probabilities (H, W) float32.

    Args:
        masks: a colour, palette or one-bit PNG is a mask, lit where it isn't black.

    Raises:
        ValueError: another type or shape, or numbers outside 0..1: what they look like.
    """
    if path.suffix.lower() == ".png":
        image = open_image(path)
        if masks and image.mode in ("1", "P", "RGB"):
            colours: Any = np.asarray(image.convert("RGB"))
            return colours.any(-1).astype(np.float32)
        if image.mode not in GREY:
            raise ValueError(f"PNG of Pillow mode {image.mode}; expected 8- or 16-bit grey")
        return np.asarray(image).astype(np.float32) / GREY[image.mode]
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        if len(arrays) != 1:
            raise ValueError(f"{len(arrays)} arrays, {shown(str(sorted(arrays)))}; expected one")
        array: Any = next(iter(arrays.values()))
    else:
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
