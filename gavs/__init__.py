"""Generalizable audio-visual segmentation: SAM prompted with sound (GAVS)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gavs.configs.gavs import GavsConfig
    from gavs.images import read_image
    from gavs.method import METHODS, Method
    from gavs.model import GAVS
    from gavs.predictor import Predictor, load_model
    from gavs.sam import build_sam
    from gavs.sound import read_sound
    from gavs.vggish import build_vggish

__all__ = [
    "GAVS",
    "GavsConfig",
    "METHODS",
    "Method",
    "Predictor",
    "build_sam",
    "build_vggish",
    "load_model",
    "read_image",
    "read_sound",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is asked for: who reads a file doesn't wait for torch."""
    homes = {
        "GAVS": "model",
        "GavsConfig": "configs.gavs",
        **dict.fromkeys(("METHODS", "Method"), "method"),
        **dict.fromkeys(("Predictor", "load_model"), "predictor"),
        "build_sam": "sam",
        "build_vggish": "vggish",
        "read_image": "images",
        "read_sound": "sound",
    }
    if name not in homes:
        raise AttributeError(f"module 'gavs' has no attribute {name!r}")
    return getattr(import_module(f"gavs.{homes[name]}"), name)
