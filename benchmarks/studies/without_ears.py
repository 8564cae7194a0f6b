"""Rules without ears: what scores on the miniature that sees perfect outlines and doesn't hear.

A rule takes some of the clip's objects: all, one at random, the largest (by visible pixels) or the
one whose position is nearest the middle; on V1M, where two sound, two of them. Scored are the
default test clips at the scored frame, by the mean over clips of the IoU with what sounds; two
empty masks count 1. On VGG-SS the boxes around the outlines are scored. `a random object` is the
mean over all choices.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.miniature.backgrounds import EXTENT
from benchmarks.miniature.clips import Clip, clip_keys, draw_clip
from benchmarks.miniature.config import Benchmark, WorldConfig
from benchmarks.miniature.scenes import Frame
from benchmarks.miniature.vggss import MIDDLE, middle_frame
from benchmarks.scoring.frames import scored_frames

SOURCES: Mapping[Benchmark, int] = {"v1s": 1, "v1m": 2, "v2": 1, "vggss": 1}
FIELDS = ("world", "benchmark", "regime", "rule", "miou")


def without_ears() -> list[str]:
    """Lines of without_ears.csv: the default world's test clips, natural and balanced."""
    lines = [",".join(FIELDS)]
    for benchmark in SOURCES:
        for regime in ("natural",) if benchmark == "vggss" else ("natural", "balanced"):
            config = WorldConfig.model_validate({"regime": {benchmark: regime}})
            ious = defaultdict(list)
            for key in clip_keys(config, [benchmark]):
                if key.split == "test":
                    for rule, iou in rules(draw_clip(config, key), SOURCES[benchmark]).items():
                        ious[rule].append(iou)
            lines += [
                f"{config.version},{benchmark},{regime},{rule},{np.mean(values):.2f}"
                for rule, values in ious.items()
            ]
    return lines


def rules(clip: Clip, sources: int) -> dict[str, float]:
    """IoU (0..1) of each rule on a clip's scored frame."""
    boxed = clip.key.benchmark == "vggss"
    second = MIDDLE if boxed else scored_frames(clip.on.shape[1], 1)[0]
    frame = middle_frame(clip) if boxed else clip.scene.frame(np.random.default_rng(0), second)
    truth = [k for k, loud in enumerate(clip.sounding(int(second))) if loud]
    objects = [k for k, thing in enumerate(frame.things) if thing.label >= 0]
    pixels = frame.visible.sum((1, 2))
    middle = (EXTENT / 2, EXTENT / 2)
    away = [math.dist(thing.at(second), middle) for thing in frame.things]
    choices: dict[str, list[Sequence[int]]] = {
        "largest object": [sorted(objects, key=lambda k: -pixels[k])[:sources]],
        "most central object": [sorted(objects, key=lambda k: away[k])[:sources]],
        "a random object": list(itertools.combinations(objects, min(sources, len(objects)))),
        "all objects": [objects],
    }
    lit = _lit(frame, truth, boxed)
    return {
        rule: float(np.mean([_iou(_lit(frame, chosen, boxed), lit) for chosen in taken]))
        for rule, taken in choices.items()
    }


def _lit(frame: Frame, things: Sequence[int], boxed: bool) -> np.ndarray:
    """Union of the things' visible pixels, or of the boxes around them, (S, S) bool."""
    lit = np.zeros(frame.owner.shape, bool)
    for visible in frame.visible[list(things)]:
        if boxed and visible.any():
            rows, columns = (np.flatnonzero(visible.any(axis)) for axis in (1, 0))
            lit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        else:
            lit |= visible
    return lit


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0
