"""A procedural audio-visual world, laid out on disk as AVSBench-semantic and VGG-SS."""

from .clips import FOREIGN, UNSEEN
from .config import WorldConfig
from .scenes import CLASSES, SHAPES, TEXTURES, Frame, Scene, Thing, random_scene
from .sounds import RATE, mix, synth
from .vggss import build_vggss
from .world import build

__all__ = [
    "CLASSES",
    "FOREIGN",
    "RATE",
    "SHAPES",
    "TEXTURES",
    "UNSEEN",
    "Frame",
    "Scene",
    "Thing",
    "WorldConfig",
    "build",
    "build_vggss",
    "mix",
    "random_scene",
    "synth",
]
