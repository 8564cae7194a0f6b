"""Generalizable audio-visual segmentation: SAM prompted with sound (GAVS)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gavs.method import METHODS, Method
    from gavs.model import GAVS, GavsConfig
    from gavs.predict import Predictor
    from gavs.sam import build_sam
    from gavs.vggish import build_vggish

__all__ = ["GAVS", "GavsConfig", "METHODS", "Method", "Predictor", "build_sam", "build_vggish"]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is asked for: who reads a file doesn't wait for torch."""
    homes = {"METHODS": "method", "Method": "method", "Predictor": "predict"}
    homes |= {"build_sam": "sam", "build_vggish": "vggish"}
    if name not in __all__:
        raise AttributeError(f"module 'gavs' has no attribute {name!r}")
    return getattr(import_module(f"gavs.{homes.get(name, 'model')}"), name)
