"""Generalizable audio-visual segmentation: SAM prompted with sound (GAVS)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gavs.model import GAVS, GavsConfig

__all__ = ["GAVS", "GavsConfig"]


def __getattr__(name: str) -> Any:
    """Import the model where it is asked for: who only reads a file doesn't wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'gavs' has no attribute {name!r}")
    from gavs import model

    return getattr(model, name)
