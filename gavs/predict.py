"""A trained method on pictures and sound of one's own: masks, overlays, an overlaid video."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion

from gavs.images import read_image
from gavs.media import INSTANT, overlay_video, read_video_sound, sample_frames
from gavs.predictor import Predictor, clips_of
from gavs.reading import MediaError, shown
from gavs.sound import SAMPLE_RATE, read_sound

COLOUR = (213, 94, 0)  # vermilion, told apart with any colour vision
OPACITY = 0.6
OUTLINE = (255, 255, 255)  # seen on whatever the tint lies on
THIN = 200  # of an outline: the frame's smaller side / its width
TOLERANCE = 0.2  # seconds by which a second of sound may fall short; the rest is silence
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")
log = logging.getLogger(__name__)

Frame = tuple[str, int, np.ndarray]  # name, second, RGB


class Output(NamedTuple):
    """What is written of each frame into a folder.

    A pixel is lit above `threshold`. `probabilities`: also those, as 16-bit PNG or as NPY of
    float32, which `python -m benchmarks score` reads.
    """

    folder: Path
    threshold: float = 0.5
    probabilities: Literal["png", "npy"] | None = None


def predict_images(
    predictor: Predictor, images: Sequence[Path], audio: Path, output: Output, second: int = 0
) -> int:
    """Masks and overlays of images that are frames of consecutive seconds of a sound.

    Image i lies in second `second` + i. They go by the numbers that end their names, if all have
    one (a shell lists 10.jpg before 2.jpg). Returns how many masks are empty.

    Raises:
        MediaError: a file can't be read, the sound ends too early, or two images share a name.
    """
    sound, frames = _with_sound(images, audio, second)
    return len(_write(predictor, frames, sound, output)[1])


def predict_video(
    predictor: Predictor, video: Path, output: Output, fps: float = 1
) -> tuple[int, int]:
    """Masks and overlays of `fps` frames a second, and `{out}/{video's name}.mp4`.

    In the video each frame shows the mask of its interval. Returns how many masks there are, and
    how many of them are empty.

    Raises:
        MediaError: it can't be read, has no sound, or less than a second of it; or it lies in `out`
            by the name of its overlaid copy.
    """
    target = output.folder / f"{video.stem}.mp4"
    if target.exists() and target.samefile(video):
        raise MediaError(
            f"{shown(video)}: its overlaid copy would replace it; choose another folder"
        )
    masks, empty = _write_video(predictor, video, output, fps)

    def paint(frame: np.ndarray, time: float) -> np.ndarray:
        path = masks[min(int(time * fps), len(masks) - 1)]
        return overlay(frame, np.asarray(Image.open(path)) > 0)

    width, height = Image.open(masks[0]).size
    overlay_video(video, target, (height, width), paint)
    return len(masks), len(empty)


def predict_clips(
    predictor: Predictor, folder: Path, output: Output, fps: float = 1
) -> tuple[int, int, int]:
    """Masks and overlays of every clip of a folder, in subfolders by the clips' names.

    A clip is a video, or a folder with `frames/` and one sound beside it, as AVSBench has them.
    Returns how many clips and masks there are, and how many masks are empty.

    Raises:
        MediaError: no clips, two of a name, or one that the functions above refuse.
    """
    clips = _clips(folder)  # all faults that their names tell, before the first is predicted
    written = []
    for name, parts in clips.items():
        if isinstance(parts, Path):
            written.append(_write_video(predictor, parts, output, fps, name))
        else:
            sound, frames = _with_sound(*parts)
            written.append(_write(predictor, frames, sound, output, name))
    return len(clips), sum(len(m) for m, _ in written), sum(len(e) for _, e in written)


def _clips(folder: Path) -> dict[str, Path | tuple[list[Path], Path]]:
    """Videos, or frames and their sound, by the name of the clip."""
    clips: dict[str, Path | tuple[list[Path], Path]] = {}
    for path in sorted(folder.iterdir()):
        is_video = path.suffix.lower() in VIDEOS and path.is_file()
        if not is_video and not (path / "frames").is_dir():
            continue
        name = path.stem if is_video else path.name
        if name in clips:
            raise MediaError(f"{shown(path)}: more than one clip is called {shown(name)}")
        if is_video:
            clips[name] = path
            continue
        images = [p for p in sorted((path / "frames").iterdir()) if p.suffix.lower() in IMAGES]
        sounds = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SOUNDS]
        if not images or len(sounds) != 1:
            raise MediaError(
                f"{shown(path)}: {len(images)} frames and {len(sounds)} sounds, expected "
                "frames/*.jpg (or .png) and one sound"
            )
        clips[name] = images, sounds[0]
    if not clips:
        raise MediaError(
            f"{shown(folder)}: no clips, expected videos or folders with frames/ and a sound"
        )
    return clips


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the frame, tinted where the mask (H, W) bool is lit, with its outline."""
    tinted = frame.copy()
    tinted[mask] = ((1 - OPACITY) * frame[mask] + OPACITY * np.array(COLOUR)).round()
    width = max(1, min(mask.shape) // THIN)
    tinted[mask & ~binary_erosion(mask, iterations=width, border_value=1)] = OUTLINE
    return tinted


def save_probabilities(path: Path, probabilities: np.ndarray) -> None:
    """Write (H, W) probabilities: 16-bit grey for `.png`, float32 for `.npy`."""
    if path.suffix == ".npy":
        np.save(path, probabilities.astype(np.float32))
    else:
        Image.fromarray((probabilities * 65535).round().astype(np.uint16)).save(path)


def _with_sound(
    images: Sequence[Path], audio: Path, second: int = 0
) -> tuple[np.ndarray, Iterator[Frame]]:
    """A sound, and the images in order, each with its second."""
    stems = Counter(path.stem for path in images)
    if repeated := [stem for stem, count in stems.items() if count > 1]:
        raise MediaError(
            f"{len(images)} images, but more than one is called {shown(min(repeated))}"
        )
    numbers = [int(n[0]) for path in images if (n := re.search(r"\d+$", path.stem))]
    if len(numbers) == len(images):
        images = [path for _, path in sorted(zip(numbers, images, strict=True))]
    sound = read_sound(audio)
    _check_length(audio, sound, second + len(images) - 1)
    return sound, ((path.stem, second + i, read_image(path)) for i, path in enumerate(images))


def _write_video(
    predictor: Predictor, video: Path, output: Output, fps: float, clip: str = ""
) -> tuple[list[Path], list[Path]]:
    sound = read_video_sound(video)
    _check_length(video, sound, 0)
    frames = (
        (f"{number:05d}", int((number + INSTANT) / fps), frame)
        for number, frame in enumerate(sample_frames(video, fps))
    )
    masks, empty = _write(predictor, frames, sound, output, clip)
    if len(sound) < int((len(masks) - 1 + INSTANT) / fps) * SAMPLE_RATE:
        log.warning("%s: frames after %.1f s hear silence", shown(video), len(sound) / SAMPLE_RATE)
    return masks, empty


def _write(
    predictor: Predictor, frames: Iterable[Frame], sound: np.ndarray, output: Output, clip: str = ""
) -> tuple[list[Path], list[Path]]:
    """Predict (name, second, frame) one after the other; the masks' files, and the empty ones."""
    kinds = ("masks", "overlays", *(["probabilities"] if output.probabilities else []))
    folders = {kind: output.folder / kind / clip for kind in kinds}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    masks, empty = [], []
    timed = ((second, (name, frame)) for name, second, frame in frames)
    for part in clips_of(timed, predictor.method.config.temporal()):
        seconds, pictures = [s for s, _ in part], [frame for _, (_, frame) in part]
        maps = predictor(pictures, sound, seconds)
        for (_, (name, frame)), probabilities in zip(part, maps, strict=True):
            mask = probabilities > output.threshold
            masks.append(output.folder / "masks" / clip / f"{name}.png")
            Image.fromarray(mask.astype(np.uint8) * 255).save(masks[-1])
            Image.fromarray(overlay(frame, mask)).save(
                output.folder / "overlays" / clip / f"{name}.png"
            )
            if output.probabilities:
                file = f"{name}.{output.probabilities}"
                save_probabilities(output.folder / "probabilities" / clip / file, probabilities)
            if not mask.any():
                empty.append(masks[-1])
    return masks, empty


def _check_length(path: Path, sound: np.ndarray, second: int) -> None:
    seconds = second + 1 - TOLERANCE
    if len(sound) < seconds * SAMPLE_RATE:
        raise MediaError(
            f"{shown(path)}: {len(sound) / SAMPLE_RATE:.2f} s of sound, but second {second} (from "
            f"0) needs at least {seconds:.1f} s"
        )
