"""Scores of probability maps that lie in a folder, whoever made them."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.common.ahead import in_order
from benchmarks.common.workers import worker_pool
from benchmarks.data.masks import inverted
from benchmarks.scoring.boxes import BoxScores, score_boxes
from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.scoring.decoding import (
    PREDICTIONS,
    Resized,
    ScoreError,
    first_of,
    list_files,
    read_map,
    read_mask,
    read_prediction,
)
from benchmarks.scoring.metrics import fscore, lit_area, miou
from gavs.reading import shown

CHUNK = 32  # frames of a task
EDGE = 1e-7  # probabilities nearer to 0 or 1 have the logit of this one
DARK = 1.5 / 255  # the largest probability of a mask saved as 0 and 1 of 255
log = logging.getLogger(__name__)


class _Look(NamedTuple):
    """Look of a prediction's numbers."""

    path: Path
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
    top folder is a clip of its own, which no folder has the name of. Clips and frames are taken in
    natural order of their names. Predictions have the size of their mask: nothing is resized. A
    mask holds one value above 0, or the colours or numbers of AVSBench's classes.

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
    folders = {name.rpartition("/")[0] for name in truth}
    if both := sorted(name for name in truth if "/" not in name and name in folders):
        raise ScoreError(
            f"{shown(truth[both[0]])}: a clip of its own, but a folder of this name is one too; "
            "rename the file, or move it into the folder"
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
    looks: list[_Look] = []
    with tqdm(total=len(items), desc="frames", disable=None, leave=False) as bar:
        for scores, seen in mapped(count, chunks, workers):
            parts.append(scores)
            looks += seen
            bar.update(len(seen))
    joined = FrameScores.concatenate(parts)
    _judge(looks, bool(joined.target.any()))
    sizes = Counter(look.size for look in looks if look.size)
    turned = [item.mask for item, look in zip(items, looks, strict=True) if look.inverted]
    binary = all(look.binary for look in looks)
    return Counted(joined, binary, dict(sizes), first_of(turned) if turned else "")


def mapped(function: Callable, tasks: Sequence, workers: int) -> Iterator:
    """Results in order; a few tasks a worker at a time, so that what is done can't pile up."""
    if workers == 1 or len(tasks) == 1:
        yield from map(function, tasks)
        return
    with worker_pool(min(workers, len(tasks))) as pool:
        yield from in_order(pool, function, tasks, 2 * workers - 1)


def _count(items: Sequence[Item], resized: Resized | None) -> tuple[FrameScores, list[_Look]]:
    """Count one chunk, a frame at a time."""
    parts, looks = [], []
    for item in items:
        mask = read_mask(item.mask)
        probabilities, size = read_prediction(item.prediction, mask.shape, resized)
        scores = score_frames(
            probabilities[None],
            mask[None],
            uid=[item.uid],
            video=[item.video],
            frame=[item.frame],
            classes=[item.classes],
        )
        other = size if size != mask.shape else None
        looks.append(_look(item.prediction, probabilities, inverted(mask), other))
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
        ScoreError, FileNotFoundError: a file can't be read; or all of them are dark.
    """
    parts, looks = [], []
    places = zip(predictions, boxes, uid, video, classes, strict=True)
    for path, truth, *names in tqdm(places, "images", len(uid), disable=None, leave=False):
        probabilities = read_map(path, masks)
        looks.append(_look(path, probabilities))
        p = np.clip(probabilities, EDGE, 1 - EDGE)
        logits = np.log(p / (1 - p))
        clip, source, label = names
        parts.append(
            score_boxes(logits[None], [truth], uid=[clip], video=[source], classes=[label])
        )
    joined = BoxScores.concatenate(parts)
    _judge(looks, bool(joined.target.any()))
    return joined


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


def _natural(name: str) -> list[str]:
    return [part.zfill(20) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _look(
    path: Path,
    probabilities: np.ndarray,
    inverted: bool = False,
    size: tuple[int, int] | None = None,
) -> _Look:
    binary = bool(((probabilities == 0) | (probabilities == 1)).all())
    return _Look(path, float(probabilities.max()), binary, inverted, size)


def _judge(looks: Collection[_Look], sounding: bool) -> None:
    """Judge all predictions of a folder by their look, if anything sounds in it.

    Raises:
        ScoreError: no value above 1 of 255, though there is something to find.
    """
    if not sounding:
        return
    dark = [look.path for look in looks if 0 < look.largest <= DARK]
    if dark and all(look.largest <= DARK for look in looks):
        raise ScoreError(
            f"{first_of(dark)}: no value of any prediction is above 1/255, as in masks saved as 0 "
            "and 1 of 255, or 8-bit values in 16-bit files; expected probabilities times 255"
        )
    first = shown(next(iter(looks)).path)
    if dark:
        log.warning("%s: no value above 1/255, as in masks saved as 0 and 1", first_of(dark))
    if all(look.largest == 0 for look in looks):
        log.warning("all %d predictions are 0 everywhere, %s first", len(looks), first)
    elif all(look.binary for look in looks):
        log.warning(
            "all %d predictions are binary, %s first: mIoU at 0.5 is as in the tables, but the "
            "tables' F is the maximum over 255 thresholds, which a binary mask hasn't: don't "
            "compare fscore",
            *(len(looks), first),
        )
