"""Clips of the page: which ones, and each one's frame, sound, truth and masks, as text."""

import base64
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import av
import numpy as np
import pandas as pd
from matplotlib import colormaps
from PIL import Image

from benchmarks.data.clip_files import clip_file
from benchmarks.data.files import SAMPLE_RATE, read_audio
from benchmarks.report.overlays import iou
from benchmarks.report.qualitative import frame_and_truth, read_spectrogram
from benchmarks.report.web.masks import Drawn
from benchmarks.report.web.pairs import rivals_of
from benchmarks.scoring.npz import Scores

COUNT = 40  # of a contest
SIDE = 224  # pixels of a picture at most
BIT_RATE = 24_000  # of MP3, which every browser plays: 15 kB for 5 s
QUALITY = 82  # of JPEG
STEPS = 4  # of the spectrogram's hundredths of a second in one column


def choose(scores: Scores, index: pd.DataFrame, count: int = COUNT) -> dict[str, int]:
    """Choose clips and one scored frame of each, by what they are and not by any score.

    The clips are spread evenly over the test set in the order of sound in view, silence, class
    and name, so that each kind has its share; their frames take turns.

    Returns:
        The frame's number by uid.
    """
    frames = getattr(scores, "frame", np.zeros(len(scores), int))
    scored = pd.DataFrame({"uid": scores.uid, "frame": frames}).groupby("uid").frame.agg(list)
    clips = index.set_index("uid").loc[scored.index]
    by = [name for name in ("off_screen", "silent_frames", "classes") if name in clips]
    ordered = clips.sort_values([*by, "uid"]).index
    places = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
    return {
        uid: int(scored[uid][turn % len(scored[uid])]) for turn, uid in enumerate(ordered[places])
    }


def pictures(
    index: pd.DataFrame, frames: dict[str, int], masks: Iterable[Drawn]
) -> list[dict[str, Any]]:
    """Make what the page shows and plays of each clip.

    Returns:
        Per clip its place and words on it, data URLs of frame, spectrogram and sound, and run
        lengths of the truth and, by row and sound, of the masks with their IoU (%).
    """
    clips = index.set_index("uid", drop=False).loc[list(frames)]
    rivals = rivals_of(clips.reset_index(drop=True))
    content, truths = {}, {}
    for clip in clips.itertuples():
        content[clip.uid], truths[clip.uid] = _clip(clip, frames[clip.uid], rivals[clip.uid])
    for row, sound, uid, mask in masks:
        entry = [runs(_small(mask)), round(100 * iou(mask, truths[uid]), 1)]
        content[uid]["masks"].setdefault(row, {})[sound] = entry
    return list(content.values())


def _clip(clip: Any, number: int, rivals: float) -> tuple[dict[str, Any], np.ndarray]:
    """One clip without masks, and its truth (H, W) bool."""
    frame, truth, boxes = frame_and_truth(clip, number)
    audio = clip_file(clip, "audio")
    spectrogram = read_spectrogram(audio)
    picture = Image.fromarray(frame)
    picture.thumbnail((SIDE, SIDE))
    content = {
        "uid": clip.uid,
        "classes": clip.classes.split("_"),
        "heard": _words(clip, "heard"),
        "shown": _words(clip, "shown"),
        "regime": str(getattr(clip, "regime", "") or ""),
        "off_screen": str(getattr(clip, "off_screen", "")) == "True",
        "empty": not truth.any(),
        "rivals": None if np.isnan(rivals) else int(rivals),
        "second": int(clip.second) + number,
        "seconds": len(spectrogram) // 96,
        "width": picture.width,
        "height": picture.height,
        "frame": _jpeg(picture),
        "spectrogram": _jpeg(_colours(spectrogram)),
        "sound": "" if audio.suffix == ".pkl" else _mp3(read_audio(audio)),
        "truth": runs(_small(truth)),
        "masks": {},
    }
    return content, truth


def runs(mask: np.ndarray) -> str:
    """Run lengths of a mask, row by row, dark and lit in turn, as base64 of bytes.

    A run of 255 or more is that many bytes of 255, then the rest.
    """
    flat = np.concatenate([[False], mask.ravel(), [not mask.ravel()[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], edges]))
    content = b"".join(b"\xff" * (n // 255) + bytes([n % 255]) for n in lengths.tolist())
    return base64.b64encode(content).decode()


def _small(mask: np.ndarray) -> np.ndarray:
    """The mask at the size of the picture."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image) > 127


def _words(clip: Any, column: str) -> list[str]:
    words = str(getattr(clip, column, "") or "").split("_")
    return [word for word in words if word not in ("", "nan")]


def _colours(log_mel: np.ndarray) -> Image.Image:
    """The spectrogram (96 T, 64), low tones below, in colours."""
    columns = log_mel[: len(log_mel) // STEPS * STEPS].reshape(-1, STEPS, 64).mean(1)
    low, high = columns.min(), columns.max()
    share = (columns.T[::-1] - low) / max(high - low, 1e-6)
    return Image.fromarray((colormaps["magma"](share)[..., :3] * 255).astype(np.uint8))


def _jpeg(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return _url("image/jpeg", buffer.getvalue())


def _mp3(waveform: np.ndarray) -> str:
    """Mono sound as MP3 of a constant rate, in which a browser can seek."""
    buffer = io.BytesIO()
    samples = (np.clip(waveform, -1, 1) * 32767).astype(np.int16)[None]
    with av.open(buffer, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as f:
        stream: Any = f.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate = SAMPLE_RATE
        resampler = av.AudioResampler("s16p", "mono", SAMPLE_RATE, stream.codec_context.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            f.mux(stream.encode(part))
        f.mux(stream.encode(None))
    return _url("audio/mpeg", buffer.getvalue())


def _url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def script(name: str, clips: Sequence[dict[str, Any]]) -> str:
    """A contest's clips as the script that hands them to the page: files can't be fetched."""
    lines = ",\n".join(json.dumps(clip, separators=(",", ":")) for clip in clips)
    return f"GAVS.clips({json.dumps(name)}, [\n{lines}\n]);\n"
