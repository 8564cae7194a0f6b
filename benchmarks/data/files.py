"""Decoding of single files: frames, masks, audio."""

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from benchmarks.data.log_mel import LogMelError, read_log_mel

SAMPLE_RATE = 16_000  # VGGish's
AUDIO_TOLERANCE = 0.2  # seconds; VGGish's 0.96 s framing still finds its last window


def frame_file(pattern: str, frame: int) -> Path:
    """The file of a frame (from 0) by a path of the clip index.

    "{}" stands for the frame's number, "{+1}" for the next one: AVSBench-object counts from 1.
    """
    return Path(pattern.replace("{+1}", str(frame + 1)).replace("{}", str(frame)))


def read_frame(path: Path) -> np.ndarray:
    """RGB frame, (H, W, 3) uint8.

    Raises:
        OSError: naming the file, which is missing or can't be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # a broken PNG is a SyntaxError
        raise OSError(f"{path}: can't be decoded ({error})") from error


def read_labels(path: Path) -> np.ndarray:
    """Colour of each mask pixel as one number, (H, W) int32; 0 is background.

    Palette, grey and RGB masks give the same zeros; the darkest colour of the VOC palette still has
    grey value 7, so `> 0` is the binary mask of the released GAVS code. Raises as `read_frame`.
    """
    rgb = read_frame(path).astype(np.int32)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def read_audio(path: Path) -> np.ndarray:
    """Mono waveform at 16 kHz, (n,) float32 in [-1, 1]; averaged and resampled as torchvggish.

    Raises:
        ValueError: a sample is NaN or infinite.
    """
    mono, rate = _read_mono(path)
    if rate == SAMPLE_RATE:
        return mono
    import resampy  # slow to import: it brings numba

    return resampy.resample(mono, rate, SAMPLE_RATE)


def _read_mono(path: Path) -> tuple[np.ndarray, int]:
    """Waveform (n,) at the file's own rate, and that rate; errors as `read_audio`."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(1).argmax())
        raise ValueError(f"sample {bad} is NaN or infinite")
    return samples.mean(1), rate


def audio_problem(path: Path, seconds: float) -> str | None:
    """What is wrong with a sound that should last so long; None: nothing.

    A WAV, or AVSBench-object's stored log-mels (`.pkl`), one window a second.
    """
    try:
        if path.suffix == ".pkl":
            length = float(len(read_log_mel(path)))
        else:
            mono, rate = _read_mono(path)  # resampling takes a quarter of a second a clip
            length = len(mono) / rate
    except LogMelError as error:  # names its file
        return str(error)
    except (OSError, RuntimeError, ValueError) as error:  # soundfile's error is a RuntimeError
        return f"{path}: {error if path.exists() else 'missing'}"
    if abs(length - seconds) > AUDIO_TOLERANCE:
        return f"{path}: {length:.2f} s long, expected {seconds} s"
    return None
