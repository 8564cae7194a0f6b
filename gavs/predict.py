"""A trained GAVS on pictures and sound of one's own: masks, overlays, an overlaid video."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_erosion

from gavs.checkpoint import encoder_path, read_checkpoint
from gavs.images import read_image
from gavs.media import INSTANT, overlay_video, read_video_sound, sample_frames
from gavs.method import Batch
from gavs.model import GAVS
from gavs.reading import MediaError, shown
from gavs.sam import input_size, postprocess, preprocess, tokens, valid_cells
from gavs.sound import read_sound
from gavs.vggish import FRAMES, HOP, SAMPLE_RATE, WINDOW, build_vggish, log_mel

COLOUR = (213, 94, 0)  # vermilion, told apart with any colour vision
OPACITY = 0.6
OUTLINE = (255, 255, 255)  # seen on whatever the tint lies on
THIN = 200  # of an outline: the frame's smaller side / its width
CLIP_SECONDS = 10  # of AVSBench's clips: VGGish's framing starts anew with each
TOLERANCE = 0.2  # seconds by which a second of sound may fall short; the rest is silence
log = logging.getLogger(__name__)


class Predictor:
    """Finder of what sounds in a frame, by a checkpoint and the encoders it was trained with.

    Args:
        checkpoint: a file of `gavs.checkpoint`.
        sam, vggish: the encoders' weights, if they are not where they were when it was made.

    Raises:
        FileNotFoundError, CheckpointError: a file is absent, or another than it should be.
    """

    def __init__(
        self,
        checkpoint: Path,
        sam: Path | None = None,
        vggish: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.header, _ = read_checkpoint(checkpoint)
        self.method = GAVS.from_checkpoint(checkpoint, sam).to(device)
        weights = encoder_path(self.header, "vggish", vggish)
        self.vggish = build_vggish(self.header.vggish.size, weights).to(device)
        self.device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, frame: np.ndarray, sound: np.ndarray, second: int = 0) -> np.ndarray:
        """Probability that a pixel shows what sounds, (H, W) float32.

        Args:
            frame: (H, W, 3) uint8 RGB of any size.
            sound: (n,) float32 in [-1, 1], 16 kHz; silent after its end.
            second: of the sound, in which the frame lies.
        """
        native, sam = frame.shape[:2], self.method.sam
        side = sam.image_encoder.img_size
        square = preprocess([frame], side, self.method.config.colour).to(self.device)
        cut = self.method.config.encoder_adapters.from_block
        if cut is None:
            features = {"sam": sam.image_encoder(square)[None]}  # (1, 1, C, h, w)
        else:
            features = {"tokens": tokens(sam, square, cut)[None]}  # (1, 1, h, w, D)
        unused = torch.empty(0)  # only a loss reads the truth
        batch = Batch(
            audio=self.hear(sound, second)[None],
            features=features,
            masks=unused,
            valid=valid_cells(native, self.method.target_size)[None],
            supervised=unused,
            video=unused,
            classes=unused,
        ).to(self.device)
        logits = self.method(batch).logits  # (1, 1, G, G)
        return postprocess(logits, input_size(native, side), native)[0, 0].sigmoid().cpu().numpy()

    def hear(self, sound: np.ndarray, second: int) -> torch.Tensor:
        """VGGish before its last ReLU for one second of the sound, (1, 128)."""
        clip, window = divmod(second, CLIP_SECONDS)
        begin = clip * CLIP_SECONDS * SAMPLE_RATE
        begin += round(window * self.header.hop_seconds * SAMPLE_RATE)
        length = (FRAMES - 1) * HOP + WINDOW
        heard = sound[begin : begin + length]
        padded = torch.from_numpy(np.pad(heard, (0, length - len(heard)))).to(self.device)
        return self.vggish(log_mel(padded, self.header.hop_seconds, 1))


def predict_images(
    predictor: Predictor,
    images: Sequence[Path],
    audio: Path,
    out: Path,
    threshold: float = 0.5,
    second: int = 0,
) -> int:
    """Masks and overlays of images that are frames of consecutive seconds of a sound.

    Image i lies in second `second` + i. They go by the numbers that end their names, if all have
    one (a shell lists 10.jpg before 2.jpg). Returns how many masks are empty.

    Raises:
        MediaError: a file can't be read, the sound ends too early, or two images share a name.
    """
    repeated = {path.stem for path in images if [p.stem for p in images].count(path.stem) > 1}
    if repeated:
        raise MediaError(
            f"{len(images)} images, but more than one is called {shown(min(repeated))}"
        )
    numbers = [int(n[0]) for path in images if (n := re.search(r"\d+$", path.stem))]
    if len(numbers) == len(images):
        images = [path for _, path in sorted(zip(numbers, images, strict=True))]
    sound = read_sound(audio)
    _check_length(audio, sound, second + len(images) - 1)
    frames = ((path.stem, second + i, read_image(path)) for i, path in enumerate(images))
    return len(_write(predictor, frames, sound, out, threshold)[1])


def predict_video(
    predictor: Predictor,
    video: Path,
    out: Path,
    threshold: float = 0.5,
    fps: float = 1,
) -> tuple[int, int]:
    """Masks and overlays of `fps` frames a second, and `{out}/{video's name}.mp4`.

    In the video each frame shows the mask of its interval. Returns how many masks there are, and
    how many of them are empty.

    Raises:
        MediaError: it can't be read, has no sound, or less than a second of it; or it lies in `out`
            by the name of its overlaid copy.
    """
    target = out / f"{video.stem}.mp4"
    if target.exists() and target.samefile(video):
        raise MediaError(
            f"{shown(video)}: its overlaid copy would replace it; choose another folder"
        )
    sound = read_video_sound(video)
    _check_length(video, sound, 0)
    frames = (
        (f"{number:05d}", int((number + INSTANT) / fps), frame)
        for number, frame in enumerate(sample_frames(video, fps))
    )
    masks, empty = _write(predictor, frames, sound, out, threshold)
    if len(sound) < int((len(masks) - 1 + INSTANT) / fps) * SAMPLE_RATE:
        log.warning("%s: frames after %.1f s hear silence", shown(video), len(sound) / SAMPLE_RATE)

    def paint(frame: np.ndarray, time: float) -> np.ndarray:
        path = masks[min(int(time * fps), len(masks) - 1)]
        return overlay(frame, np.asarray(Image.open(path)) > 0)

    width, height = Image.open(masks[0]).size
    overlay_video(video, target, (height, width), paint)
    return len(masks), len(empty)


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the frame, tinted where the mask (H, W) bool is lit, with its outline."""
    tinted = frame.copy()
    tinted[mask] = ((1 - OPACITY) * frame[mask] + OPACITY * np.array(COLOUR)).round()
    width = max(1, min(mask.shape) // THIN)
    tinted[mask & ~binary_erosion(mask, iterations=width, border_value=1)] = OUTLINE
    return tinted


def _write(
    predictor: Predictor,
    frames: Iterable[tuple[str, int, np.ndarray]],
    sound: np.ndarray,
    out: Path,
    threshold: float,
) -> tuple[list[Path], list[Path]]:
    """Predict (name, second, frame) one after the other; the masks' files, and the empty ones."""
    for kind in ("masks", "overlays"):
        (out / kind).mkdir(parents=True, exist_ok=True)
    masks, empty = [], []
    for name, second, frame in frames:
        mask = predictor(frame, sound, second) > threshold
        masks.append(out / "masks" / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(masks[-1])
        Image.fromarray(overlay(frame, mask)).save(out / "overlays" / f"{name}.png")
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
