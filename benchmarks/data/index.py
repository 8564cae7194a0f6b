"""The clip index: one row a clip, made by a reader that has opened every file of it.

Readers make it, everything else consumes it, nothing else walks folders. Columns:

uid, video, benchmark, split, classes ("a_b"), frames, height, width,
second (of the clip, at which its first frame lies),
frame_path, mask_path ("{}" stands for the frame), audio_path, boxes (JSON, in place of a mask),
supervision (first_frame: only frame 0 may be learned from; all; boxes), digest (sha256 of all its
files),
and whatever analysis columns the data set brings (`scenes.csv` of the miniature world).
"""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.data.files import SAMPLE_RATE, read_audio, read_frame, read_labels, sha256
from benchmarks.workers import worker_pool

SECONDS = {"v1s": 5, "v1m": 5, "v2": 10}
SPLITS = ("train", "val", "test")
METADATA = ["vid", "uid", "s_min", "s_sec", "a_obj", "split", "label"]
AUDIO_TOLERANCE = 0.2  # seconds; VGGish's 0.96 s framing still finds its last window
log = logging.getLogger(__name__)


class DataError(ValueError):
    """Broken data: one message that lists every file with its reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(
            f"{len(self.problems)} problem(s) in the data:\n  "
            + "\n  ".join(self.problems)
            + "\nRepair the files, or name their uids in params.yaml, under data.exclude or "
            "data.vggss_exclude."
        )


def read_avsbench_semantic(
    root: Path,
    splits: Path | None = None,
    exclude: Iterable[str] = (),
    workers: int = 1,
    progress: bool = False,
) -> pd.DataFrame:
    """Index of AVSBench-semantic (OpenNLPLab/AVSBench, avss layout), every file opened once.

    Args:
        root: the folder with metadata.csv, label2idx.json and {v1s,v1m,v2}/{uid}/.
        splits: CSV with columns uid,split; clips it doesn't name are left out.
        exclude: uids to leave out.

    Raises:
        DataError: all that is missing, truncated, of a wrong size or length, or not finite.
    """
    metadata = _read_metadata(root / "metadata.csv")
    if "{" in str(root):
        raise DataError([f"{root}: a brace in the path would be taken for the frame's place"])
    if splits is not None:
        metadata = apply_splits(metadata, splits)
    unknown = set(exclude) - set(metadata.uid)
    if unknown:
        raise DataError(f"data.exclude: no clip {uid} in metadata.csv" for uid in sorted(unknown))
    metadata = metadata[~metadata.uid.isin(list(exclude))]
    jobs = [(root, r.uid, r.label, r.split) for r in metadata.itertuples()]
    with worker_pool(workers) as pool:
        found = pool.map(_check_clip, jobs, chunksize=16)
        facts = list(tqdm(found, "checking clips", len(jobs), disable=None if progress else True))
    problems = [p for clip in facts for p in clip["problems"]]
    if problems:
        raise DataError(problems)
    index = pd.DataFrame(
        {
            "uid": metadata.uid,
            "video": metadata.vid.str[:11],  # v1m appends _k to YouTube's 11 characters
            "benchmark": metadata.label,
            "split": metadata.split,
            "classes": metadata.a_obj,
            "frames": metadata.label.map(SECONDS),
        }
    ).reset_index(drop=True)
    for column in ("height", "width", "digest"):
        index[column] = [clip[column] for clip in facts]
    folder = f"{root}/" + index.benchmark + "/" + index.uid
    index["second"], index["boxes"] = 0, ""
    index["frame_path"] = folder + "/frames/{}.jpg"
    index["mask_path"] = folder + "/labels_rgb/{}.png"
    index["audio_path"] = folder + "/audio.wav"
    first_only = (index.benchmark == "v1s") & (index.split == "train")
    index["supervision"] = np.where(first_only, "first_frame", "all")
    if (root / "scenes.csv").is_file():
        index = index.merge(pd.read_csv(root / "scenes.csv"), on="uid", validate="one_to_one")
    return index


def apply_splits(metadata: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Replace the split column by a CSV's; clips that it doesn't name are left out."""
    if not path.is_file():
        raise DataError([f"{path}: no such file (data.splits)"])
    chosen = pd.read_csv(path, dtype=str)
    missing = {"uid", "split"} - set(chosen)
    if missing:
        raise DataError([f"{path}: column(s) {sorted(missing)} missing; found {list(chosen)}"])
    problems = [f"{path}: unknown uid {u}" for u in chosen.uid[~chosen.uid.isin(metadata.uid)]]
    problems += [f"{path}: uid {u} twice" for u in chosen.uid[chosen.uid.duplicated()]]
    problems += _unknown_values(path, chosen.split, SPLITS)
    if problems:
        raise DataError(problems)
    return metadata.drop(columns="split").merge(chosen[["uid", "split"]], on="uid")


