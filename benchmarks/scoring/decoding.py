"""Predictions and masks as files: their names below a folder, and each file as an array."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from benchmarks.data.masks import foreign_problem
from benchmarks.scoring.npz import NpzError, read_arrays
from gavs.images import open_image
from gavs.reading import MediaError, reading, shown

GREY = {"L": 255, "I;16": 65535, "I": 65535}  # Pillow's modes of grey PNGs: the value of 1
PREDICTIONS = {".png", ".npy", ".npz"}
Resized = Literal["map", "mask"]
ROUNDING = 1e-6  # by which a mean of probabilities may pass 0 or 1
log = logging.getLogger(__name__)


class ScoreError(ValueError):
    """A prediction or a mask that can't be scored: its name and why."""


def list_files(folder: Path, suffixes: set[str]) -> dict[str, Path]:
    """Relative name without suffix -> path. Names come from this walk only, never from a file.

    Links to folders are followed; names that begin with "." are passed over.

    Raises:
        FileNotFoundError: no folder, or no such files in it.
        ScoreError: two files of one name.
        OSError: a folder can't be read, or a link leads to a folder that it lies in.
    """
    kinds = " or ".join(sorted(suffixes))
    if not folder.is_dir():
        what = "a file, expected a folder: unpack it first" if folder.exists() else "no such folder"
        raise FileNotFoundError(f"{shown(folder)}: {what}")
    paths = _walk(folder)
    others = [p for p in paths if p.suffix.lower() not in suffixes]
    paths = [p for p in paths if p.suffix.lower() in suffixes]
    if not paths:
        instead = f", but {first_of(others)}" if others else ""
        raise FileNotFoundError(
            f"{shown(folder)} holds no {kinds} files{instead}; expected CLIP/FRAME{kinds[:4]}"
        )
    if others:
        log.warning("%s: not scored, only %s is read", first_of(others), kinds)
    by_name: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in by_name:
            raise ScoreError(
                f"{shown(path)} and {shown(by_name[name])} are of one frame; keep one of them"
            )
        by_name[name] = path
    return by_name


def _walk(folder: Path) -> list[Path]:
    """All that is no folder below one, sorted, what can't be opened too."""

    def fail(error: OSError) -> None:
        raise error

    paths = []
    for root, below, names in os.walk(folder, followlinks=True, onerror=fail):
        below[:] = [name for name in below if name[0] != "."]
        for link in (path for name in below if (path := Path(root, name)).is_symlink()):
            here = [place.resolve() for place in link.parents if place.is_relative_to(folder)]
            if any(place.is_relative_to(link.resolve()) for place in here):
                raise OSError(f"{shown(link)}: a link to a folder that it lies in; remove it")
        paths += [Path(root, name) for name in names if name[0] != "."]
    return sorted(paths)


