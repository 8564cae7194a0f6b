"""Lists of VGG-SS-Sub: the labels of VGG-SS that AVSBench lacks, k-shot draws, a format control.

The paper gives only the name. splits/README.md says how this definition was reached.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from splits.files import raise_if, write_csv
from splits.tables import (
    check_sizes,
    draw_controls,
    draw_shots,
    left_to_test,
    too_few,
    videos,
    without_videos,
    write_drawn,
)


@dataclass(frozen=True)
class VggssSub:
    """Lists of one protocol: columns file, label, video, group (novel or mapped).

    clips: all of both groups. shots: by draw and k, k clips of every novel label, nested over k.
    control: by draw and k, as many clips in all, of mapped labels, nested over k.
    test: by draw, the same for all its k: novel clips.
    """

    clips: pd.DataFrame
    shots: Mapping[int, Mapping[int, pd.DataFrame]]
    control: Mapping[int, Mapping[int, pd.DataFrame]]
    test: Mapping[int, pd.DataFrame]


def split(
    annotations: pd.DataFrame,
    label_map: pd.DataFrame,
    avs_videos: Collection[str],
    draws: Sequence[int],
    shots: Sequence[int] = (1, 3, 5),
    min_clips: int = 15,
    classes: Collection[str] | None = None,
) -> VggssSub:
    """Draw lists of novel labels (no AVSBench class, `min_clips` usable clips) and mapped ones.

    Clips with an empty ground truth and clips of `avs_videos` are left out first; so are labels
    without an AVSBench class and with too few clips. Tests follow the rule of `avs_v3.split`. The
    control takes turns over the mapped labels and holds no video of a novel clip.

    Args:
        annotations: columns file, label, empty (splits.vggss_boxes.read_annotations).
        label_map: columns label, class: AVSBench classes joined by "_", "" where there is none.
        avs_videos: 11-character ids that the tested models have learned from.
        classes: AVSBench's classes; with them the map's are checked.

    Raises:
        SplitError: a file or a label twice, a label without entry in the map, an unknown class, no
            novel or mapped label, too few clips for the largest k or for the control.
    """
    check_sizes(shots, draws)
    _check(annotations, label_map, classes)
    clips = annotations.loc[~annotations["empty"].astype(bool), ["file", "label"]]
    clips = clips.assign(video=videos(clips))
    clips = clips[~clips.video.isin(set(avs_videos))]
    mapped = clips.label.map(label_map.set_index("label")["class"]) != ""
    frequent = clips.groupby("label").file.transform("size") >= min_clips
    clips = clips.assign(group=mapped.map({True: "mapped", False: "novel"}))
    clips = clips[mapped | frequent].reset_index(drop=True)
    novel, mapped = (clips[clips.group == group] for group in ("novel", "mapped"))
    raise_if([f"no {name} clips" for name, c in (("novel", novel), ("mapped", mapped)) if c.empty])
    labels = set(novel.label)
    spare = without_videos(mapped, novel)
    problems = too_few(novel, "label", labels, max(shots))
    if len(spare) < max(shots) * len(labels):
        problems.append(
            f"control: {max(shots) * len(labels)} mapped clips expected, found {len(spare)}"
        )
    raise_if(problems)
    drawn = {d: draw_shots(novel, "file", "label", shots, "sub", d) for d in draws}
    totals = {k: k * len(labels) for k in shots}
    control = {d: draw_controls(spare, "file", "label", totals, "control", d) for d in draws}
    test = {d: left_to_test(novel, s[max(shots)], "label", max(shots)) for d, s in drawn.items()}
    return VggssSub(clips, drawn, control, test)


def _check(
    annotations: pd.DataFrame, label_map: pd.DataFrame, classes: Collection[str] | None
) -> None:
    for name, table, columns in (
        ("annotations", annotations, {"file", "label", "empty"}),
        ("label map", label_map, {"label", "class"}),
    ):
        if not columns <= set(table):
            raise_if([f"{name}: columns {sorted(columns)} expected; found {list(table)}"])
    files, labels = annotations.file, label_map.label
    problems = [f"annotations: file {file} twice" for file in files[files.duplicated()]]
    problems += [f"label map: label {label!r} twice" for label in labels[labels.duplicated()]]
    problems += [
        f"label map: no entry for label {label!r}"
        for label in sorted(set(annotations.label) - set(labels))
    ]
    problems += [
        f"label map: label {row.label!r}: unknown class {token!r}"
        for row in label_map.rename(columns={"class": "tokens"}).itertuples()
        for token in (row.tokens.split("_") if row.tokens else [])
        if classes is not None and token not in classes
    ]
    raise_if(problems)


def write(sub: VggssSub, folder: Path) -> None:
    """Write clips.csv, {shots,control}/{draw}/{k}/train.csv and shots/{draw}/test.csv."""
    write_csv(sub.clips, folder / "clips.csv")
    write_drawn(folder, {"shots": sub.shots, "control": sub.control}, sub.test)
