"""Small copies of the real data sets' folders, with the oddities of the released ones.

AVSBench-semantic, AVSBench-object (S4, MS3), VGG-SS and VGG-Sound, for rehearsals and tests: frames
and sounds of noise, with a rectangle as the mask.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from PIL import Image

from gavs.vggish import log_mel

SPLITS = ("train", "val", "test")
SECONDS = {"v1s": 5, "v1m": 5, "v2": 10}
CATEGORIES = {  # AVSBench-object's folder of a class, for a few
    "dog": "dog_barking",
    "cat": "cat_meowing",
    "horse": "horse_clip-clop",
    "guitar": "playing_acoustic_guitar",
    "marimba": "playing_glockenspiel",
    "emergency-car": "ambulance_siren",
    "man": "male_speech",
    "baby": "baby_laughter",
}
LABELS = ("dog barking", "playing harp", "baby laughter", "wind chime")  # of VGG-SS
RATE = 16_000


def write_avsbench_semantic(
    folder: Path,
    clips_per_split: int | Mapping[str, int] = 2,
    size: tuple[int, int] = (40, 30),
    classes: Sequence[str] = tuple(CATEGORIES),
    labels: Sequence[str] = tuple(SECONDS),
    odd: bool = True,
    several: bool = True,
) -> pd.DataFrame:
    """Write AVSBench-semantic; returns its rows of metadata.csv, added to those already there.

    Args:
        clips_per_split: of each label.
        size: width and height of a frame.
        classes: taken in turns; V1M and V2 have some clips of two.
        odd: other aspect ratios, palette beside RGB masks, stereo sound of another rate, and the
            release's dirty rows: `h orse`, `background` and `off-the-screen` (empty masks), videos
            that begin with "-", a V1M uid without its number.
        several: every second clip of V1M and V2 has two classes.
    """
    rows = _rows(labels, clips_per_split, classes, odd, several)
    for number, row in enumerate(rows.itertuples()):
        clip, seconds = folder / row.label / row.uid, SECONDS[row.label]
        for name in ("frames", "labels_rgb"):
            (clip / name).mkdir(parents=True)
        width, height = _aspect(size, number) if odd else size
        for k in range(seconds):
            _noise(width, height, number, k).save(clip / "frames" / f"{k}.jpg", quality=95)
            if (row.label, row.split) != ("v1s", "train") or k == 0:
                lit = _lit(width, height, row.a_obj)
                mask = _palette_mask(lit, row.a_obj, rgb=odd and k % 2 == 1)
                mask.save(clip / "labels_rgb" / f"{k}.png")
        _write_sound(clip / "audio.wav", seconds, number, stereo=odd and number % 2 == 1)
    _add_metadata(folder, rows)
    return rows


def write_avsbench_object(
    folder: Path,
    clips_per_split: int | Mapping[str, int] = 2,
    size: tuple[int, int] = (224, 224),
    classes: Sequence[str] = tuple(CATEGORIES),
    labels: Sequence[str] = ("v1s", "v1m"),
    odd: bool = True,
    several: bool = True,
    audio: Sequence[str] = ("audio_log_mel",),
) -> pd.DataFrame:
    """Write S4 and MS3 of the clips that `write_avsbench_semantic` writes.

    Args:
        odd: the dirty rows; masks of MS3 in every image mode that means the same.
        audio: of `audio_log_mel` and `audio_wav`.
    """
    rows = _rows(labels, clips_per_split, classes, odd, several)
    for label, members in rows.groupby("label", sort=False):
        part, short = ("Single-source", "s4") if label == "v1s" else ("Multi-sources", "ms3")
        listed: list[tuple] = []
        data = folder / part / f"{short}_data"
        for number, row in zip(members.index, members.itertuples(), strict=True):
            name = row.vid
            category = CATEGORIES.get(row.a_obj.replace(" ", ""), row.a_obj)
            place = Path(row.split, category) if short == "s4" else Path(row.split)
            if short == "s4":
                frames = data / "visual_frames" / place / name / name
                listed.append((name, int(row.s_min) * 60 + int(row.s_sec), category, row.split))
            else:
                frames = data / "visual_frames" / name / f"{name}.mp4"
                listed.append((name, row.split))
            masks = data / "gt_masks" / place / name / name
            for path in (frames, masks):
                path.parent.mkdir(parents=True)
            for k in range(1, SECONDS[label] + 1):
                _noise(*size, number, k).save(f"{frames}_{k}.png")
                if short == "ms3" or row.split != "train" or k == 1:
                    modes = ("1", "L", "P", "RGB") if odd and short == "ms3" else ("1",)
                    mask = _binary_mask(_lit(*size, row.a_obj), modes[k % len(modes)])
                    mask.save(f"{masks}_{k}.png")
            if "audio_wav" in audio:
                _write_sound(data / "audio_wav" / place / f"{name}.wav", SECONDS[label], number)
            if "audio_log_mel" in audio:
                _write_log_mel(
                    data / "audio_log_mel" / place / f"{name}.pkl", SECONDS[label], number
                )
        header = ["name", "start", "category", "split"] if short == "s4" else ["video_id", "split"]
        pd.DataFrame(listed, columns=header).to_csv(
            folder / part / f"{short}_meta_data.csv", index=False
        )
    _add_metadata(folder, rows)
    return rows


def write_vggss(
    folder: Path,
    clips: int = 4,
    size: tuple[int, int] = (40, 30),
    labels: Sequence[str] = LABELS,
    odd: bool = True,
) -> list[str]:
    """Write VGG-SS; returns the names of its files.

    Args:
        labels: taken in turns.
        odd: other aspect ratios, stereo sound of another rate, and the release's boxes: several,
            negative, of -2.9e16, and without width, which leave one clip without ground truth; the
            first four clips have them.
    """
    flaws = (
        [[0.1, 0.2, 0.5, 0.9], [0.4, 0.1, 0.8, 0.6]],
        [[-0.01, 0.3, 0.4, 0.9]],
        [[0.5, 0.5, 0.5, 0.8]],
        [[0.25, 0.5, 0.75, -2.9e16], [0.2, 0.2, 0.7, 0.7]],
    )
    files, entries = [f"{_video(70_000 + i)}_{10 * i:06d}" for i in range(clips)], []
    for i, file in enumerate(files):
        _write_middle(folder, file, _aspect(size, i) if odd else size, i, stereo=odd and i % 2 == 1)
        boxes = flaws[i] if odd and i < len(flaws) else [[0.25, 0.25, 0.75, 0.75]]
        entries.append({"file": file, "class": labels[i % len(labels)], "bbox": boxes})
    (folder / "vggss.json").write_text(json.dumps(entries))
    return files


def write_vggsound(
    folder: Path,
    name: str = "vggss_144k",
    clips: int = 4,
    size: tuple[int, int] = (40, 30),
    tests: Sequence[str] = (),
) -> list[str]:
    """Write VGG-Sound's frames, sounds and {name}.txt; returns the ids in the list.

    Args:
        tests: ids of VGG-SS that the list names as well, as the published lists do.
    """
    files = [*(f"{_video(80_000 + i)}_{10 * i:06d}" for i in range(clips)), *tests]
    for i, file in enumerate(files):
        _write_middle(folder, file, size, 100 + i)
    (folder / f"{name}.txt").write_text("\n".join(files) + "\n")
    return files


def _rows(labels, clips_per_split, classes, odd: bool, several: bool) -> pd.DataFrame:
    """Make metadata.csv; a split's clips are of consecutive videos, no two splits share one."""
    rows = []
    for label in labels:
        for split in SPLITS:
            count = clips_per_split if isinstance(clips_per_split, int) else clips_per_split[split]
            for i in range(count):
                name = classes[i % len(classes)]
                if several and label != "v1s" and i % 2:
                    name += "_" + classes[(i + 1) % len(classes)]
                rows.append(_row(label, split, i, name, odd))
    table = pd.DataFrame(rows, columns=["vid", "uid", "s_min", "s_sec", "a_obj", "split", "label"])
    if odd:  # the release's: a typo and tokens that name nothing to be seen
        for label, wrong in (("v1s", "h orse"), ("v1m", "background"), ("v2", "off-the-screen")):
            first = table.index[(table.label == label) & (table.split == "train")][:1]
            table.loc[first, "a_obj"] = wrong
    return table


