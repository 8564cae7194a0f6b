"""A procedural audio-visual world, written in the on-disk layout of AVSBench-semantic."""

from .clips import WorldConfig
from .scenes import CLASSES, SHAPES, TEXTURES, Frame, Scene, Thing, random_scene
from .sounds import RATE, mix, synth
from .world import build

__all__ = [
    "CLASSES",
    "RATE",
    "SHAPES",
    "TEXTURES",
    "Frame",
    "Scene",
    "Thing",
    "WorldConfig",
    "build",
    "mix",
    "random_scene",
    "synth",
]
