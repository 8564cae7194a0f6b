"""Clips of the miniature world: the law by which things are seen and sound.

A video has a look (background, things, who sounds); its clips differ in positions, motion, times
and noise. Both come from generators seeded by (seed, benchmark, split, number), so a clip is the
same whoever makes it, and more clips leave the ones before as they are.

AVSBench's part (v1s, v1m, v2) is in the style `source` and knows nothing of the foreign classes;
VGG-SS's (vggss) is in the style `shifted` and has them all. VGG-Sound's (vggsound) is drawn by
VGG-SS's law, but for the classes that sound.
"""

import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .config import AVSBENCH, BENCHMARKS, SPLITS, Benchmark, Split, WorldConfig
from .scenes import (
    CLASSES,
    NEAR,
    RADIUS,
    Frame,
    Scene,
    Thing,
    place,
    random_scene,
    random_thing,
)
from .sounds import RATE, TRANSPOSE, mix, synth

SECONDS = {"v1s": 5, "v1m": 5, "v2": 10, "vggss": 10, "vggsound": 10}
# Chance that a video has another clip, as 5,158 clips of 5,017 videos and 144,000 of 124,340.
FURTHER = {"vggss": 0.03, "vggsound": 0.14}
# Known to the encoders, not in AVSBench: a class of each texture, no two of a shape, no look-alike.
FOREIGN = ("square-dots", "triangle-plain", "plus-checker", "ring-stripes")
HOME = tuple(name for name in CLASSES if name not in FOREIGN)
# Never sound in VGG-Sound's part: two of each texture, one or two of each shape, two foreign ones;
# none that looks or sounds like a heard one.
UNHEARD = (
    *("disc-checker", "disc-dots", "square-plain", "triangle-plain"),
    *("star-dots", "plus-stripes", "ring-stripes", "ring-checker"),
)
# Classes that the first sources of successive videos go round. Half of VGG-SS's are foreign, so
# that enough clips remain to test on after some of each class were learned from.
ROUND: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(AVSBENCH, HOME),
    "vggss": HOME + 5 * FOREIGN,
    "vggsound": tuple(name for name in CLASSES if name not in UNHEARD),
}
SHOWN: dict[str, tuple[str, ...]] = {  # classes that the other things are drawn from
    **dict.fromkeys(AVSBENCH, HOME),
    **dict.fromkeys(FURTHER, CLASSES),
}
UNSEEN = (  # the default of splits/miniature, for the `unseen` column
    *("disc-stripes", "disc-dots", "square-plain", "triangle-dots"),
    *("star-plain", "star-checker", "plus-stripes", "ring-checker"),
)
OFF_SCREEN = "off-the-screen"  # AVSBench-semantic's pseudo class
SAME_CLASS_RATIO = 1.35  # least ratio of size, hence of pitch, of two objects of one class
_VID = string.ascii_letters + string.digits + "-_"


class ClipKey(NamedTuple):
    """Place of a clip in a world; with the configuration it decides all of the clip."""

    benchmark: Benchmark
    split: Split
    number: int  # of the clip in its benchmark and split
    video: int
    take: int  # of the clip in its video

    @property
    def style(self) -> str:
        return "source" if self.benchmark in AVSBENCH else "shifted"


@dataclass(frozen=True)
class Clip:
    """One clip, drawn but not rendered."""

    key: ClipKey
    vid: str
    start: int  # second of the video
    scene: Scene
    heard: tuple[Thing, ...]  # every source, on screen or not
    sizes: tuple[float, ...]  # radius of each in RADIUS, whatever the camera's distance: its pitch
    on: np.ndarray  # (sources, seconds) bool
    noise: int  # seed of sensor noise and sound
    facts: dict  # analysis columns of scenes.csv

    @property
    def uid(self) -> str:
        return f"{self.vid}_{1000 * self.start}_{1000 * (self.start + self.on.shape[1])}"

    @property
    def file(self) -> str:
        """Id in VGG-SS's and VGG-Sound's manner."""
        return f"{self.vid}_{self.start:06d}"

    @property
    def classes(self) -> str:
        """Value of `a_obj`: the sounding classes, or the pseudo class of an off-screen sound."""
        return OFF_SCREEN if self.facts["off_screen"] else self.facts["heard"]

    def sounding(self, second: int) -> list[bool]:
        """Whether each thing of the scene sounds in a second."""
        loud = [source for source, on in zip(self.heard, self.on[:, second], strict=True) if on]
        return [any(thing is source for source in loud) for thing in self.scene.things]

    def frames(self) -> Iterator[tuple[Frame, np.ndarray]]:
        """Render AVSBench's frames: per second a frame and a (S, S) uint8 mask.

        A mask holds 1 + the index in HOME of what sounds, 0 elsewhere.
        """
        rng = np.random.default_rng([self.noise, 0])
        for second in range(self.on.shape[1]):
            frame = self.scene.frame(rng, second)
            index = [
                1 + HOME.index(CLASSES[t.label]) if loud else 0
                for t, loud in zip(frame.things, self.sounding(second), strict=True)
            ]
            yield frame, np.array([*index, 0], np.uint8)[frame.owner]

    def waveform(self) -> np.ndarray:
        """Synthesise (seconds * 16000,) float32; sources start and stop at whole seconds."""
        rng = np.random.default_rng([self.noise, 1])
        tracks = []
        for source, size, on in zip(self.heard, self.sizes, self.on, strict=True):
            first, last = np.flatnonzero(on)[[0, -1]].tolist()
            track = np.zeros(len(on) * RATE, np.float32)
            track[first * RATE : (last + 1) * RATE] = synth(
                rng, source.label, size, last + 1 - first, TRANSPOSE[self.key.style]
            )
            tracks.append(track)
        return mix(rng, tracks, self.key.style)


