"""AVSBench as rows of the clip index: AVSBench-semantic, and AVSBench-object's S4 and MS3.

metadata.csv, which comes with AVSBench-semantic and with the released GAVS code, names every clip.
For each of its labels the files lie in one of two layouts (OpenNLPLab/AVSBench):

- AVSBench-semantic, if there is a folder of that label: {label}/{uid}/frames/{0..}.jpg,
  labels_rgb/{0..}.png in the palette of the classes, audio.wav;
- AVSBench-object, if there is its list: Single-source/s4_meta_data.csv (v1s) or
  Multi-sources/ms3_meta_data.csv (v1m), with {s4,ms3}_data/visual_frames, gt_masks (binary, frames
  from 1 on), and audio_wav, or else audio_log_mel.

A mask pixel is foreground where it isn't 0, in either; what a mask may hold is in `masks.py`.
scenes.csv of the miniature world beside metadata.csv has a row per clip (`scenes.add_scenes`).
"""

import logging
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.data.files import frame_file
from benchmarks.data.index import ClipFiles, DataError, listed_otherwise, open_clips
from benchmarks.data.masks import CLASSES, binary_problem, palette_problem
from benchmarks.data.scenes import add_scenes
from splits.files import SplitError, read_table
from splits.tables import SPLITS, read_classes, read_metadata, unknown_values

SECONDS = {"v1s": 5, "v1m": 5, "v2": 10}
OBJECT = {"v1s": ("Single-source", "s4"), "v1m": ("Multi-sources", "ms3")}
log = logging.getLogger(__name__)


def read_avsbench(
    root: Path,
    splits: Path | None = None,
    exclude: Iterable[str] = (),
    workers: int = 1,
    progress: bool = False,
    labels: Collection[str] = tuple(SECONDS),
) -> pd.DataFrame:
    """Index of AVSBench's clips, every file opened once.

    Args:
        root: the folder with metadata.csv.
        splits: CSV with columns uid,split; clips it doesn't name are left out.
        exclude: uids to leave out.
        labels: of metadata.csv; clips of others are left out.

    Raises:
        DataError: all that is missing, truncated, of a wrong size or length, or not finite.
    """
    if "{" in str(root):
        raise DataError([f"{root}: a brace in the path would be taken for the frame's place"])
    metadata = read_clips(root)
    metadata_uids = set(metadata.uid)
    unknown = set(exclude) - metadata_uids
    if splits is not None:
        metadata = apply_splits(metadata, splits)
    if unknown:
        raise DataError(f"data.exclude: no clip {uid} in metadata.csv" for uid in sorted(unknown))
    metadata = metadata[metadata.label.isin(labels) & ~metadata.uid.isin(list(exclude))]
    if metadata.empty:
        raise DataError([f"{root / 'metadata.csv'}: no clip is left of it"])
    order = metadata.label.map(list(SECONDS).index)
    clips = locate(root, metadata.iloc[order.argsort(kind="stable")].reset_index(drop=True))
    first_only = (clips.label == "v1s") & (clips.split == "train")
    # AVSBench annotates only the first frame of a V1S training clip.
    labelled = clips.label.map(SECONDS).where(~first_only, 1)
    coloured = partial(palette_problem, classes=_class_count(root))
    check = {
        label: binary_problem if layout_of(root, label) == "object" else coloured
        for label in clips.label.unique()
    }
    files = [
        ClipFiles(
            uid=row.uid,
            frames=[frame_file(row.frame_path, k) for k in range(SECONDS[row.label])],
            masks=[frame_file(row.mask_path, k) for k in range(masks)],
            audio=Path(row.audio_path),
            seconds=SECONDS[row.label],
            mask_problem=check[row.label],
        )
        for row, masks in zip(clips.itertuples(), labelled, strict=True)
    ]
    facts = open_clips(files, "data.exclude", "checking clips", workers, progress)
    index = pd.DataFrame(
        {
            "uid": clips.uid,
            "video": clips.vid.str[:11],  # v1m appends _k to YouTube's 11 characters
            "benchmark": clips.label,
            "split": clips.split,
            "classes": clips.a_obj,
            "frames": clips.label.map(SECONDS),
            **facts,
            "second": 0,
            "boxes": "",
            "frame_path": clips.frame_path,
            "mask_path": clips.mask_path,
            "audio_path": clips.audio_path,
            "supervision": np.where(first_only, "first_frame", "all"),
        }
    )
    return add_scenes(index, root, metadata_uids, "metadata.csv")


def read_clips(root: Path) -> pd.DataFrame:
    """metadata.csv, checked: vid, uid, s_min, s_sec, a_obj, split, label."""
    path = root / "metadata.csv"
    if not path.is_file():
        source = "AVSBench-semantic and the released GAVS code have it"
        raise DataError([f"{path}: no such file; {source}"])
    try:
        metadata, repairs = read_metadata(path)
    except SplitError as error:
        raise DataError(error.problems) from error
    for repair in repairs:
        log.info("%s: %s", path.name, repair)
    problems = [f"{path}: uid {uid!r} is no folder name" for uid in metadata.uid if _bad(uid)]
    if problems:
        raise DataError(problems)
    return metadata


