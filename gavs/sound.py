"""Sound of a file, every decoded piece at its own time, as VGGish hears it: 16 kHz mono.

WAV and FLAC are read by libsndfile, everything else by FFmpeg. Channels are averaged and resampled
by resampy, as torchvggish does; FFmpeg's mono is 3 dB louder than the average. A float sample may
exceed 1 by up to 12 dB, as loud masters do, and is taken as it is; what exceeds that is refused.
"""

import logging
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import soundfile

from gavs.reading import MediaError, reading, shown

if TYPE_CHECKING:  # FFmpeg's 100 MB are of the extra `train`
    from av.container import InputContainer
    from av.stream import Stream

S = TypeVar("S", bound="Stream")

SAMPLE_RATE = 16_000  # VGGish's
PEAK = 4.0  # 12 dB over full scale
RATES = (4_000, 768_000)  # samples a second that a file may claim; fewer would fill the memory
JITTER = 0.01  # seconds by which a time stamp may be off; a packet of any codec but few is longer
BACKWARDS = 1.0  # seconds; pieces overlap by less
HOLE = 600.0  # seconds; a longer one is a broken time stamp, and silence takes memory
BLOCK = 1 << 20  # samples that are read at once: a header may claim any number
PIPED = 0x7FFFF000  # bytes and more: what programs write that don't know yet
REMEDY = "repair it or fetch it again"
log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """Samples (channels, n) float32 at `rate` per second; `layout` is FFmpeg's name."""

    rate: int
    samples: np.ndarray
    layout: str = "mono"