def clip_keys(config: WorldConfig, benchmarks: Sequence[Benchmark] = BENCHMARKS) -> list[ClipKey]:
    """List the clips of a world; a video's clips follow each other."""
    keys = []
    for benchmark in benchmarks:
        further = FURTHER.get(benchmark, config.further)
        for split in SPLITS:
            rng = _generator(config, benchmark, split, 0, 0)
            video, take = -1, 3
            for number in range(config.clips.get(benchmark, {}).get(split, 0)):
                again = rng.uniform() < further and take < 3
                video, take = (video, take + 1) if again else (video + 1, 0)
                keys.append(ClipKey(benchmark, split, number, video, take))
    return keys


def draw_clip(config: WorldConfig, key: ClipKey) -> Clip:
    """Draw a clip; nothing is rendered yet."""
    benchmark, split, number, video, take = key
    regime, seconds = config.regime[benchmark], SECONDS[benchmark]
    look = _generator(config, benchmark, split, 1, video)
    vid, start = _name(look)
    if benchmark == "vggss" and _lot(config, benchmark, split, 10, video) < config.shared:
        vid, start = _name_of_v2(config, video) or (vid, start)
    start += seconds * take
    things, sources, distractor, hint = _cast(look, config, key)
    order: Sequence[int] | np.ndarray = look.permutation(len(things))
    stage = random_scene(look, key.style, labels=[], size=config.size)  # and furniture

    rng = _generator(config, benchmark, split, 2, number)
    off_screen = (
        benchmark in AVSBENCH and _lot(config, benchmark, split, 3, number) < config.off_screen
    )
    heard = things[:sources]
    sizes = tuple(thing.radius for thing in heard)
    if off_screen:
        others = _others(benchmark, heard[0].label)
        things = [thing for thing in things[sources:] if thing.label != heard[0].label]
        things = things or [random_thing(rng, int(rng.choice(others)), key.style)]
        things = place(rng, things, seconds)
        distractor, hint, order = "other_class", "none", range(len(things))
    else:
        if benchmark not in AVSBENCH:  # one camera for all things of a video, as near as it may be
            zoom = look.uniform(*NEAR) / max(thing.radius for thing in things)
            things = [replace(thing, radius=zoom * thing.radius) for thing in things]
        unplaced = things
        things = place(rng, unplaced, seconds)
        while hint == "central" and not _is_central(things, sources, seconds):
            things = place(rng, unplaced, seconds)
        heard = things[:sources]
    pauses = _lot(config, benchmark, split, 4, number) < config.interrupted
    on = np.ones((len(heard), seconds), bool)
    if benchmark == "v2":
        on = np.array([_interval(rng, seconds, pauses or index > 0) for index in range(len(heard))])
    sounding = dict.fromkeys(CLASSES[thing.label] for thing in heard)
    visible = sorted({CLASSES[thing.label] for thing in things})
    return Clip(
        key=key,
        vid=vid,
        start=start,
        scene=replace(stage, things=(*stage.things, *(things[i] for i in order))),
        heard=tuple(heard),
        sizes=sizes,
        on=on,
        noise=int(rng.integers(2**32)),
        facts={
            "regime": regime,
            "n_objects": len(things),
            "distractor": distractor,
            "hint": hint,
            "off_screen": off_screen,
            "silent_frames": int((~on.any(0)).sum()),
            "unseen": bool({*sounding, *visible} & {*UNSEEN}),
            "heard": "_".join(sounding),
            "shown": "_".join(visible),
        },
    )


