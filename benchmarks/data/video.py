"""Frames and sound out of raw videos, into the folders that the readers read.

AVSBench's preprocessing (OpenNLPLab/AVSBench) takes frame int((s + 15/16) * fps) of second s, with
fps rounded to a whole number, and the last frame where there are no more. Where the frame rate
varies, we take what is shown at s + 15/16; for VGG-SS what is shown at 5 s. Times, the sound's too,
count from the first picture.
"""

import io
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.common.files import write_atomic
from benchmarks.common.workers import worker_pool
from benchmarks.data.avsbench import SECONDS, layout_of, locate, read_clips
from benchmarks.data.files import AUDIO_TOLERANCE, SAMPLE_RATE, frame_file
from benchmarks.data.index import DataError
from benchmarks.data.vggss import FRAME_SECOND, clip_paths
from benchmarks.data.vggss import SECONDS as VGGSS_SECONDS
from gavs.media import INSTANT, VIDEOS, picture_track, pictures, untimed
from gavs.reading import MediaError, reading, shown
from gavs.sound import open_media, read_sound
from splits.files import SplitError
from splits.vggsound import read_list
from splits.vggss_boxes import read_annotations

TOO_LONG = 1.0  # seconds over the clip's: then it isn't known which part of the video the clip is
OBJECT_SIZE = 224  # pixels; of AVSBench-object's frames and masks
log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """A clip to be extracted: one frame per second; if there is but one, it is VGG-SS's."""

    video: Path
    frames: list[Path]
    audio: Path
    seconds: int

    @property
    def finished(self) -> bool:
        return all(path.is_file() for path in (*self.frames, self.audio))


def extract_videos(
    videos: Path, out: Path, layout: str, listed: Path | None = None, workers: int = 1
) -> None:
    """Fill a data set's folder with the frames and WAVs of its clips; what is there is kept.

    Args:
        videos: folder of videos (`gavs.media.VIDEOS`), in any subfolders, each trimmed to its clip
            and named as the data set names the clip, VGG-Sound's in any scheme of `clip_name`.
        out: `avsbench`: the folder with metadata.csv and AVSBench's masks, in either layout.
            `vggss`: the folder for frames/ and audio/.
        layout: one of VIDEO_LAYOUTS.
        listed: with `vggss`: a text file of ids, one per line (VGG-Sound); None: those of
            vggss.json.

    Raises:
        DataError: every video that was refused, with its reason, after all others are done.
    """
    check_videos(videos)
    table = _avsbench_clips(out) if layout == "avsbench" else _vggss_clips(out, listed)
    files = sorted(p for p in videos.rglob("*") if not p.is_dir())
    paths, twice = by_name(files, clip_name if layout == "vggss" else str)
    names = [name for name in table if name in paths]
    if twice or not names:
        raise DataError(twice or [_no_video(videos, files, table, out)])
    jobs = [_Job(paths[name], *table[name]) for name in names]
    todo = [job for job in jobs if not job.finished]
    log.info(
        "%d of %d clips have a video; %d are extracted, %d to do",
        *(len(names), len(table), len(jobs) - len(todo), len(todo)),
    )
    with worker_pool(workers) as pool:
        results = tqdm(pool.map(_extract, todo), "extracting", len(todo), disable=None)
        problems = [problem for problem in results if problem]
    if problems:
        raise DataError(problems)


def check_videos(folder: Path) -> None:
    """Raise DataError where there is no such folder."""
    if not folder.is_dir():
        what = "a file, expected a folder" if folder.exists() else "no such folder"
        raise DataError([f"{shown(folder)}: {what}"])


def by_name(
    files: Iterable[Path], name_of: Callable[[str], str]
) -> tuple[dict[str, Path], list[str]]:
    """The videos among files, by name, and a line for each second one of a name."""
    paths: dict[str, Path] = {}
    twice = []
    for path in (p for p in files if p.suffix.lower() in VIDEOS):
        name = name_of(path.stem)
        if paths.setdefault(name, path) is not path:
            twice.append(f"{path}: a second video of {name}, besides {paths[name]}")
    return paths, twice