def _row(label: str, split: str, i: int, name: str, odd: bool) -> tuple[str, ...]:
    """Make a row of metadata.csv."""
    number = 10_000 * list(SECONDS).index(label) + 1000 * SPLITS.index(split) + i
    video, start = _video(number), (0, 1, 6, 65)[i % 4]
    if label == "v1m":
        uid = video if odd and i == 0 else f"{video}_{i}"  # a few have no number
        return uid, uid, "0", "0", name, split, label
    uid = f"{video}_{1000 * start}_{1000 * (start + SECONDS[label])}"
    return video, uid, str(start // 60), str(start % 60), name, split, label


def _video(number: int) -> str:
    """Make an id of YouTube's 11 characters; some begin with "-" or "_"."""
    return "-_ab"[number % 4] + f"{number:010d}"


def _add_metadata(folder: Path, rows: pd.DataFrame) -> None:
    """Add rows to metadata.csv, and their classes to label2idx.json."""
    path = folder / "metadata.csv"
    if path.exists():
        earlier = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = pd.concat([earlier, rows])
    path.write_text(rows.to_csv(index=False, lineterminator="\n").rstrip("\n"))  # as released
    tokens = {t for a in rows.a_obj for t in a.replace(" ", "").split("_")}
    names = ["background", *sorted(tokens - {"background", "off-the-screen"})]
    (folder / "label2idx.json").write_text(json.dumps({n: i for i, n in enumerate(names)}))


def _aspect(size: tuple[int, int], number: int) -> tuple[int, int]:
    """Choose one of four aspect ratios in turn."""
    width, height = size
    return [size, (height, width), (width, width * 9 // 16), (height + 1, height)][number % 4]


def _noise(width: int, height: int, *seed: int) -> Image.Image:
    """Draw an image of smooth noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BILINEAR)


def _lit(width: int, height: int, a_obj: str) -> np.ndarray:
    """Draw the mask (H, W) bool: a rectangle, or nothing where the classes aren't in view."""
    mask = np.zeros((height, width), bool)
    if a_obj not in ("background", "off-the-screen"):
        mask[height // 4 : height // 2, width // 4 : 3 * width // 4] = True
    return mask


def _palette_mask(lit: np.ndarray, a_obj: str, rgb: bool) -> Image.Image:
    """Colour a mask as one class of PASCAL VOC's palette; which one doesn't matter here."""
    index = 1 + len(a_obj) % 70
    bits = [[index >> 3 * level + channel & 1 for level in range(3)] for channel in range(3)]
    colour = [sum(bit << 7 - level for level, bit in enumerate(b)) for b in bits]
    mask = Image.fromarray(np.where(lit, index, 0).astype(np.uint8), mode="P")
    mask.putpalette([*[0] * 3 * index, *colour, *[0] * 3 * (255 - index)])
    return mask.convert("RGB") if rgb else mask


def _binary_mask(lit: np.ndarray, mode: str) -> Image.Image:
    """Make a binary mask in a mode of PIL."""
    grey = Image.fromarray(lit.astype(np.uint8) * 255)
    if mode != "P":
        return grey.convert(mode)
    mask = Image.fromarray(lit.astype(np.uint8), mode="P")  # index 0 and 1
    mask.putpalette([0, 0, 0, 128, 0, 0])
    return mask


def _sound(seconds: int, seed: int, rate: int = RATE, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((seconds * rate, channels))


def _write_sound(path: Path, seconds: int, seed: int, stereo: bool = False) -> None:
    """Write noise, mono at 16 kHz or stereo at 44.1 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate, channels = (44_100, 2) if stereo else (RATE, 1)
    soundfile.write(path, _sound(seconds, seed, rate, channels), rate)


def _write_log_mel(path: Path, seconds: int, seed: int) -> None:
    """Write a pickled tensor (5, 1, 96, 64) that requires a gradient, as AVSBench does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = torch.from_numpy(_sound(seconds, seed)[:, 0])
    windows = log_mel(sound, 0.96, seconds)[:, None].clone().requires_grad_()
    path.write_bytes(pickle.dumps(windows))


def _write_middle(folder: Path, file: str, size, seed: int, stereo: bool = False) -> None:
    """Write the middle frame and the 10 s of sound of a clip."""
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    _noise(*size, seed).save(folder / "frames" / f"{file}.jpg", quality=95)
    _write_sound(folder / "audio" / f"{file}.wav", 10, seed, stereo)