def read_sound(path: Path, start: float | None = None) -> np.ndarray:
    """Sound of an audio or video file, (n,) float32, 16 kHz, channels averaged.

    Args:
        start: the container's time that sample 0 stands for; None: where the sound begins. What is
            earlier is cut off, what isn't there is silence.

    Raises:
        MediaError: no sound in it, time stamps that run backwards, a sample that is not finite or
            over 4 (full scale is 1).
        FileNotFoundError: there is none.
    """
    pieces = read_mono(path, start)
    with reading(path, MediaError, "as a sound", REMEDY):
        parts = [_at_16_khz(piece) for piece in pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def read_mono(path: Path, start: float | None = None) -> list[Piece]:
    """Sound at the file's own rates, one piece (1, n) per rate; otherwise as `read_sound`."""
    with reading(path, MediaError, "as a sound", REMEDY):
        if _is_wav_or_flac(path):
            pieces = [_sndfile(path)]
        else:
            with open_media(path) as container:
                pieces = _by_rate(placed(path, container, start))
        if not any(piece.samples.size for piece in pieces):
            lacks = "is empty" if start is None else "ends before its first picture"
            raise MediaError(f"{shown(path)}: its sound {lacks}")
        return pieces


def placed(path: Path, container: "InputContainer", start: float | None) -> Iterator[Piece]:
    """Yield the sound of a container from time `start` on, without a gap.

    A hole is silence. Of pieces that overlap, the later one's beginning is left out. The rate and
    the channels may change from piece to piece.
    """
    import av

    stream = default_track(path, container.streams.audio)
    if stream is None:
        raise MediaError(f"{shown(path)}: has no sound track; GAVS finds what it hears")
    form: tuple[str, str, int] | None = None
    to_float: Any = None  # the resampler of what has this form
    latest: float | None = None
    end, begun = start, False
    for frame in container.decode(stream):
        rate, form_before = frame.sample_rate, form
        form = frame.format.name, frame.layout.name, rate
        if form != form_before:
            _check_rate(rate)
            to_float = av.AudioResampler(format="fltp")  # takes one form of frames only
        time = frame.time if frame.time is not None else (latest or 0.0)
        if latest is not None and time < latest - BACKWARDS:
            raise ValueError(f"its time stamps run backwards, from {latest:.2f} to {time:.2f} s")
        end = time if end is None else end
        samples = np.concatenate([p.to_ndarray() for p in to_float.resample(frame)], axis=1)
        latest = time + samples.shape[1] / rate
        late = round((time - end) * rate)  # samples
        if begun and abs(late) <= JITTER * rate:
            late = 0
        if late > HOLE * rate:
            raise ValueError(f"a hole of {late / rate:,.0f} s in its sound at {end:.2f} s")
        if late > 0:
            yield Piece(rate, np.zeros((len(samples), late), np.float32), form[1])
        samples = samples[:, max(0, -late) :]
        if samples.shape[1]:
            _check_samples(samples)
            yield Piece(rate, samples, form[1])
            begun = True
        end += (max(0, late) + samples.shape[1]) / rate
    if latest is not None:
        check_end(container, stream, latest)


def open_media(path: Path) -> "InputContainer":
    """Open one local file: a colon in its name is no protocol, a playlist fetches nothing."""
    import av

    options = {"protocol_whitelist": "file"}
    return av.open(f"file:{os.fspath(path)}", options=options, metadata_errors="replace")


def default_track(path: Path, streams: Sequence[S]) -> S | None:
    """The track that a player takes: the default, else the first; a cover picture is none."""
    from av.stream import Disposition

    tracks = [s for s in streams if not s.disposition & Disposition.attached_pic]
    if not tracks:
        return None
    chosen = next((s for s in tracks if s.disposition & Disposition.default), tracks[0])
    if len(tracks) > 1:
        name = chosen.metadata.get("title") or chosen.metadata.get("language") or "unnamed"
        number = f"{tracks.index(chosen) + 1} of {len(tracks)}"
        _warn_once(f"{shown(path)}: {chosen.type} track {number} is taken ({shown(name)})")
    return chosen


@cache
def _warn_once(message: str) -> None:
    log.warning(message)


def check_end(container: "InputContainer", stream: "Stream", end: float) -> None:
    """Compare where a track ends, in the container's time, with what an mp4's index says.

    Raises:
        ValueError: it ends more than a second early: the file is cut.
    """
    if "mp4" in container.format.name and stream.duration and stream.time_base:
        claimed = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        if end < claimed - 1:
            raise ValueError(f"its {stream.type} ends at {end:.2f} of {claimed:.2f} s: it is cut")


def _by_rate(pieces: Iterable[Piece]) -> list[Piece]:
    """Averaged channels, neighbours of one rate joined: (1, n) each."""
    joined = []
    for rate, group in groupby(pieces, lambda piece: piece.rate):
        joined.append(Piece(rate, np.concatenate([p.samples.mean(0) for p in group])[None]))
    return joined


def _at_16_khz(piece: Piece) -> np.ndarray:
    """(m,) at 16 kHz; nothing of a sound that is shorter than one of its samples."""
    mono = piece.samples[0]
    if piece.rate == SAMPLE_RATE:
        return mono
    if len(mono) * SAMPLE_RATE < piece.rate:
        return mono[:0]
    import resampy  # slow to import: it brings numba

    return resampy.resample(mono, piece.rate, SAMPLE_RATE)


def _is_wav_or_flac(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(12)
    return head[:4] == b"fLaC" or (head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE")


def _sndfile(path: Path) -> Piece:
    """Averaged channels of a WAV or FLAC, (1, n), by no more memory than its samples take."""
    _check_wav_size(path)
    with soundfile.SoundFile(path) as file:
        _check_rate(file.samplerate)
        blocks: list[np.ndarray] = []
        length = max(1, BLOCK // file.channels)
        while len(block := file.read(length, dtype="float32", always_2d=True)):
            _check_samples(block.T, sum(len(part) for part in blocks))
            blocks.append(block.mean(1))
        total = sum(len(part) for part in blocks)
        if total != file.frames:
            raise ValueError(f"ends after {total:,} of {file.frames:,} samples: it is cut")
        return Piece(file.samplerate, np.concatenate([*blocks, np.empty(0, np.float32)])[None])


def _check_wav_size(path: Path) -> None:
    """A cut WAV: libsndfile takes what is there. Written to a pipe, it doesn't know its size."""
    with open(path, "rb") as file:
        if file.read(12)[:4] != b"RIFF":
            return
        total = os.fstat(file.fileno()).st_size
        while len(head := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", head)
            present = total - file.tell()
            if kind == b"data":
                if present < size < PIPED:
                    raise ValueError(f"holds {present:,} of {size:,} bytes of samples: it is cut")
                return
            file.seek(size + size % 2, os.SEEK_CUR)


def _check_rate(rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"{rate:,} samples a second, expected {RATES[0]:,} to {RATES[1]:,}")


def _check_samples(samples: np.ndarray, before: int = 0) -> None:
    """Finite, and floats that are shares of full scale; (channels, n), after `before` others."""
    low, high = samples.min(), samples.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = before + int((~np.isfinite(samples)).any(0).argmax())
        raise ValueError(f"sample {bad:,} is NaN or infinite")
    peak = max(-low, high)
    if peak > PEAK:
        raise ValueError(
            f"a peak of {peak:,.6g}, expected floats from -1 to 1 (at most {PEAK:g}); integers' "
            "range? divide by 32768, or save it as PCM_16"
        )
