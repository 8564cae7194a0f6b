"""Videos as files, with `gavs.images` and `gavs.sound`: what `gavs.predict` reads and writes.

Times are in seconds from a video's first picture. A video of n seconds is taken as AVSBench takes
it: one frame per second, 15/16 into it, heard with the sound of that second.
"""

import errno
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from gavs.images import MAX_RATIO, read_image
from gavs.reading import MediaError, reading, shown
from gavs.sound import check_end, default_track, open_media, placed, read_sound
from gavs.writing import writing

__all__ = [
    "MediaError",
    "overlay_video",
    "pictures",
    "read_image",
    "read_sound",
    "read_video_sound",
    "sample_frames",
]

# What FFmpeg reads, in any case; other files beside videos (.json, .vtt, .wav) are none.
VIDEOS = tuple(
    ".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()
)
INSTANT = 15 / 16  # of an interval at which its frame is taken, as AVSBench
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no disk, quota or file takes more
LONGEST_REST = 3600.0  # seconds that the last one may stay by the header's word alone
LONGEST = 24 * 3600.0  # seconds that a picture may stay; more is a broken time stamp
MAX_PIXELS = 178_956_970  # of a picture, as Pillow's bound
MAX_ASPECT = 4  # width of a stored pixel by its height, or the reverse
SOUND_RATE = 48_000  # of the overlaid copy
REMEDY = "encode it anew, e.g. with `ffmpeg -i OLD NEW.mp4`"


class Picture(NamedTuple):
    """A decoded picture of a video.

    `time` is the container's; `seconds` is how long it stays, 0 if that isn't said; `size` is that
    of the first picture, (W, H); `aspect` is that of a stored pixel.
    """

    path: Path
    frame: av.VideoFrame
    time: float
    seconds: float
    size: tuple[int, int]
    aspect: Fraction

    def upright(self) -> np.ndarray:
        """The frame turned upright; errors name the file."""
        with reading(self.path, MediaError, "as a video", REMEDY):
            return upright(self.frame, self.size, self.aspect)


def read_video_sound(path: Path) -> np.ndarray:
    """`read_sound` from a video's first picture on."""
    return read_sound(path, first_time(path))


def first_time(path: Path) -> float:
    """The container's time of a video's first picture."""
    with reading(path, MediaError, "as a video", REMEDY):
        return next(pictures(path)).time


def sample_frames(path: Path, fps: float = 1) -> Iterator[np.ndarray]:
    """Yield one upright RGB frame (H, W, 3) uint8 per interval of 1 / fps seconds.

    A picture stays until the next, the last one until the file ends, as players show it. A last
    interval of which less than half is there is left out, unless it is the only one.

    Raises:
        MediaError: no picture in it, none that can be decoded, or time stamps that run backwards.
    """
    start: float | None = None
    latest: Picture | None = None
    number = 0
    for picture in pictures(path):
        start = picture.time if start is None else start
        while latest is not None and picture.time - start > (number + INSTANT) / fps:
            yield latest.upright()
            number += 1
        latest = picture
    assert latest is not None and start is not None, "pictures yields at least one"
    ends = latest.time - start + max(latest.seconds, _rest(path, latest.time))
    while number == 0 or ends * fps - number >= 0.5:
        yield latest.upright()
        number += 1


def pictures(path: Path, threads: int = 0) -> Iterator[Picture]:
    """Yield all pictures of a video in order, at least one.

    Args:
        threads: that decode; 0: FFmpeg's choice.

    Raises:
        MediaError: as `sample_frames`, or one that is damaged: FFmpeg fills in what is missing.
    """
    with reading(path, MediaError, "as a video", REMEDY), open_media(path) as container:
        stream = picture_track(path, container)
        stream.codec_context.thread_count = threads
        aspect = stream.sample_aspect_ratio or Fraction(1)
        time = size = None
        for frame in _in_display_order(container, stream):
            if frame.time is None or (time is not None and frame.time <= time):
                raise MediaError(
                    f"{shown(path)}: a frame without a time stamp, or with one that is not after "
                    f"the frame's before it; {REMEDY}"
                )
            if time is not None and frame.time - time > LONGEST:
                raise MediaError(f"{shown(path)}: a picture that stays for over a day; {REMEDY}")
            if frame.is_corrupt:
                raise MediaError(f"{shown(path)}: damaged at {frame.time:.2f} s; {REMEDY}")
            time, size = frame.time, size or (frame.width, frame.height)
            seconds = min(LONGEST, float((frame.duration or 0) * (frame.time_base or 0)))
            yield Picture(path, frame, time, seconds, size, aspect)
        if time is None:
            raise MediaError(f"{shown(path)}: its picture has no frame that can be decoded")
        check_end(container, stream, time + seconds)


def untimed(container: InputContainer) -> bool:
    """Whether pictures have their place in decoding order only: an AVI has no display times.

    FFmpeg guesses them up to two frames late, or out of order.
    """
    return container.format.name == "avi"


