"""Decoding of single files: frames, masks, audio."""

from pathlib import Path

import numpy as np

from benchmarks.data.log_mel import LogMelError, read_log_mel
from gavs.images import open_image, read_image
from gavs.reading import MediaError, shown
from gavs.sound import SAMPLE_RATE, read_mono, read_sound

__all__ = ["SAMPLE_RATE", "audio_problem", "frame_file", "read_audio", "read_frame", "read_labels"]

AUDIO_TOLERANCE = 0.2  # seconds; VGGish's 0.96 s framing still finds its last window

read_frame = read_image  # one decoder for the suite and `python -m gavs predict`
read_audio = read_sound


def frame_file(pattern: str, frame: int) -> Path:
    """The file of a frame (from 0) by a path of the clip index.

    "{}" stands for the frame's number, "{+1}" for the next one: AVSBench-object counts from 1.
    """
    return Path(pattern.replace("{+1}", str(frame + 1)).replace("{}", str(frame)))


def read_labels(path: Path) -> np.ndarray:
    """Colour of each mask pixel as one number, (H, W) int32; 0 is background.

    Palette, grey and RGB masks give the same zeros; the darkest colour of the VOC palette still has
    grey value 7, so `> 0` is the binary mask of the released GAVS code.

    Raises:
        MediaError: as `open_image`, or 16 bits a pixel.
    """
    image = open_image(path)
    if image.mode.startswith("I"):
        raise MediaError(f"{shown(path)}: a mask of 16 bits a pixel, expected 8")
    rgb = np.asarray(image.convert("RGB")).astype(np.int32)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def audio_problem(path: Path, seconds: float) -> str | None:
    """Problem of a sound that should last `seconds`; None if there is none.

    A WAV, or AVSBench-object's stored log-mels (`.pkl`), one window per second.
    """
    try:
        if path.suffix == ".pkl":
            length = float(len(read_log_mel(path)))
        else:  # not resampled: that takes a quarter of a second per clip
            length = sum(samples.shape[1] / rate for rate, samples, _ in read_mono(path))
    except FileNotFoundError:
        return f"{shown(path)}: missing"
    except (LogMelError, MediaError) as error:  # name their file
        return str(error)
    except (OSError, ValueError) as error:  # of the log-mels
        return f"{shown(path)}: {error}"
    if abs(length - seconds) > AUDIO_TOLERANCE:
        return f"{shown(path)}: {length:.2f} s long, expected {seconds} s"
    return None
