"""Values that a mask may hold: a value that is neither background nor a class has no meaning.

Read as a mask, any such pixel would be foreground: a white background, the border that other data
sets call void, the edges that resizing and JPEG smear.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

CLASSES = 71  # of AVSBench-semantic, background included
HOLE = 0.01  # share of the pixels; annotators' masks have smaller ones
_GREY = ("1", "L", "I;16", "I")  # Pillow's modes of grey PNGs


def voc_palette(count: int) -> np.ndarray:
    """(count, 3) uint8 colours of PASCAL VOC: each 3 bits of the index are a bit of R, G and B."""
    index = np.arange(count)[:, None] >> np.arange(3)  # the bits of each channel, 3 apart
    channels: Any = sum(((index >> 3 * k) & 1) << (7 - k) for k in range(8))
    return channels.astype(np.uint8)


def palette_problem(mask: Image.Image, classes: int = CLASSES) -> str | None:
    """Problem of a mask in the colours of so many classes (AVSBench-semantic); None if none.

    A grey mask of such a value may hold a class's number as well as its colour: refused too.
    """
    if problem := _transparent(mask):
        return problem
    colours = np.asarray(mask.convert("RGB"))
    if problem := _black_palette(mask, colours):
        return problem
    if mask.mode in ("P", "PA", "RGB", "RGBA"):
        wrong = _off_palette(colours, classes)
    else:
        values = np.asarray(mask)
        wrong = (values != 0) if values.ndim == 2 else values[..., 0] != 0
    expected = f"expected the colours of the {classes} classes, black for none"
    return _counted(wrong, colours, f"mode {mask.mode}", expected)


def binary_problem(mask: Image.Image) -> str | None:
    """Problem of a mask that should be black and white (AVSBench-object); None if there is none.

    A palette's white may have any colour, since AVSBench reads its indices.
    """
    if problem := _transparent(mask):
        return problem
    colours = np.asarray(mask.convert("RGB"))
    lit: Any = colours.any(-1)  # (H, W) bool
    if mask.mode == "P":
        if (lit != (np.asarray(mask) > 0)).any():
            return "a palette in which index 0 isn't black, or another one is"
        wrong = _other_values(colours, lit)
        expected = "expected black and one colour"
    else:
        if mask.mode not in ("1", "L", "LA", "RGB", "RGBA"):
            return f"a mask of mode {mask.mode}, expected 8 bits a pixel"
        wrong = ((colours != 0) & (colours != 255)).any(-1) | (colours != colours[..., :1]).any(-1)
        expected = "expected black and white, 0 and 255"
    return _counted(wrong, colours, f"mode {mask.mode}", expected)


def foreign_problem(mask: Image.Image) -> str | None:
    """Problem of any mask that neither `palette_problem` nor one lit value explains; None if none.

    A grey mask may hold the numbers of classes.
    """
    if problem := _transparent(mask):
        return problem
    colours = np.asarray(mask.convert("RGB"))
    values = np.asarray(mask) if mask.mode in _GREY else None
    lit: Any = colours.any(-1) if values is None else values > 0
    if problem := _black_palette(mask, colours):
        return problem
    if not _other_values(colours if values is None else values, lit).any():
        return None
    wrong = _off_palette(colours, CLASSES) if values is None else values >= CLASSES
    expected = f"expected one value above 0, or the colours or numbers of {CLASSES} classes"
    return _counted(wrong, colours, f"mode {mask.mode}", expected)


def inverted(lit: np.ndarray) -> bool:
    """Whether a mask (H, W) is lit all along its border, but not a part (`HOLE`) of the middle.

    Of true masks few are: an object that fills the picture round a gap. What is inverted but
    touches the border can't be told.
    """
    border = (lit[0], lit[-1], lit[:, 0], lit[:, -1])
    return all(edge.all() for edge in border) and (lit == 0).mean() >= HOLE


def _transparent(mask: Image.Image) -> str | None:
    if mask.has_transparency_data:
        clear = np.asarray(mask.convert("RGBA"))[..., 3] < 255
        if clear.any():
            return f"{clear.sum():,} of {clear.size:,} pixels are transparent, expected none"
    return None


def _black_palette(mask: Image.Image, colours: np.ndarray) -> str | None:
    """A palette that was lost: several indices of the mask are black."""
    black = np.unique(np.asarray(mask)[~colours.any(-1)]) if mask.mode == "P" else ()
    names = ", ".join(map(str, black[:5]))
    return f"a palette in which indices {names} are all black" if len(black) > 1 else None


def _other_values(values: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Lit pixels (H, W) of another value, or colour (H, W, 3), than the first lit one."""
    if not lit.any():
        return lit
    other = values != values[lit][0]
    return lit & (other.any(-1) if other.ndim == 3 else other)


def _off_palette(colours: np.ndarray, classes: int) -> np.ndarray:
    """Pixels (H, W) of colours (H, W, 3) that aren't VOC's first so many."""
    steps = colours >> 5
    number = steps[..., 0].astype(np.intp) << 6 | steps[..., 1] << 3 | steps[..., 2]
    return (colours & 31).any(-1) | ~_allowed(classes)[number]


@cache
def _allowed(classes: int) -> np.ndarray:
    """(512,) by a colour's upper 3 bits: is it one of the first so many?"""
    steps = voc_palette(min(classes, 512)).astype(np.intp) >> 5
    table = np.zeros(512, bool)
    table[steps[:, 0] << 6 | steps[:, 1] << 3 | steps[:, 2]] = True
    return table


def _counted(wrong: np.ndarray, colours: np.ndarray, mode: str, expected: str) -> str | None:
    if not wrong.any():
        return None
    first = "#{:02x}{:02x}{:02x}".format(*colours[wrong][0])
    return f"{wrong.sum():,} of {wrong.size:,} pixels are off, {mode} in {first}, {expected}"
