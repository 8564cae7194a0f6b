"""Clips of the miniature world: what is seen, what sounds when, and by which law.

A video has a look (background, things, who sounds); its clips differ in positions, motion, times
and noise. Both come from generators seeded by (seed, benchmark, split, number), so a clip is the
same whoever makes it, and more clips leave the ones before as they are.
"""

import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt

from gavs.method import Config

from .scenes import (
    CLASSES,
    Frame,
    Scene,
    Thing,
    place,
    random_scene,
    random_thing,
)
from .sounds import RATE, mix, synth

Benchmark = Literal["v1s", "v1m", "v2"]
Split = Literal["train", "val", "test"]
Regime = Literal["natural", "balanced"]
Share = Annotated[float, Field(ge=0, le=1)]

BENCHMARKS, SPLITS = ("v1s", "v1m", "v2"), ("train", "val", "test")
SECONDS = {"v1s": 5, "v1m": 5, "v2": 10}
UNSEEN = (  # the default of splits/miniature, for the `unseen` column
    *("disc-stripes", "disc-dots", "square-checker", "triangle-dots"),
    *("star-plain", "star-checker", "plus-stripes", "ring-checker"),
)
OFF_SCREEN = "off-the-screen"  # AVSBench-semantic's pseudo class
SAME_CLASS_RATIO = 1.35  # least ratio of size, hence of pitch, of two objects of one class
_VID = string.ascii_letters + string.digits + "-_"


class WorldConfig(Config):
    """Contents of a world; clips, sizes and shares as in docs/miniature.md."""

    version: Literal["1"] = "1"
    seed: NonNegativeInt = 0
    size: int = Field(128, ge=32)  # pixels of the stored frames
    clips: dict[Benchmark, dict[Split, NonNegativeInt]] = {
        "v1s": {"train": 600, "val": 60, "test": 400},
        "v1m": {"train": 120, "val": 40, "test": 400},
        "v2": {"train": 80, "val": 20, "test": 400},
    }
    regime: dict[Benchmark, Regime] = {"v1s": "natural", "v1m": "balanced", "v2": "balanced"}
    single: Share = 0.6  # natural: videos in which nothing else could sound
    hint: Share = 0.7  # natural: others in which what sounds is the largest or the most central
    same_class: Share = 0.08  # videos with a silent object of a sounding class
    off_screen: Share = 0.05  # clips whose sounding objects are not in view
    interrupted: Share = 0.35  # v2: clips whose first source pauses
    further: Share = 0.25  # chance that a video has another clip (at most 4)


class Job(NamedTuple):
    benchmark: Benchmark
    split: Split
    number: int  # of the clip in its benchmark and split
    video: int
    take: int  # of the clip in its video


@dataclass(frozen=True)
class Clip:
    job: Job
    vid: str
    start: int  # second of the video
    scene: Scene
    heard: tuple[Thing, ...]  # every source, on screen or not
    on: np.ndarray  # (sources, seconds) bool
    noise: int  # seed of sensor noise and sound
    facts: dict  # analysis columns of scenes.csv

    @property
    def uid(self) -> str:
        return f"{self.vid}_{1000 * self.start}_{1000 * (self.start + self.on.shape[1])}"

    @property
    def classes(self) -> str:
        """`a_obj`: the sounding classes, or the pseudo class of an off-screen sound."""
        return OFF_SCREEN if self.facts["off_screen"] else self.facts["heard"]

    def sounding(self, second: int) -> list[bool]:
        """Whether each thing of the scene sounds in a second."""
        loud = [source for source, on in zip(self.heard, self.on[:, second], strict=True) if on]
        return [any(thing is source for source in loud) for thing in self.scene.things]

    def frames(self) -> Iterator[tuple[Frame, np.ndarray]]:
        """Each second's frame with its (S, S) uint8 mask: label + 1 of what sounds, 0 elsewhere."""
        rng = np.random.default_rng([self.noise, 0])
        for second in range(self.on.shape[1]):
            frame = self.scene.frame(rng, second)
            index = [
                t.label + 1 if loud else 0
                for t, loud in zip(frame.things, self.sounding(second), strict=True)
            ]
            yield frame, np.array([*index, 0], np.uint8)[frame.owner]

    def waveform(self) -> np.ndarray:
        """(seconds * 16000,) float32; a source starts and stops at whole seconds."""
        rng = np.random.default_rng([self.noise, 1])
        tracks = []
        for source, on in zip(self.heard, self.on, strict=True):
            first, last = np.flatnonzero(on)[[0, -1]].tolist()
            track = np.zeros(len(on) * RATE, np.float32)
            track[first * RATE : (last + 1) * RATE] = synth(
                rng, source.label, source.radius, last + 1 - first
            )
            tracks.append(track)
        return mix(rng, tracks)


def jobs(config: WorldConfig) -> list[Job]:
    """Every clip of the world; a video's clips follow each other."""
    found = []
    for benchmark in BENCHMARKS:
        for split in SPLITS:
            rng = _generator(config, benchmark, split, 0, 0)
            video, take = -1, 3
            for number in range(config.clips.get(benchmark, {}).get(split, 0)):
                again = rng.uniform() < config.further and take < 3
                video, take = (video, take + 1) if again else (video + 1, 0)
                found.append(Job(benchmark, split, number, video, take))
    return found