def _no_video(videos: Path, files: list[Path], names: dict, out: Path) -> str:
    """Text on what the folder holds in place of videos of the clips."""
    kinds = Counter(path.suffix for path in files).most_common(5)
    content = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in kinds)
    return (
        f"{shown(videos)}: no video of the {len(names)} clips of {shown(out)}; expected names like "
        f"{next(iter(names), 'ID')}.mp4 ({' '.join(VIDEOS)}), it holds {content or 'no file'}"
    )


def sample_video(path: Path, seconds: int, middle: bool) -> tuple[list[np.ndarray], np.ndarray]:
    """Upright RGB frames (H, W, 3) uint8, and the sound (n,) float32, 16 kHz mono, of a clip.

    Args:
        seconds: how long the clip is.
        middle: the frame at FRAME_SECOND only, as VGG-SS; else one per second, as AVSBench.

    Raises:
        MediaError: no pictures, no sound, too short, too long, not to be decoded, or rotated by
            another angle than quarter turns.
    """
    stamps, unit, length = _timeline(path)
    if not seconds - AUDIO_TOLERANCE <= length <= seconds + TOO_LONG:
        cut = "; cut it to its clip" if length > seconds else ""
        raise MediaError(f"{shown(path)}: {length:.2f} s of pictures, expected {seconds} s{cut}")
    times = (stamps - stamps[0]) * float(unit)
    chosen = _shown_at(times, [FRAME_SECOND]) if middle else _avsbench_choice(times, seconds)
    frames = _decode(path, stamps[chosen].tolist())
    sound = read_sound(path, float(stamps[0] * unit))[: seconds * SAMPLE_RATE]
    if len(sound) < (seconds - AUDIO_TOLERANCE) * SAMPLE_RATE:
        heard = f"{len(sound) / SAMPLE_RATE:.2f} s of sound"
        raise MediaError(f"{shown(path)}: {heard}, expected {seconds} s")
    return frames, sound