def indexed_metadata(root: Path, index: pd.DataFrame) -> pd.DataFrame:
    """metadata.csv of the indexed clips, with the index's splits.

    Raises:
        SplitError: what is wrong in metadata.csv.
        DataError: it isn't the one that was indexed.
    """
    path, clips = root / "metadata.csv", index[index.mask_path != ""]
    table, _ = read_metadata(path)
    table = table[table.uid.isin(clips.uid)].reset_index(drop=True)
    columns = {"classes": table.a_obj, "video": table.vid.str[:11], "benchmark": table.label}
    listed_otherwise(path, clips, table, columns)
    return table.assign(split=table.uid.map(clips.set_index("uid").split))


def apply_splits(metadata: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Replace the split column by a CSV's; clips that it doesn't name are left out."""
    chosen = _read_table(path, ["uid", "split"])
    problems = [f"{path}: unknown uid {u}" for u in chosen.uid[~chosen.uid.isin(metadata.uid)]]
    problems += [f"{path}: uid {u} twice" for u in chosen.uid[chosen.uid.duplicated()]]
    problems += unknown_values(path, chosen, "split", SPLITS)
    if problems:
        raise DataError(problems)
    return metadata.drop(columns="split").merge(
        chosen[["uid", "split"]], on="uid", validate="one_to_one"
    )


def _class_count(root: Path) -> int:
    """Number of colours that masks may have: label2idx.json's, but at least the published ones."""
    path = root / "label2idx.json"
    return max(CLASSES, 1 + max(read_classes(path).values())) if path.is_file() else CLASSES


def layout_of(root: Path, label: str) -> str | None:
    """`semantic`, `object`, or None: the label's files aren't here."""
    if (root / label).is_dir():
        return "semantic"
    part, name = OBJECT.get(label, ("", ""))
    return "object" if part and (root / part / f"{name}_meta_data.csv").is_file() else None


def locate(root: Path, clips: pd.DataFrame, waveforms: bool = False) -> pd.DataFrame:
    """Rows of metadata.csv with the index's frame_path, mask_path, audio_path, and `name`.

    `name` is what the layout calls the clip.

    Args:
        waveforms: AVSBench-object's audio is its WAVs even if none is there yet.

    Raises:
        DataError: a label's files are in neither layout, or its list lacks a clip.
    """
    places, problems = [], []
    for label, rows in clips.groupby("label", sort=False):
        layout = layout_of(root, label)
        try:
            if layout == "semantic":
                places.append(_locate_semantic(root / label, rows))
            elif layout == "object":
                log.info("%s: AVSBench-object's %s", label, OBJECT[label][0])
                places.append(_locate_object(root, *OBJECT[label], rows, waveforms))
            else:
                problems.append(
                    f"{root / label}: no such folder, but metadata.csv has {len(rows)} {label} "
                    f"clips; get them, or take {label} out of data.labels"
                )
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return pd.concat(places)


def _locate_semantic(folder: Path, rows: pd.DataFrame) -> pd.DataFrame:
    clip = f"{folder}/" + rows.uid
    return rows.assign(
        name=rows.uid,
        frame_path=clip + "/frames/{}.jpg",
        mask_path=clip + "/labels_rgb/{}.png",
        audio_path=clip + "/audio.wav",
    )


def _locate_object(
    root: Path, part: str, short: str, rows: pd.DataFrame, waveforms: bool
) -> pd.DataFrame:
    """S4 or MS3; in their lists a clip is called by metadata.csv's vid."""
    path, data = root / part / f"{short}_meta_data.csv", root / part / f"{short}_data"
    levels = ["split", "category"] if short == "s4" else ["split"]
    listed = _read_table(path, levels)
    listed = listed.rename(columns={listed.columns[0]: "vid"})  # `name`, or `video_id`
    problems = [f"{path}: {vid} twice" for vid in listed.vid[listed.vid.duplicated()]]
    problems += [
        f"{path}: {column} {value!r} is no folder name"
        for column in ("vid", *levels)
        for value in listed[column].unique()
        if _bad(value)
    ]
    shared = rows.vid[rows.vid.duplicated()]
    problems += [f"metadata.csv: vid {vid} of two {part} clips, one in {path}" for vid in shared]
    missing = rows.vid[~rows.vid.isin(listed.vid)]
    problems += [f"{path}: lacks {vid}, a clip of metadata.csv" for vid in missing]
    if problems:
        raise DataError(problems)
    listed = listed.set_index("vid").loc[rows.vid].set_axis(rows.index)
    place = listed[levels].agg("/".join, axis=1) + "/" + rows.vid
    frames = place + "/" + rows.vid if short == "s4" else rows.vid + "/" + rows.vid + ".mp4"
    stored = not waveforms and not (data / "audio_wav").is_dir()
    return rows.assign(
        name=rows.vid,
        frame_path=f"{data}/visual_frames/" + frames + "_{+1}.png",
        mask_path=f"{data}/gt_masks/" + place + "/" + rows.vid + "_{+1}.png",
        audio_path=f"{data}/audio_log_mel/" + place + ".pkl"
        if stored
        else f"{data}/audio_wav/" + place + ".wav",
    )


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        return read_table(path, columns)
    except SplitError as error:
        raise DataError(error.problems) from error


def _bad(name: str) -> bool:
    """True if not fit to be a folder's name, or holding the place of the frame's number."""
    return not name or name in (".", "..") or Path(name).name != name or "{" in name
