"""A trained method on pictures and sound of one's own: masks, overlays, an overlaid video."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import binary_erosion

from gavs.images import FORMATS, read_image
from gavs.media import (
    INSTANT,
    VIDEOS,
    first_time,
    overlay_video,
    read_video_sound,
    sample_frames,
)
from gavs.predictor import Predictor, clips_of
from gavs.reading import MediaError, shown
from gavs.sound import read_mono, read_sound
from gavs.writing import write_whole

COLOUR = (213, 94, 0)  # vermilion, told apart with any colour vision
OPACITY = 0.6
OUTLINE = (255, 255, 255)  # seen on whatever the tint lies on
THIN = 200  # of an outline: the frame's smaller side / its width
TOLERANCE = 0.2  # seconds by which a second of sound may fall short; the rest is silence
IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg")
LISTED = 5  # of the names that were passed over
log = logging.getLogger(__name__)


class _Stills(NamedTuple):
    """Images that are frames of consecutive seconds of a sound, the first of second `second`."""

    images: Sequence[Path]
    audio: Path
    second: int = 0


_Source = Path | _Stills  # a video, or images with their sound


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

    Image i lies in second `second` + i. They go by the numbers that end their names (a shell lists
    10.jpg before 2.jpg), or as they are given if none has one. Returns how many masks are empty.

    Raises:
        MediaError: a file can't be read, the sound ends too early, two images share a name, or
            their numbers are not consecutive.
        FileExistsError: there are masks in the folder that aren't of these images.
    """
    return len(_predict(predictor, {"": _Stills(images, audio, second)}, output)[1])