def sample_window(path: Path, start: int, seconds: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames and sound of the `seconds` from second `start` on of a longer video.

    They are as `sample_video`'s. What the video lacks at its end is its last picture, and silence.

    Raises:
        MediaError: as `sample_video`, or it ends before `start`.
    """
    stamps, unit, length = _timeline(path)
    if length <= start:
        raise MediaError(f"{shown(path)}: {length:.2f} s of pictures, expected more than {start} s")
    times = (stamps - stamps[0]) * float(unit)
    frames = _decode(path, stamps[_shown_at(times, start + np.arange(seconds) + INSTANT)].tolist())
    sound = read_sound(path, float(stamps[0] * unit) + start)[: seconds * SAMPLE_RATE]
    return frames, np.pad(sound, (0, seconds * SAMPLE_RATE - len(sound)))


def clip_name(name: str) -> str:
    """VGG-Sound's name of a clip, VIDEO_SSSSSS, of the name of its file.

    VGG's own archives and their mirrors have VIDEO_000030; scripts that cut the clips themselves
    leave VIDEO_30, VIDEO_30_40, or milliseconds, VIDEO_30000_40000. Other names stay as they are.
    """
    match = re.fullmatch(r"([\w-]{11})_(\d{1,8})(?:_(\d{1,8}))?", name, re.ASCII)
    if match is None:
        return name
    start, end = int(match[2]), int(match[3] or 0)
    return f"{match[1]}_{start // (1000 if end - start >= 1000 else 1):06d}"


def _timeline(path: Path) -> tuple[np.ndarray, Fraction, float]:
    """Time stamps of all pictures in order, their unit in seconds, and the seconds they last."""
    with reading(path, MediaError, "as a video"), open_media(path) as container:
        stream = picture_track(path, container)
        key = "dts" if untimed(container) else "pts"
        packets = [
            (getattr(packet, key), packet.duration or 0)
            for packet in container.demux(stream)
            if getattr(packet, key) is not None and not packet.is_discard
        ]
        unit: Any = stream.time_base  # a stream that is read has one
    if len(packets) < 2:
        raise MediaError(f"{shown(path)}: {len(packets)} pictures with a time")
    stamps = np.unique([stamp for stamp, _ in packets])
    last = max(packets)[1] or int(np.median(np.diff(stamps)))
    return stamps, unit, float((stamps[-1] - stamps[0] + last) * unit)


def _avsbench_choice(times: np.ndarray, seconds: int) -> np.ndarray:
    """Numbers of AVSBench's frames, (seconds,), by the times at which each is first shown."""
    steps = np.diff(times)
    rate = round(len(steps) / (times[-1] - times[0]))
    # Time stamps in milliseconds vary a little. A picture that stays for seconds has no rate.
    if rate < 1 or steps.max() > 1.5 * np.median(steps):
        return _shown_at(times, np.arange(seconds) + INSTANT)
    numbers = ((np.arange(seconds) + INSTANT) * rate).astype(int)
    return np.minimum(numbers, len(times) - 1)


def _shown_at(times: np.ndarray, instants: np.ndarray | list) -> np.ndarray:
    return np.searchsorted(times, np.asarray(instants) + 1e-3, side="right") - 1


def _decode(path: Path, stamps: list[int]) -> list[np.ndarray]:
    """The frames at these time stamps, in order."""
    frames: list[np.ndarray] = []
    for picture in pictures(path, threads=1):  # the workers fill the cores
        while picture.frame.pts >= stamps[len(frames)]:  # type: ignore[operator]  # it has a time
            frames.append(picture.upright())
            if len(frames) == len(stamps):
                return frames
    raise MediaError(f"{shown(path)}: its pictures can't be decoded to the end")


def _avsbench_clips(root: Path) -> dict[str, tuple[list[Path], Path, int]]:
    """Files to write for each clip, by the name that its layout gives it."""
    clips = read_clips(root)
    clips = clips[[layout_of(root, label) is not None for label in clips.label]]
    if clips.empty:
        raise DataError([f"{root}: neither AVSBench-semantic's folders nor AVSBench-object's"])
    return {
        row.name: (
            [frame_file(row.frame_path, k) for k in range(SECONDS[row.label])],
            Path(row.audio_path),
            SECONDS[row.label],
        )
        for row in locate(root, clips, waveforms=True).itertuples()
    }


def _vggss_clips(root: Path, listed: Path | None) -> dict[str, tuple[list[Path], Path, int]]:
    try:
        files = read_list(listed) if listed else read_annotations(root / "vggss.json")[0].file
    except SplitError as error:
        raise DataError(error.problems) from error
    paths = {file: clip_paths(root, file) for file in files}
    return {file: ([frame], audio, VGGSS_SECONDS) for file, (frame, audio) in paths.items()}


def _extract(job: _Job) -> str | None:
    """Extract one clip; what is wrong with it, if it was refused. In a worker process."""
    try:
        frames, sound = sample_video(job.video, job.seconds, middle=len(job.frames) == 1)
    except MediaError as error:
        return str(error)
    for path, frame in zip(job.frames, frames, strict=True):
        if not path.is_file():  # the released ones stay
            write_atomic(path, jpeg(frame) if path.suffix == ".jpg" else _object_png(frame))
    if not job.audio.is_file():
        write_atomic(job.audio, wav(sound))
    return None


def wav(sound: np.ndarray) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, sound.clip(-1, 1), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def jpeg(frame: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=95)  # ours; at the video's own size
    return content.getvalue()


def _object_png(frame: np.ndarray) -> bytes:
    """224 x 224, by OpenCV's bilinear resize, which doesn't smooth."""
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
    small = F.interpolate(planes, (OBJECT_SIZE,) * 2, mode="bilinear", align_corners=False)
    content = io.BytesIO()
    Image.fromarray(small[0].permute(1, 2, 0).round().byte().numpy()).save(content, "PNG")
    return content.getvalue()