def _in_display_order(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decoded frames; of an AVI the n-th that is shown has the n-th place."""
    if not untimed(container):
        yield from container.decode(stream)
        return
    places: deque[int] = deque()
    for packet in container.demux(stream):
        if packet.dts is not None:
            places.append(packet.dts)
        for frame in packet.decode():
            frame.pts = places.popleft() if places else None
            yield frame


def picture_track(path: Path, container: InputContainer) -> VideoStream:
    """The track of pictures that a player shows."""
    stream = default_track(path, container.streams.video)
    if stream is None:
        raise MediaError(f"{shown(path)}: has no picture, only sound")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS or max(width, height) > MAX_RATIO * min(width, height):
        raise MediaError(
            f"{shown(path)}: {width} x {height} pixels, expected at most {MAX_PIXELS:,} in all and "
            f"sides of 1 : {MAX_RATIO}"
        )
    return stream


def upright(frame: av.VideoFrame, size: tuple[int, int], aspect: Fraction) -> np.ndarray:
    """The picture as it is to be shown, RGB (H, W, 3) uint8, of square pixels.

    It is turned and mirrored by the video's display matrix. Where stored pixels aren't square, the
    side that is short of pixels is stretched. One of another size than the first is scaled to it.

    Raises:
        ValueError: it is turned by another angle than quarter turns, or its pixels are over four
            times as wide as high, or the reverse.
    """
    same = (frame.width, frame.height) == size
    scaled: dict[str, Any] = {} if same else dict(width=size[0], height=size[1])
    pixels = _square(frame.to_ndarray(format="rgb24", **scaled), aspect)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    # x' = a x + c y, y' = b x + d y, in 1/65536.
    buffer: Any = matrix
    a, b, _, c, d = np.frombuffer(bytes(buffer), np.int32)[:5]
    if a == d == 0 and b and c:
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    elif b == c == 0 and a and d:
        across, down = a, d
    else:
        raise ValueError(f"rotated by {frame.rotation} degrees, no quarter turn")
    return np.ascontiguousarray(pixels[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])


def _square(pixels: np.ndarray, aspect: Fraction) -> np.ndarray:
    if aspect == 1:
        return pixels
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise ValueError(f"pixels {aspect} as wide as high, expected at most {MAX_ASPECT} : 1")
    height, width = pixels.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _rest(path: Path, time: float) -> float:
    """Seconds from the last picture to the file's end, which may be its sound's."""
    with reading(path, MediaError, "as a video", REMEDY), open_media(path) as container:
        begin, length = container.start_time or 0, container.duration or 0
    return min(max(0.0, (begin + length) / av.time_base - time), LONGEST_REST)


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
    with writing(target) as part, _told(target), av.open(part, "w", format="mp4") as out:
        with open_media(source) as container:
            stream = picture_track(source, container)
            rate, unit = stream.average_rate or 25, stream.time_base or Fraction(1, 90_000)
        video = out.add_stream("libx264", rate=rate, options={"crf": "18"})
        video.height, video.width = (side + side % 2 for side in size)
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = unit  # a variable frame rate stays one
        audio = out.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        start = next(pictures(source)).time
        painted, sound = _painted(source, paint), _sound(source, start)
        for _, frame in heapq.merge(painted, sound, key=lambda pair: pair[0]):
            track: Any = audio if isinstance(frame, av.AudioFrame) else video
            out.mux(track.encode(frame))
        out.mux(video.encode())
        out.mux(audio.encode())


def _painted(path: Path, paint: Callable) -> Iterator[tuple[float, av.VideoFrame]]:
    start = None
    for picture in pictures(path):
        start = picture.time if start is None else start
        image = paint(picture.upright(), picture.time - start)
        padding = [(0, side % 2) for side in image.shape[:2]]
        frame = av.VideoFrame.from_ndarray(np.pad(image, [*padding, (0, 0)], mode="edge"))
        frame.pts, frame.time_base = picture.frame.pts, picture.frame.time_base
        yield picture.time, frame


def _sound(path: Path, start: float) -> Iterator[tuple[float, av.AudioFrame]]:
    """The sound from a time on without a gap, at one rate, in stereo."""
    form: tuple[int, str] | None = None
    convert: Any = None  # the resampler of what has this form
    written = round(start * SOUND_RATE)

    def timed(parts: list[av.AudioFrame]) -> Iterator[tuple[float, av.AudioFrame]]:
        nonlocal written
        for part in parts:
            part.pts, part.time_base = written, Fraction(1, SOUND_RATE)
            written += part.samples
            yield part.pts / SOUND_RATE, part

    with reading(path, MediaError, "as a sound", REMEDY), open_media(path) as container:
        for rate, samples, layout in placed(path, container, start):
            if layout == "mono":  # FFmpeg would make it 3 dB softer
                samples, layout = np.repeat(samples, 2, axis=0), "stereo"
            if (rate, layout) != form:
                if convert is not None:
                    yield from timed(convert.resample(None))
                form = rate, layout
                convert = av.AudioResampler("fltp", "stereo", SOUND_RATE)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
            frame.sample_rate = rate
            yield from timed(convert.resample(frame))
        if convert is not None:
            yield from timed(convert.resample(None))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn FFmpeg's word on a file that it can't write into an error that names it."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror) from None
        raise MediaError(f"{shown(path)}: can't be written: {error.strerror}") from error