def predict_video(
    predictor: Predictor, video: Path, output: Output, fps: float = 1
) -> tuple[int, int]:
    """Masks and overlays of `fps` frames a second, and `{out}/{video's name}.mp4`.

    In the video each frame shows the mask of its interval. Returns how many masks there are, and
    how many of them are empty.

    Raises:
        MediaError: it can't be read, has no sound, or less than a second of it; or it lies in `out`
            by the name of its overlaid copy.
        FileExistsError: there are masks in the folder that aren't of its frames.
    """
    target = output.folder / f"{video.stem}.mp4"
    if target.exists() and target.samefile(video):
        raise MediaError(
            f"{shown(video)}: its overlaid copy would replace it; choose another folder"
        )
    masks, empty = _predict(predictor, {"": video}, output, fps)

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
    All are read once before the first is predicted. Other files are passed over and named. Returns
    how many clips and masks there are, and how many masks are empty.

    Raises:
        MediaError: no clips, or all that are called as another or that the functions above refuse.
        FileExistsError: there are masks in the folder that aren't of these clips.
    """
    clips = _clips(folder)
    masks, empty = _predict(predictor, clips, output, fps)
    return len(clips), len(masks), len(empty)


def _clips(folder: Path) -> dict[str, _Source]:
    """Videos, or frames and their sound, by the name of the clip."""
    clips: dict[str, _Source] = {}
    problems: list[Exception] = []
    others = []
    for path in _visible(folder):
        is_video = path.suffix.lower() in VIDEOS and path.is_file()
        if not is_video and not (path / "frames").is_dir():
            others.append(path)
            continue
        name = path.stem if is_video else path.name
        if name in clips:
            text = f"{shown(path)}: more than one clip is called {shown(name)}"
            problems.append(MediaError(text))
            continue
        clips[name] = path
        if is_video:
            continue
        inside = _visible(path / "frames")
        images = [p for p in inside if p.suffix.lower() in IMAGES]
        others += [p for p in inside if p not in images]
        sounds = [p for p in _visible(path) if p.suffix.lower() in SOUNDS]
        if images and len(sounds) == 1:
            clips[name] = _Stills(images, sounds[0])
        else:
            text = f"{shown(path)}: {len(images)} frames and {len(sounds)} sounds, expected "
            problems.append(MediaError(text + "frames/*.jpg (or .png) and one sound"))
    wanted = f"videos ({' '.join(VIDEOS)}) or folders with frames/ and one sound"
    if not clips:
        raise MediaError(f"{shown(folder)}: no clips, expected {wanted}")
    _raise(problems)
    if others:
        names = ", ".join(map(shown, others[:LISTED]))
        more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
        log.warning("%s%s: passed over; clips are %s", names, more, wanted)
    return clips


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name[0] != ".")


def _raise(problems: Sequence[Exception]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise MediaError("\n  ".join([f"{len(problems)} problems:", *map(str, problems)]))


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
        content = BytesIO()  # NumPy's own error on a full disk says nothing of it
        np.save(content, probabilities.astype(np.float32))
        write_whole(path, content.getvalue())
    else:
        _save_png(path, (probabilities * 65535).round().astype(np.uint16))


def _save_png(path: Path, pixels: np.ndarray) -> None:
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    write_whole(path, content.getvalue())


def _predict(
    predictor: Predictor, sources: dict[str, _Source], output: Output, fps: float = 1
) -> tuple[list[Path], list[Path]]:
    """Predict videos and images by the names of their clips; the masks' files, and the empty ones.

    All are read once beforehand, so that no fault of one stops the work on the others.
    """
    names: dict[str, list[str]] = {}
    problems: list[Exception] = []
    for clip, source in sources.items():
        try:
            names[clip] = _checked(source, fps)
        except (OSError, MediaError) as error:
            problems.append(error)
    _raise(problems)
    _check_folders(output, names)
    masks: list[Path] = []
    empty: list[Path] = []
    for clip, source in sources.items():
        lit = _write(predictor, source, output, fps, clip)
        masks += lit
        empty += [path for path, is_lit in lit.items() if not is_lit]
    return masks, empty


def _checked(source: _Source, fps: float) -> list[str]:
    """Names of a source's frames, after all of it is read.

    Raises:
        MediaError, FileNotFoundError: a file can't be read, or the sound is too short.
    """
    is_video = isinstance(source, Path)
    path = source if isinstance(source, Path) else source.audio
    pieces = read_mono(path, first_time(path) if is_video else None)
    seconds = sum(piece.samples.shape[1] / piece.rate for piece in pieces)
    frames = [(second, name) for second, (name, _) in _frames(source, fps)]
    last = max((second for second, _ in frames), default=0)
    needed = 0 if is_video else last  # a video's sound may end before its pictures
    if seconds < needed + 1 - TOLERANCE:
        raise MediaError(
            f"{shown(path)}: {seconds:.2f} s of sound, but second {needed} (from 0) needs at least "
            f"{needed + 1 - TOLERANCE:.1f} s"
        )
    if is_video and seconds < last:
        log.warning("%s: frames after %.1f s hear silence", shown(path), seconds)
    return [name for _, name in frames]


def _check_folders(output: Output, names: dict[str, list[str]]) -> None:
    """Refuse a folder in which files of other inputs, or of other clips, would lie among these.

    Raises:
        FileExistsError: naming the first of them.
    """
    suffixes = {"masks": "png", "overlays": "png", "probabilities": output.probabilities}
    for kind, suffix in suffixes.items():
        folder = output.folder / kind
        ours = {folder / c / f"{name}.{suffix}" for c, some in names.items() for name in some}
        for path in sorted(folder.rglob("[!.]*")):
            if path.is_file() and path not in ours:
                raise FileExistsError(
                    f"{shown(path)}: no file that these inputs give; in {shown(folder)} it would "
                    "lie among theirs: choose another folder, or remove it"
                )


def _frames(source: _Source, fps: float) -> Iterator[tuple[int, tuple[str, np.ndarray]]]:
    """Second, and name and RGB, of each frame in order."""
    if isinstance(source, Path):
        for number, frame in enumerate(sample_frames(source, fps)):
            yield int((number + INSTANT) / fps), (f"{number:05d}", frame)
    else:
        for second, path in enumerate(_in_order(source.images), source.second):
            yield second, (path.stem, _read_image(path))


def _in_order(images: Sequence[Path]) -> Sequence[Path]:
    """Images by the numbers that end their names, or as they are given if none has one.

    Raises:
        MediaError: names that don't say which second each is of: two alike, a number that lacks or
            isn't the next.
    """
    stems = Counter(path.stem for path in images)
    if repeated := [stem for stem, count in stems.items() if count > 1]:
        raise MediaError(
            f"{len(images)} images, but more than one is called {shown(min(repeated))}"
        )
    numbers = {path: int(n[0]) for path in images if (n := re.search(r"\d+$", path.stem))}
    if not numbers:
        return images
    if bare := [path for path in images if path not in numbers]:
        raise MediaError(
            f"{shown(bare[0])}: its name ends in no number, expected one as in "
            f"{shown(min(numbers, key=numbers.__getitem__).name)}, or none in any"
        )
    images = sorted(images, key=numbers.__getitem__)
    for before, path in pairwise(images):
        if numbers[path] != numbers[before] + 1:
            raise MediaError(
                f"{shown(path)}: number {numbers[path]} comes after {shown(before.name)}, expected "
                f"{numbers[before] + 1}: images are frames of consecutive seconds"
            )
    return images


def _read_image(path: Path) -> np.ndarray:
    try:
        return read_image(path)
    except MediaError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):  # it names an object in memory
            raise MediaError(
                f"{shown(path)}: can't be read as an image, expected one of {', '.join(FORMATS)}"
            ) from error
        raise


def _write(
    predictor: Predictor, source: _Source, output: Output, fps: float, clip: str
) -> dict[Path, bool]:
    """Predict frames one after the other; the masks' files, and whether something is lit."""
    sound = read_video_sound(source) if isinstance(source, Path) else read_sound(source.audio)
    lit = {}
    for part in clips_of(_frames(source, fps), predictor.method.config.temporal()):
        seconds, pictures = [s for s, _ in part], [frame for _, (_, frame) in part]
        maps = predictor(pictures, sound, seconds)
        for (_, (name, frame)), probabilities in zip(part, maps, strict=True):
            mask = probabilities > output.threshold
            path = output.folder / "masks" / clip / f"{name}.png"
            _save_png(path, mask.astype(np.uint8) * 255)
            _save_png(output.folder / "overlays" / clip / f"{name}.png", overlay(frame, mask))
            if output.probabilities:
                file = f"{name}.{output.probabilities}"
                save_probabilities(output.folder / "probabilities" / clip / file, probabilities)
            lit[path] = bool(mask.any())
    return lit
