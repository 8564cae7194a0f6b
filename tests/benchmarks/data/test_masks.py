"""Masks: true ones of either layout pass, whatever else lights pixels is counted and named."""

import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.data.index import ClipFiles, DataError, open_clips
from benchmarks.data.masks import binary_problem, foreign_problem, palette_problem, voc_palette

LIT = np.pad(np.ones((8, 14), bool), ((4, 12), (6, 12)))  # 112 of 24 x 32 pixels
RED = np.array([128, 0, 0])  # a class's colour
COLOURED = (LIT[..., None] * RED).astype(np.uint8)
GREY = LIT.astype(np.uint8) * 255


def of_palette(*colours, mask=LIT):
    image = Image.fromarray(mask.astype(np.uint8), mode="P")
    image.putpalette([int(v) for colour in colours for v in colour])
    return image


def with_alpha(colours, alpha):
    return Image.fromarray(np.dstack([colours, alpha]).astype(np.uint8))


def smeared(image, kind):
    """Resized up and down, or through JPEG."""
    if kind != "JPEG":
        return image.resize((320, 240)).resize((32, 24), Image.BILINEAR)
    image.save(content := io.BytesIO(), "JPEG", quality=95)
    return Image.open(content)


SEMANTIC = {
    "RGB": Image.fromarray(COLOURED),
    "palette": of_palette((0, 0, 0), RED),
    "another order": of_palette(RED, (0, 0, 0), mask=~LIT),
    "opaque": with_alpha(COLOURED, np.full(LIT.shape, 255)),
    "every class": Image.fromarray(np.resize(voc_palette(71), (24, 32, 3))),
    "nothing lit, grey": Image.new("L", (32, 24)),
    "all lit": Image.new("RGB", (32, 24), (128, 0, 0)),
}
OBJECT = {
    "L": Image.fromarray(GREY),
    "1": Image.fromarray(GREY).convert("1"),
    "RGB": Image.fromarray(np.dstack([GREY] * 3)),
    "palette": of_palette((0, 0, 0), RED),
    "nothing lit": Image.new("L", (32, 24)),
    "all lit": Image.new("L", (32, 24), 255),
    "fills but a corner": Image.fromarray(
        (GREY ^ 255) * np.pad(np.ones((23, 31), np.uint8), (0, 1))[:24, :32]
    ),
}


@pytest.mark.parametrize("name", SEMANTIC)
def test_masks_of_avsbench_semantic(name):
    assert palette_problem(SEMANTIC[name]) is None and foreign_problem(SEMANTIC[name]) is None


@pytest.mark.parametrize("name", OBJECT)
def test_masks_of_avsbench_object(name):
    assert binary_problem(OBJECT[name]) is None and foreign_problem(OBJECT[name]) is None


VOID = np.where(LIT[..., None], RED, 0)
VOID[3] = 224, 224, 192  # the border of PASCAL VOC


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (
            Image.fromarray(np.where(LIT[..., None], RED, 255).astype(np.uint8)),
            "656 of 768 pixels are off, mode RGB in #ffffff, expected the colours of the 71 ",
        ),
        (Image.fromarray(VOID.astype(np.uint8)), "32 of 768 pixels are off, mode RGB in #e0e0c0"),
        (of_palette((255, 255, 255), RED), "656 of 768 pixels are off, mode P in #ffffff"),
        (smeared(Image.fromarray(COLOURED), "resized"), "pixels are off, mode RGB in #"),
        (smeared(Image.fromarray(COLOURED), "JPEG"), "pixels are off, mode RGB in #"),
        (with_alpha(COLOURED, GREY), "656 of 768 pixels are transparent"),
        (of_palette((0, 0, 0), (0, 0, 0)), "a palette in which indices 0, 1 are all black"),
        (Image.fromarray(GREY), "112 of 768 pixels are off, mode L in #ffffff"),
        (Image.fromarray(LIT.astype(np.uint8)), "112 of 768 pixels are off, mode L in #010101"),
        (Image.fromarray(voc_palette(72)[LIT * 71]), "112 of 768 .* mode RGB in #a08080"),
    ],
)
def test_what_is_no_class_is_counted(mask, reason):
    assert re.match(f"({reason})|.* {reason}", palette_problem(mask))


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (of_palette(RED, (0, 0, 0)), "a palette in which index 0"),
        (of_palette((0, 0, 0), (0, 0, 0)), "a palette in which index 0"),
        (smeared(Image.fromarray(GREY), "resized"), "pixels are off, mode L in #"),
        (smeared(Image.fromarray(GREY), "JPEG"), "pixels are off, mode L in #"),
        (Image.fromarray(LIT.astype(np.uint8)), "112 of 768 pixels are off, mode L in #010101"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), "mode I;16, expected 8 bits"),
        (Image.fromarray(COLOURED), "112 of 768 pixels are off, mode RGB in #800000"),
        (with_alpha(np.dstack([GREY] * 3), GREY), "656 of 768 pixels are transparent"),
        (
            of_palette((0, 0, 0), RED, (0, 128, 0), mask=np.maximum(LIT * 1, LIT[:, ::-1] * 2)),
            "112 of 768 .* P",
        ),
    ],
)
def test_what_is_neither_black_nor_white_is_counted(mask, reason):
    assert re.search(reason, binary_problem(mask))


def test_more_classes_have_more_colours():
    mask = Image.fromarray(voc_palette(81)[LIT * 80])
    assert palette_problem(mask) and palette_problem(mask, 81) is None


@pytest.mark.parametrize(
    ("problem", "true", "odd"),
    [
        (binary_problem, GREY, GREY ^ 255),
        (binary_problem, 255 - 0 * GREY, 255 - np.pad(GREY[5:15, 5:25], ((9, 5), (9, 3)))),
        (palette_problem, COLOURED, np.where(LIT[..., None], 0, RED).astype(np.uint8)),
    ],
)
def test_masks_that_look_inverted_are_logged_and_many_are_a_problem(
    tmp_path, caplog, problem, true, odd
):
    for name, pixels in (("frame", COLOURED), ("true", true), ("odd", odd)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    frame, right, wrong = (tmp_path / f"{name}.png" for name in ("frame", "true", "odd"))
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)

    def opened(masks):
        sound = tmp_path / "a.wav"
        clips = [ClipFiles(f"c{i}", [frame], [m], sound, 1, problem) for i, m in enumerate(masks)]
        return open_clips(clips, "data.exclude", "checking", 1, False)

    facts = opened([right] * 99 + [wrong])
    assert len(facts) == 100 and set(facts) == {"height", "width", "digest", "checksums"}
    assert f"1 masks taken as they are:\n{wrong}: looks inverted" in caplog.text
    with pytest.raises(DataError, match=f"{wrong}: looks inverted: .* needed by 2 clips") as error:
        opened([right] * 98 + [wrong] * 2)
    assert error.value.uids == ["c98", "c99"]
