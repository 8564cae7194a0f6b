"""A procedural audio-visual world, laid out on disk as AVSBench-semantic, VGG-SS, VGG-Sound."""

from .clips import FOREIGN, UNHEARD, UNSEEN
from .config import WorldConfig
from .scenes import CLASSES, SHAPES, TEXTURES, Frame, Scene, Thing, random_scene
from .sounds import RATE, mix, synth
from .vggsound import build_vggsound
from .vggss import build_vggss
from .world import build

__all__ = [
    "CLASSES",
    "FOREIGN",
    "RATE",
    "SHAPES",
    "TEXTURES",
    "UNHEARD",
    "UNSEEN",
    "Frame",
    "Scene",
    "Thing",
    "WorldConfig",
    "build",
    "build_vggss",
    "build_vggsound",
    "mix",
    "random_scene",
    "synth",
]