def _read_metadata(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError([f"{path}: no such file; data.root must hold AVSBench-semantic"])
    metadata = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(metadata) != METADATA:
        raise DataError([f"{path}: columns {list(metadata)}, expected {METADATA}"])
    problems = [f"{path}: uid {u} twice" for u in metadata.uid[metadata.uid.duplicated()]]
    problems += [
        f"{path}: uid {uid!r} is no folder name"
        for uid in metadata.uid
        if not uid or uid in (".", "..") or Path(uid).name != uid or "{" in uid
    ]
    problems += _unknown_values(path, metadata.label, tuple(SECONDS))
    problems += _unknown_values(path, metadata.split, SPLITS)
    if problems:
        raise DataError(problems)
    spaced = metadata.a_obj.str.contains(" ")
    for row in metadata[spaced].itertuples():
        log.info("%s: a_obj %r of %s read without its space", path.name, row.a_obj, row.uid)
    metadata["a_obj"] = metadata.a_obj.str.replace(" ", "")
    return metadata


def _unknown_values(path: Path, column: pd.Series, known: tuple[str, ...]) -> list[str]:
    wrong = sorted(set(column) - set(known))
    return [f"{path}: {column.name} {value!r}, expected one of {known}" for value in wrong]


def _check_clip(job: tuple[Path, str, str, str]) -> dict:
    """Open every file of a clip; sizes, digest and what is wrong."""
    root, uid, label, split = job
    folder, seconds = root / label / uid, SECONDS[label]
    # AVSBench annotates only the first frame of a V1S training clip.
    labelled = 1 if (label, split) == ("v1s", "train") else seconds
    files = [folder / "frames" / f"{k}.jpg" for k in range(seconds)]
    files += [folder / "labels_rgb" / f"{k}.png" for k in range(labelled)]
    problems, sizes = [], {}
    for path in files:
        try:
            sizes[path] = (read_frame if path.suffix == ".jpg" else read_labels)(path).shape[:2]
        except FileNotFoundError:
            problems.append(f"{path}: missing")
        except (OSError, SyntaxError) as error:  # PIL raises SyntaxError on a broken PNG
            problems.append(f"{path}: can't be decoded ({error})")
    size = next(iter(sizes.values()), (0, 0))
    problems += [
        f"{path}: {shape[1]}x{shape[0]} pixels, but {files[0].name} has {size[1]}x{size[0]}"
        for path, shape in sizes.items()
        if shape != size
    ]
    audio = folder / "audio.wav"
    try:
        length = len(read_audio(audio)) / SAMPLE_RATE
        if abs(length - seconds) > AUDIO_TOLERANCE:
            problems.append(f"{audio}: {length:.2f} s long, expected {seconds} s")
    except (OSError, RuntimeError, ValueError) as error:  # soundfile's error is a RuntimeError
        problems.append(f"{audio}: {'missing' if not audio.exists() else error}")
    return {
        "problems": problems,
        "height": size[0],
        "width": size[1],
        "digest": None if problems else sha256(*files, audio),
    }


def write_index(index: pd.DataFrame) -> bytes:
    return index.to_csv(index=False, lineterminator="\n").encode()


def load_index(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError([f"{path}: no such file; make it with `python -m benchmarks data`"])
    index = pd.read_csv(path, dtype={"uid": str, "video": str}, keep_default_na=False)
    strings = index.select_dtypes("str").columns
    return index.astype(dict.fromkeys(strings, object))  # iterates ten times faster than str
