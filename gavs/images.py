"""Images as files: one function reads every frame and mask of the project.

A damaged file is refused and never filled in. Pillow checks neither the checksums of a PNG's pixels
nor libjpeg's warnings, and takes a zeroed or closed-up tail for a picture: we check the one, and
simplejpeg's strict mode turns the other into errors (it decodes bit for bit as Pillow, and faster).
What no decoder can see, since JPEG has no checksum: changed bytes that decode to as many blocks.
BMP, GIF, TIFF, PPM and WebP have Pillow's checks only.
"""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from gavs.reading import MediaError, reading

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # no EPS: it starts programs
ORIENTATION = 0x0112  # of EXIF
MAX_RATIO = 64  # of the sides; on a model's square the short one must not vanish
PIXELS_PER_BYTE = 8 * 1032  # at most: deflate's best ratio at 1 bit a pixel; JPEG's best is 341
SIGNATURE = b"\x89PNG\r\n\x1a\n"
REMEDY = "repair it or fetch it again"


def read_image(path: Path) -> np.ndarray:
    """RGB image as a viewer shows it, (H, W, 3) uint8.

    It is turned upright by its EXIF. Of 16 bits a channel the high byte is taken. Greys, palettes
    and CMYK become RGB without a colour profile.

    Raises:
        MediaError: as `open_image`.
        FileNotFoundError: there is none.
    """
    with reading(path, MediaError, "as an image", REMEDY):
        pixels = _decoded(path)
        if isinstance(pixels, Image.Image):
            return np.asarray(_deep_as_8_bits(pixels).convert("RGB"))
        return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def squash(frame: np.ndarray, size: int) -> np.ndarray:
    """RGB frame (H, W, 3) uint8 as a square, (3, size, size) uint8, bilinear."""
    image = Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def open_image(path: Path) -> Image.Image:
    """Decoded, upright image in the mode of its file, e.g. a mask's palette.

    Raises:
        MediaError: no image, a damaged or animated one, one of more than 179 million pixels, one
            side over 64 times the other, see-through pixels, or 32 bits a channel.
        FileNotFoundError: there is none.
    """
    with reading(path, MediaError, "as an image", REMEDY):
        pixels = _decoded(path)
        if isinstance(pixels, Image.Image):
            return pixels
        return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


def _decoded(path: Path) -> Image.Image | np.ndarray:
    """Whole and upright: an array (H, W, 1 or 3) uint8 of an ordinary JPEG, else Pillow's image."""
    content = Path(path).read_bytes()
    with Image.open(BytesIO(content), formats=FORMATS) as image:  # its header, bombs refused
        width, height = image.size
        if max(width, height) > MAX_RATIO * min(width, height):
            raise ValueError(
                f"{width} x {height} pixels, expected sides of at most 1 : {MAX_RATIO}"
            )
        if image.format in ("JPEG", "MPO"):  # MPO: a phone's JPEG with previews after it
            pixels = _jpeg(content, image)
        else:
            if getattr(image, "is_animated", False):
                count = image.n_frames  # type: ignore[attr-defined]  # of all that are animated
                raise ValueError(f"{count} pictures, expected one")
            if image.format == "PNG":
                _check_png(content, width * height)
            pixels = image
            pixels.load()
            _check_opaque(pixels)
        if pixels is image and image.mode[0] in "IF" and not _deep(image):
            raise ValueError(f"pixels of mode {image.mode}, expected 8 or 16 bits a channel")
        return _upright(pixels, image.getexif().get(ORIENTATION, 1))


def _jpeg(content: bytes, image: Image.Image) -> Image.Image | np.ndarray:
    """Pixels that libjpeg decodes without a warning."""
    _check_claim(content, image.width * image.height)
    colours = {"L": "GRAY", "RGB": "RGB"}.get(image.mode, "CMYK")
    pixels = simplejpeg.decode_jpeg(
        content, colours, fastdct=False, fastupsample=False, strict=True
    )
    if image.info.get("progressive"):
        _check_scans(content)
    if colours == "CMYK":
        image.load()  # knows Adobe's inversion
        return image
    return pixels


def _check_scans(content: bytes) -> None:
    """Every coefficient to its last bit: libjpeg takes a progressive JPEG cut between two scans."""
    lowest: dict[int, np.ndarray] = {}  # by component: the last bit of its 64 coefficients
    position = 2
    while True:
        position = content.index(b"\xff", position)
        kind = content[position + 1]
        if kind == 0xFF:  # fill
            position += 1
            continue
        if kind <= 1 or 0xD0 <= kind <= 0xD8:  # within a scan
            position += 2
            continue
        if kind == 0xD9:
            break
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4])
        segment = content[position + 4 : end]
        if kind == 0xC2:
            lowest = {component: np.full(64, 99) for component in segment[6::3]}
        elif kind == 0xDA:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            for component in segment[1 : 1 + 2 * count : 2]:
                lowest[component][first : last + 1] = bits & 15
        position = end
    if any(bits.any() for bits in lowest.values()):
        raise ValueError("some of its scans are missing: it is cut")


def _check_png(content: bytes, pixels: int) -> None:
    """Every chunk's checksum, to the end; `Image.verify` would need a second pass over the file."""
    _check_claim(content, pixels)
    position = len(SIGNATURE)
    while True:
        if position + 12 > len(content):
            raise ValueError(f"ends after {len(content):,} bytes, before its IEND chunk")
        length, kind = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            raise ValueError(f"chunk {kind!r} of {length:,} bytes, of which the file holds fewer")
        if zlib.crc32(memoryview(content)[position + 4 : end]) != int.from_bytes(
            content[end : end + 4]
        ):
            raise ValueError(
                f"chunk {kind!r} at byte {position:,} is damaged: its checksum differs"
            )
        if kind == b"IEND":
            return
        position = end + 4


def _check_claim(content: bytes, pixels: int) -> None:
    if pixels > PIXELS_PER_BYTE * len(content):
        raise ValueError(f"claims {pixels:,} pixels, more than its {len(content):,} bytes can hold")


def _check_opaque(image: Image.Image) -> None:
    if not image.has_transparency_data:
        return
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    if clear := int((alpha < 255).sum()):
        raise ValueError(f"{clear:,} of {alpha.size:,} pixels are see-through; lay it on a colour")


def _deep(image: Image.Image) -> bool:
    """True if it has 16 bits of grey; a PPM of those, and older Pillows' PNG, is in mode I."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _deep_as_8_bits(image: Image.Image) -> Image.Image:
    """Their high byte, as Pillow takes it of 16-bit RGB; its own conversion clips them at 255."""
    if image.mode[0] != "I":
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _upright(pixels: Image.Image | np.ndarray, orientation: int) -> Image.Image | np.ndarray:
    """Turned and mirrored by EXIF's orientation; 1 and what EXIF doesn't know: as it is."""
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    if turned is None:
        return pixels
    if isinstance(pixels, Image.Image):
        return pixels.transpose(turned)
    channels = [Image.fromarray(channel).transpose(turned) for channel in np.moveaxis(pixels, 2, 0)]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)
