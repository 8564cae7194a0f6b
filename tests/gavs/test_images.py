"""Every image is read as a viewer shows it, or refused by name: nothing is filled in."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.files import read_frame, read_labels
from gavs.images import open_image, read_image
from gavs.reading import MediaError
from tests.gavs.files import picture

PICTURE = Image.fromarray(picture(40, 56))
LIT = np.pad(np.full((8, 14), 255, np.uint8), ((4, 12), (6, 12)))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


FILES = {
    "baseline": encoded(PICTURE, "JPEG", quality=90),
    "progressive": encoded(PICTURE, "JPEG", progressive=True),
    "optimised": encoded(PICTURE, "JPEG", optimize=True, subsampling=0),
    "grey jpeg": encoded(PICTURE.convert("L"), "JPEG"),
    "cmyk jpeg": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "rgb png": encoded(PICTURE, "PNG"),
    "mask": encoded(Image.fromarray(LIT), "PNG"),
    "palette": encoded(PICTURE.quantize(7), "PNG"),
    "bilevel": encoded(PICTURE.convert("1"), "PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_ordinary_image_is_pillows(tmp_path, name):
    (tmp_path / "a").write_bytes(FILES[name])
    expected = np.asarray(Image.open(tmp_path / "a").convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a"), expected)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a").convert("RGB")), expected)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "cut and closed", "zeroed", "zeroed and closed"])
def test_a_cut_or_zeroed_tail_is_refused(tmp_path, name, damage):
    content, path = FILES[name], tmp_path / "a.img"
    end = content[-2:] if name in ("baseline", "progressive") or "jpeg" in name else content[-12:]
    for at in np.linspace(3, len(content) - 24, 40).astype(int):
        rest = bytes(len(content) - at) if "zeroed" in damage else b""
        broken = content[:at] + rest
        if "closed" in damage:
            broken = broken[: max(at, len(broken) - len(end))] + end
        path.write_bytes(broken)
        with pytest.raises(MediaError, match="a.img: "):
            read_image(path)


def test_a_byte_of_a_png_does_not_change_unseen(tmp_path):
    """A JPEG has no checksum: there the digest of the clip index must tell."""
    path = tmp_path / "mask.png"
    for at in range(len(FILES["mask"])):
        for change in (1, 0x80, 0xFF):
            content = bytearray(FILES["mask"])
            content[at] ^= change
            path.write_bytes(content)
            with pytest.raises(MediaError, match="mask.png: "):
                read_labels(path)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def claiming(width: int, height: int) -> bytes:
    """A whole PNG whose header claims so many pixels."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(bytes(999)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + _chunk(b"IEND", b"")


def _clear(colour: int) -> Image.Image:
    image = PICTURE.convert("RGBA")
    image.putpixel((3, 4), (colour, 0, 0, 254))
    return image


@pytest.mark.parametrize(
    "content, words",
    [
        (claiming(20_000, 20_000), "exceeds limit of 178956970 pixels"),
        (claiming(9_000, 9_000), "claims 81,000,000 pixels, more than its"),
        (claiming(40, 40), "truncated"),
        (encoded(PICTURE.resize((3000, 2)), "PNG"), "3000 x 2 pixels"),
        (encoded(_clear(9), "PNG"), "1 of 2,240 pixels are see-through"),
        (encoded(PICTURE.quantize(7), "PNG", transparency=0), "pixels are see-through"),
        (encoded(PICTURE, "GIF", save_all=True, append_images=[_clear(0)]), "2 pictures"),
        (encoded(Image.fromarray(np.eye(9, dtype=np.float32)), "TIFF"), "pixels of mode F"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot identify"),
        (b"", "cannot identify"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(tmp_path, content, words):
    (tmp_path / "odd.png").write_bytes(content)
    for read in (read_frame, read_labels, open_image):
        with pytest.raises(MediaError, match=f"odd.png: can't be read as an image: .*{words}"):
            read(tmp_path / "odd.png")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits_of_grey_are_scaled_and_not_clipped(tmp_path, kind):
    ramp = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(ramp), kind))
    with warnings.catch_warnings(action="error"):
        pixels = read_frame(tmp_path / "a")
    np.testing.assert_array_equal(pixels, np.repeat((ramp >> 8)[..., None], 3, 2))
    assert abs(pixels.mean() - 127.5) < 0.5
    with pytest.raises(MediaError, match="a mask of 16 bits"):
        read_labels(tmp_path / "a")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize(
    "orientation, turn",
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_the_suite_and_predict_turn_a_frame_by_its_exif(tmp_path, kind, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a").write_bytes(encoded(PICTURE, kind, exif=exif))
    (tmp_path / "b").write_bytes(encoded(PICTURE, kind))
    for read in (read_frame, read_image):
        np.testing.assert_array_equal(read(tmp_path / "a"), turn(read(tmp_path / "b")))
    height, width = read_image(tmp_path / "a").shape[:2]
    assert open_image(tmp_path / "a").size == (width, height)