def draw_clip(config: WorldConfig, job: Job) -> Clip:
    """The clip of a job; nothing is rendered yet."""
    benchmark, split, number, video, take = job
    regime, seconds = config.regime[benchmark], SECONDS[benchmark]
    look = _generator(config, benchmark, split, 1, video)
    vid = "".join(_VID[i] for i in look.integers(len(_VID), size=11))
    start = int(look.integers(300)) + seconds * take
    things, sources, distractor, hint = _cast(look, config, benchmark, split, video)
    order = look.permutation(len(things))
    stage = random_scene(look, labels=[], size=config.size)  # background and furniture

    rng = _generator(config, benchmark, split, 2, number)
    off_screen = _lot(config, benchmark, split, 3, number) < config.off_screen
    heard = things[:sources]
    if off_screen:
        others = [label for label in range(len(CLASSES)) if label != heard[0].label]
        things = [thing for thing in things[sources:] if thing.label != heard[0].label]
        things = things or [random_thing(rng, int(rng.choice(others)), "source")]
        things = place(rng, things, seconds)
        distractor, hint, order = "other_class", "none", range(len(things))
    else:
        things = place(rng, things, seconds)
        while hint == "central" and not _is_central(things, sources, seconds):
            things = place(rng, things, seconds)
        heard = things[:sources]
    pauses = _lot(config, benchmark, split, 4, number) < config.interrupted
    on = np.ones((len(heard), seconds), bool)
    if benchmark == "v2":
        on = np.array([_interval(rng, seconds, pauses or index > 0) for index in range(len(heard))])
    names = [CLASSES[thing.label] for thing in heard]
    shown = sorted({CLASSES[thing.label] for thing in things})
    return Clip(
        job=job,
        vid=vid,
        start=start,
        scene=replace(stage, things=(*stage.things, *(things[i] for i in order))),
        heard=tuple(heard),
        on=on,
        noise=int(rng.integers(2**32)),
        facts={
            "regime": regime,
            "n_objects": len(things),
            "distractor": distractor,
            "hint": hint,
            "off_screen": off_screen,
            "silent_frames": int((~on.any(0)).sum()),
            "unseen": bool({*names, *shown} & {*UNSEEN}),
            "heard": "_".join(names),
            "shown": "_".join(shown),
        },
    )


def _cast(
    look: np.random.Generator, config: WorldConfig, benchmark: str, split: str, video: int
) -> tuple[list[Thing], int, str, str]:
    """A video's objects (sources first), how many are sources, distractor kind and hint."""
    lots = [_lot(config, benchmark, split, purpose, video) for purpose in range(5, 10)]
    natural = config.regime[benchmark] == "natural"
    sources = 2 if benchmark == "v1m" or (benchmark == "v2" and lots[1] < 0.3) else 1
    if natural:
        silent = 0 if lots[2] < config.single else int(look.integers(1, 3))
    else:
        silent = int(look.integers(1, 5 - sources))  # 2-4 objects, at least one of them silent
    first = int(lots[0] * len(CLASSES))
    labels = [label for label in range(len(CLASSES)) if label != first]
    labels = [first, *look.permutation(labels)[: sources + silent - 1].tolist()]
    distractor = "other_class" if silent else "none"
    if silent and lots[3] < config.same_class:
        distractor, labels[-1] = "same_class", first
    hint = "none"
    if natural and silent and lots[4] < config.hint:
        hint = "larger" if look.uniform() < 0.5 else "central"
    while True:
        things = [random_thing(look, label, "source") for label in labels]
        if hint == "larger":
            radii = sorted((thing.radius for thing in things), reverse=True)
            things = [replace(t, radius=r) for t, r in zip(things, radii, strict=True)]
        ratio = things[0].radius / things[-1].radius
        if distractor != "same_class" or max(ratio, 1 / ratio) >= SAME_CLASS_RATIO:
            return things, sources, distractor, hint


def _is_central(things: list[Thing], sources: int, seconds: int) -> bool:
    """Whether the first `sources` things are nearer the centre than the rest, in mid-clip."""
    distance = [np.hypot(*(np.array(t.at(seconds / 2)) - 64)) for t in things]
    return max(distance[:sources]) < min(distance[sources:])


def _interval(rng: np.random.Generator, seconds: int, pauses: bool) -> np.ndarray:
    """(seconds,) bool: on throughout, or for one interval of 4 seconds or more."""
    length = int(rng.integers(4, seconds)) if pauses else seconds
    begin = int(rng.integers(seconds - length + 1))
    return (np.arange(seconds) >= begin) & (np.arange(seconds) < begin + length)


def _lot(config: WorldConfig, benchmark: str, split: str, purpose: int, number: int) -> float:
    """A uniform number that visits each 24th of [0, 1) once in 24 successive numbers.

    Shares then hold in small splits too, and the first sources go round all classes.
    """
    turn, position = divmod(number, len(CLASSES))
    rng = _generator(config, benchmark, split, purpose, turn)
    return float((rng.permutation(len(CLASSES))[position] + rng.uniform()) / len(CLASSES))


def _generator(
    config: WorldConfig, benchmark: str, split: str, purpose: int, number: int
) -> np.random.Generator:
    place_in_world = BENCHMARKS.index(benchmark), SPLITS.index(split)
    return np.random.default_rng([config.seed, *place_in_world, purpose, number])