def first_of(paths: list[Path]) -> str:
    """The first of some files, and how many more there are."""
    return shown(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


@contextmanager
def _scoring(path: Path, what: str) -> Iterator[None]:
    """`reading` for ScoreError, where other readers' errors name the file already."""
    with reading(path, ScoreError, what):
        try:
            yield
        except (MediaError, NpzError) as error:
            raise ScoreError(str(error)) from error


def read_mask(path: Path) -> np.ndarray:
    """Ground truth (H, W) bool.

    Raises:
        ScoreError, FileNotFoundError: it can't be read, or isn't a mask.
    """
    with _scoring(path, "as a mask"):
        image = open_image(path)
        if problem := foreign_problem(image):
            raise ValueError(problem)
        grey = image.mode in GREY or image.mode == "1"
        pixels: Any = np.asarray(image if grey else image.convert("RGB")) > 0
        return pixels if pixels.ndim == 2 else pixels.any(-1)


def read_prediction(
    path: Path, size: tuple[int, int], resized: Resized | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Probabilities (H, W) float32 of its mask's size, and the size that it had.

    Raises:
        ScoreError, FileNotFoundError: it can't be read, has another size and isn't resized, or is
            as wide as its mask is high.
    """
    probabilities = read_map(path, masks=resized == "mask")
    before = probabilities.shape
    if before == size:
        return probabilities, before
    with _scoring(path, "as a prediction"):
        turned = before[0] * size[0] == before[1] * size[1] and before[0] != before[1]
        if resized and not turned:
            return _to_size(probabilities, size, resized), before
        look = "; it looks transposed" if turned else "; nothing is resized"
        raise ValueError(f"{before} pixels, but its mask has {size}{look}")


def read_map(path: Path, masks: bool = False) -> np.ndarray:
    """Probabilities (H, W) float32 of a prediction's own size.

    Args:
        masks: a mask, lit where it isn't black: PNGs of any mode, arrays of any numbers.

    Raises:
        ScoreError, FileNotFoundError: it can't be read; another type or shape; numbers outside
            0..1: what they look like; or a grey mask of several values.
    """
    with _scoring(path, "as a prediction"):
        return _binary(_mask_values(path)) if masks else _probabilities(path)


def _mask_values(path: Path) -> np.ndarray:
    """Numbers (H, W) that are 0 where a mask is dark."""
    if path.suffix.lower() != ".png":
        return _array(path, "fiub", "numbers")
    image = open_image(path)
    if image.mode in GREY or image.mode == "1":
        return np.asarray(image)
    colours: Any = np.asarray(image.convert("RGB"))
    return colours.any(-1)


def _probabilities(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".png":
        image = open_image(path)
        if image.mode not in GREY:
            raise ValueError(
                f"PNG of Pillow mode {image.mode}; expected 8- or 16-bit grey (`import` and "
                "`compare` take other masks with --masks)"
            )
        return np.asarray(image).astype(np.float32) / GREY[image.mode]
    array = _array(path, "f", "floats")
    low, high = array.min(), array.max()
    if -ROUNDING <= low and high <= 1 + ROUNDING:
        exact = 0 <= low and high <= 1
        return (array if exact else np.clip(array, 0, 1)).astype(np.float32)
    if low < 0:
        look = "as logits do: apply a sigmoid"
    elif high <= 255:
        look = f"as {'per cent' if high <= 100 else '8-bit values'} do: divide by 100 or 255"
    else:
        look = "which are no probabilities"
    raise ValueError(f"probabilities must lie in 0..1, found {low:g}..{high:g}, {look}")


def _array(path: Path, kinds: str, what: str) -> np.ndarray:
    """The one array of an NPY or NPZ, of a type of these kinds."""
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        if len(arrays) != 1:
            raise ValueError(f"{len(arrays)} arrays, {shown(str(sorted(arrays)))}; expected one")
        array: Any = next(iter(arrays.values()))
    else:
        array = np.lib.format.open_memmap(path, mode="r")  # never unpickles, reads no archive
    if array.ndim != 2 or array.dtype.kind not in kinds or not array.size:
        raise ValueError(f"{array.dtype} of shape {array.shape}; expected {what} (H, W)")
    return array


def _binary(values: np.ndarray) -> np.ndarray:
    """A mask (H, W) float32 of 0 and 1, lit where a number isn't 0."""
    lit = values != 0
    if lit.any() and (other := values[lit] != values[lit][0]).any():
        raise ValueError(
            f"{other.sum():,} lit pixels of another value than {values[lit][0]:g}; expected masks: "
            "0, and one other value where something sounds (probabilities: --layout suite without "
            "--masks)"
        )
    return lit.astype(np.float32)


def _to_size(probabilities: np.ndarray, size: tuple[int, int], how: Resized) -> np.ndarray:
    """Resize (h, w) float32 to (H, W): by the nearest pixel, or bilinearly with antialiasing."""
    method = Image.Resampling.NEAREST if how == "mask" else Image.Resampling.BILINEAR
    resized = Image.fromarray(probabilities).resize(size[::-1], method)
    return np.clip(np.asarray(resized), 0, 1)