def _name(look: np.random.Generator) -> tuple[str, int]:
    """Draw a video's id and the second at which its first clip starts."""
    vid = "".join(_VID[i] for i in look.integers(len(_VID), size=11))
    return vid, int(look.integers(300))


def _name_of_v2(config: WorldConfig, video: int) -> tuple[str, int] | None:
    """Pick the id of a V2 training video, and a start that no other VGG-SS video of it has."""
    names = 1 + max(
        (key.video for key in clip_keys(config, ["v2"]) if key.split == "train"), default=-1
    )
    if names == 0:
        return None
    turn, video = divmod(video, names)
    vid, start = _name(_generator(config, "v2", "train", 1, video))
    return vid, start + 7 * turn  # with a video's clips 10 s apart no two coincide


def _cast(
    look: np.random.Generator, config: WorldConfig, key: ClipKey
) -> tuple[list[Thing], int, str, str]:
    """Draw a video's objects (sources first), their number of sources, distractor kind, hint."""
    benchmark = key.benchmark
    lots = [_lot(config, benchmark, key.split, purpose, key.video) for purpose in range(5, 10)]
    natural = config.regime[benchmark] == "natural"
    pairs = {"v1s": 0.0, "v1m": 1.0, "v2": 0.3}
    sources = 2 if lots[1] < pairs.get(benchmark, config.crowd) else 1
    if natural:
        silent = 0 if lots[2] < config.single else int(look.integers(1, 3))
    else:
        silent = int(look.integers(1, 5 - sources))  # 2-4 objects, at least one of them silent
    first = CLASSES.index(ROUND[benchmark][int(lots[0] * len(ROUND[benchmark]))])
    labels = [first, *look.permutation(_others(benchmark, first))[: sources + silent - 1].tolist()]
    if benchmark not in AVSBENCH:
        labels[:sources] = [first] * sources
    distractor = "other_class" if silent else "none"
    if silent and lots[3] < config.same_class:
        distractor, labels[-1] = "same_class", first
    hint = "none"
    if natural and silent and lots[4] < config.hint:
        hint = "larger" if look.uniform() < 0.5 else "central"
    while True:
        things = [random_thing(look, label, key.style) for label in labels]
        if benchmark not in AVSBENCH:  # videos about their sound: the larger half of the sizes
            things = [replace(t, radius=math.sqrt(t.radius * RADIUS[1])) for t in things]
        if hint == "larger":
            radii = sorted((thing.radius for thing in things), reverse=True)
            things = [replace(t, radius=r) for t, r in zip(things, radii, strict=True)]
        ratio = things[0].radius / things[-1].radius
        if distractor != "same_class" or max(ratio, 1 / ratio) >= SAME_CLASS_RATIO:
            return things, sources, distractor, hint


def _others(benchmark: str, label: int) -> list[int]:
    return [CLASSES.index(name) for name in SHOWN[benchmark] if name != CLASSES[label]]


def _is_central(things: list[Thing], sources: int, seconds: int) -> bool:
    """Whether the first `sources` things are nearer the centre than the rest, in mid-clip."""
    distance = [np.hypot(*(np.array(t.at(seconds / 2)) - 64)) for t in things]
    return max(distance[:sources]) < min(distance[sources:])


def _interval(rng: np.random.Generator, seconds: int, pauses: bool) -> np.ndarray:
    """Draw (seconds,) bool: on throughout, or for one interval of 4 seconds or more."""
    length = int(rng.integers(4, seconds)) if pauses else seconds
    begin = int(rng.integers(seconds - length + 1))
    return (np.arange(seconds) >= begin) & (np.arange(seconds) < begin + length)


def _lot(config: WorldConfig, benchmark: str, split: str, purpose: int, number: int) -> float:
    """Draw a number of [0, 1) such that n successive numbers visit each n-th of it once.

    With n the length of the benchmark's ROUND, shares hold in small splits too, and the first
    sources go round all classes.
    """
    parts = len(ROUND[benchmark])
    turn, position = divmod(number, parts)
    rng = _generator(config, benchmark, split, purpose, turn)
    return float((rng.permutation(parts)[position] + rng.uniform()) / parts)


def _generator(
    config: WorldConfig, benchmark: str, split: str, purpose: int, number: int
) -> np.random.Generator:
    place_in_world = BENCHMARKS.index(benchmark), SPLITS.index(split)
    return np.random.default_rng([config.seed, *place_in_world, purpose, number])
