"""Generalizable audio-visual segmentation: SAM prompted with sound (GAVS)."""

from gavs.model import GAVS, GavsConfig

__all__ = ["GAVS", "GavsConfig"]
