"""Images, sounds and videos as files: what `gavs.predict` reads and writes.

Times are in seconds from a video's first frame. A video of n seconds is taken as AVSBench takes it:
one frame a second, 15/16 into it, heard with the sound of that second.
"""

import errno
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import resampy
from av.container import InputContainer, OutputContainer
from PIL import Image, ImageOps

from gavs.vggish import SAMPLE_RATE

INSTANT = 15 / 16  # of an interval at which its frame is taken, as AVSBench
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no disk, quota or file takes more


class MediaError(ValueError):
    """A file that can't be read as what it should be."""


def read_image(path: Path) -> np.ndarray:
    """RGB image as a viewer shows it, (H, W, 3) uint8.

    Raises:
        MediaError: no image, or one of more than 8 bits a channel, which Pillow would clip.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise MediaError(
                    f"{path}: pixels of mode {image.mode}, expected 8 bits a channel; save it as "
                    "an 8-bit RGB image"
                )
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # of Pillow's readers
        raise MediaError(f"{path}: can't be read as an image: {error}") from None


def read_sound(path: Path, start: float | None = None) -> np.ndarray:
    """The sound of an audio or video file, (n,) float32 in [-1, 1], 16 kHz, channels averaged.

    Args:
        start: the container's time that sample 0 stands for; None: where the sound begins.

    Raises:
        MediaError: no sound in it, or a sample that is not finite.
    """
    with _opened(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path}: has no sound track; GAVS finds what it hears")
        stream = container.streams.audio[0]
        to_float = av.AudioResampler(format="fltp")
        pieces, begins = [], None
        for frame in container.decode(stream):
            begins = frame.time if begins is None else begins
            pieces += [part.to_ndarray() for part in to_float.resample(frame)]
        rate = stream.rate
    if not pieces:
        raise MediaError(f"{path}: its sound track is empty")
    samples = np.concatenate(pieces, axis=1)  # (channels, n)
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: its sound has samples that are NaN or infinite")
    if start is not None and begins is not None:
        late = round((begins - start) * rate)
        samples = np.pad(samples[:, max(0, -late) :], ((0, 0), (max(0, late), 0)))
    mono = samples.mean(0)
    if not len(mono):
        raise MediaError(f"{path}: its sound ends before its first picture")
    # Not by PyAV: its mono is 3 dB louder than the average. As torchvggish and the benchmark do.
    return mono if rate == SAMPLE_RATE else resampy.resample(mono, rate, SAMPLE_RATE)


def read_video_sound(path: Path) -> np.ndarray:
    """`read_sound` from a video's first frame on."""
    with _opened(path) as container:
        start = _first_time(path, container)
    return read_sound(path, start)


def sample_frames(path: Path, fps: float = 1) -> Iterator[np.ndarray]:
    """One upright RGB frame (H, W, 3) uint8 for each interval of 1 / fps seconds.

    A last interval of which less than half is there is left out, unless it is the only one.

    Raises:
        MediaError: no picture in it, none that can be decoded, or time stamps that run backwards.
    """
    with _opened(path) as container:
        start, number, latest, ends = _first_time(path, container), 0, None, 0.0
        time = -math.inf
        for frame in container.decode(container.streams.video[0]):
            if frame.time is None or frame.time - start <= time:
                raise MediaError(
                    f"{path}: a frame without a time stamp, or with one that is not after the "
                    "frame's before it; encode it anew, e.g. with `ffmpeg -i OLD.avi NEW.mp4`"
                )
            time = frame.time - start
            while latest is not None and time > (number + INSTANT) / fps:
                yield upright(path, latest)
                number += 1
            latest, ends = frame, time + float((frame.duration or 0) * frame.time_base)
        if latest is None:
            raise MediaError(f"{path}: its picture has no frame that can be decoded")
        if number == 0 or ends * fps - number >= 0.5:
            yield upright(path, latest)


def overlay_video(
    source: Path,
    target: Path,
    size: tuple[int, int],
    paint: Callable[[np.ndarray, float], np.ndarray],
) -> None:
    """Copy a video with its sound to an mp4, every frame at its own time through `paint`.

    Args:
        size: (H, W) of its upright frames; an odd side gains a pixel, as H.264 needs.
        paint: RGB frame (H, W, 3) uint8 and its time -> a frame of the same size.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _opened(source) as container, av.open(part, "w", format="mp4") as out:
            _transcode(source, container, out, size, paint)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _transcode(
    source: Path, container: InputContainer, out: OutputContainer, size: tuple[int, int], paint
) -> None:
    start = _first_time(source, container)
    picture, sound = container.streams.video[0], container.streams.audio[0]
    video = out.add_stream("libx264", rate=picture.average_rate, options={"crf": "18"})
    video.height, video.width = (side + side % 2 for side in size)
    video.pix_fmt = "yuv420p"
    video.codec_context.time_base = picture.time_base  # a variable frame rate stays one
    audio = out.add_stream("aac", rate=48_000)
    for packet in container.demux(picture, sound):
        for frame in packet.decode():
            if isinstance(frame, av.AudioFrame):
                out.mux(audio.encode(frame))
                continue
            image = paint(upright(source, frame), frame.time - start)
            padding = [(0, side % 2) for side in size]
            even = np.pad(image, [*padding, (0, 0)], mode="edge")
            painted = av.VideoFrame.from_ndarray(even, format="rgb24")
            painted.pts, painted.time_base = frame.pts, frame.time_base
            out.mux(video.encode(painted))
    out.mux(video.encode())
    out.mux(audio.encode())


def upright(path: Path, frame: av.VideoFrame) -> np.ndarray:
    """The picture as it is to be shown, turned and mirrored by the video's display matrix.

    Raises:
        MediaError: it is turned by another angle than quarter turns.
    """
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # x' = a x + c y, y' = b x + d y, in 1/65536.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5]
    if a == d == 0 and b and c:
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    elif b == c == 0 and a and d:
        across, down = a, d
    else:
        raise MediaError(f"{path}: rotated by {frame.rotation} degrees, no quarter turn")
    return np.ascontiguousarray(pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])


def _first_time(path: Path, container: InputContainer) -> float:
    """The container's time of the first frame."""
    if not container.streams.video:
        raise MediaError(f"{path}: has no picture")
    stream = container.streams.video[0]
    return float((stream.start_time or 0) * stream.time_base)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with av.open(path) as container:
            yield container
    except av.FFmpegError as error:
        if error.errno in FULL:  # the video that is made of this one
            raise OSError(error.errno, error.strerror) from None
        raise MediaError(f"{path}: can't be read: {error.strerror}") from None
