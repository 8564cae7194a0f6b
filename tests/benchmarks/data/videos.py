"""Raw videos, encoded with PyAV: pictures that say their number, and two tones."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    seconds: float = 5,
    size: tuple[int, int] = (64, 48),
    times: Sequence[float] | None = None,
    fps: Fraction | int = 25,
    codec: str = "libx264",
    sound: str | None = "aac",
    rate: int = 44_100,
    layout: str = "stereo",
    sound_seconds: float | None = None,
    sound_delay: float = 0,
    paint: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Encode a video with PyAV; a tone of 440 Hz on the left, of 660 Hz on the right.

    Args:
        times: when each picture is first shown; None: all 1 / fps.
        sound: its codec; None: no sound track.
        sound_seconds: None: as long as the pictures.
        sound_delay: when the sound begins; its tones' phase counts from there.
        paint: picture number -> (H, W, 3) uint8; None: `picture`.
    """
    times = np.arange(round(seconds * fps)) / float(fps) if times is None else times
    unit = Fraction(1, 60_000)  # MPEG-4 takes no finer one
    with av.open(path, "w") as out:
        video = out.add_stream(codec, rate=Fraction(fps))
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.bit_rate = 4_000_000
        video.codec_context.time_base = unit
        audio = out.add_stream(sound, rate=rate, layout=layout) if sound else None
        for number, time in enumerate(times):
            pixels = paint(number) if paint else picture(number, *size)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(time / unit), unit
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio:
            t = np.arange(round((sound_seconds or seconds) * rate)) / rate
            tones = np.stack([0.5 * np.sin(2 * np.pi * f * t) for f in (440, 660)])
            tones = tones.astype(np.float32)[: audio.codec_context.layout.nb_channels]
            heard = av.AudioFrame.from_ndarray(tones, format="fltp", layout=layout)
            heard.sample_rate, heard.time_base = rate, Fraction(1, rate)
            heard.pts = round(sound_delay * rate)
            for part in av.AudioResampler(audio.format, layout, rate).resample(heard):
                out.mux(audio.encode(part))
            out.mux(audio.encode())
    return path


def picture(number: int, width: int, height: int) -> np.ndarray:
    """A picture that says its number in black and white: eight columns, the left one 128s."""
    bits = [255 * (number >> bit & 1) for bit in range(7, -1, -1)]
    columns = np.repeat(np.array(bits, np.uint8), -(-width // 8))[:width]
    return np.broadcast_to(columns[:, None], (height, width, 3)).copy()


def number_of(pixels: np.ndarray) -> int:
    """The number that a `picture` says, after any codec."""
    parts = np.array_split(pixels[:, :, 1].mean(0), 8)
    return sum(int(part.mean() > 127) << 7 - bit for bit, part in enumerate(parts))


def set_matrix(path: Path, a: float, b: float, c: float, d: float) -> None:
    """Write a display matrix into an mp4: a picture's (x, y) is shown at (a x + c y, b x + d y)."""
    content = path.read_bytes()
    begin = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # the first track is the pictures'
    numbers = [a, b, 0, c, d, 0, 0, 0]
    matrix = np.array([round(65536 * n) for n in numbers] + [1 << 30], ">i4").tobytes()
    path.write_bytes(content[:begin] + matrix + content[begin + 36 :])
