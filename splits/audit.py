"""Audit of leaks: test clips of whose video something is learned from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from splits.avs_v3 import AvsV3
from splits.tables import LABELS, videos, without_videos
from splits.vggss_sub import VggssSub

SECONDS = {"v1s": 5, "v2": 10}  # V1M's rows don't say when a clip starts
VGGSS_SECONDS = 10
NAMED = 50  # clips named per leak


@dataclass(frozen=True)
class Leak:
    """Test clips whose video is also learned from; without one where two sets share no video.

    clips: their ids. Among them `identical`: the very clip is learned from; `overlapping`: another
    or the same clip of the video shares a moment with it, where both say when they start.
    videos: how many videos the two sets share. test_clips: all clips of the test set.
    """

    train: str
    test: str
    test_clips: int
    videos: int
    clips: tuple[str, ...]
    identical: tuple[str, ...]
    overlapping: tuple[str, ...]


def compare(train_name: str, train: pd.DataFrame, test_name: str, test: pd.DataFrame) -> Leak:
    """Find the videos that two sets share.

    Args:
        train, test: rows of metadata.csv, or rows with a column `file` (ids of VGG-SS).
    """
    learned, tested = _timeline(train), _timeline(test)
    shared = tested[tested.video.isin(learned.video)]
    # Of the clips learned that start before a tested one ends, the one that ends last decides.
    timed = learned.dropna().sort_values("start", kind="stable")
    timed["latest"] = timed.groupby("video").end.cummax()
    met = pd.merge_asof(
        shared.dropna().sort_values("end", kind="stable"),
        timed[["video", "start", "latest"]].rename(columns={"start": "before"}),
        left_on="end",
        right_on="before",
        by="video",
        allow_exact_matches=False,
    )

    def in_order(ids: Iterable[str]) -> tuple[str, ...]:
        members = set(ids)
        return tuple(i for i in tested.id if i in members)

    return Leak(
        train_name,
        test_name,
        len(tested),
        shared.video.nunique(),
        in_order(shared.id),
        in_order(set(tested.id) & set(learned.id)),
        in_order(met.id[met.latest > met.start]),
    )


def audit(
    metadata: pd.DataFrame,
    v3: Mapping[str, AvsV3] | None = None,
    vggss: pd.DataFrame | None = None,
    sub: VggssSub | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
) -> list[Leak]:
    """Compare every pair of sets of which one is learned or selected on and the other tested.

    Args:
        metadata: metadata.csv with AVSBench's own splits.
        v3: by name, e.g. {"V3": split(...), "V3 official": official(...)}.
        vggss: column file, the VGG-SS test clips.
        sub: VGG-SS-Sub with its draws.
        lists: by name, training lists of other systems: VGG-SS ids.
    """
    leaks = []

    def check(train_name: str, train: pd.DataFrame, test_name: str, test: pd.DataFrame) -> None:
        if len(train) and len(test):
            leaks.append(compare(train_name, train, test_name, test))

    by_label = {label: metadata[metadata.label == label] for label in LABELS}
    for name, rows in [*by_label.items(), ("AVSBench", metadata)]:
        parts = {s: rows[rows["split"] == s] for s in ("train", "val", "test")}
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            check(f"{name} {first}", parts[first], f"{name} {second}", parts[second])
    for name, s in (v3 or {}).items():
        for part in ("seen_val", "seen_test", "unseen"):
            check(f"{name} seen_train", s.seen_train, f"{name} {part}", getattr(s, part))
        for part in ("seen_test", "unseen"):
            check(f"{name} seen_val", s.seen_val, f"{name} {part}", getattr(s, part))
        for draw, by_k in s.shots.items():
            k, test = max(by_k), f"{name} test, draw {draw}"
            check(f"{name} {k}-shot, draw {draw}", by_k[k], test, s.test[draw])
    if vggss is not None:
        v2 = by_label["v2"]
        check("v2 train", v2[v2["split"] == "train"], "VGG-SS", vggss)
        for label, rows in by_label.items():
            check(label, rows, "VGG-SS", vggss)
        for name, files in (lists or {}).items():
            check(name, pd.DataFrame({"file": files}), "VGG-SS", vggss)
    if sub is not None:
        check("v2", by_label["v2"], "VGG-SS-Sub", sub.clips)
        for draw, by_k in sub.shots.items():
            k, test = max(by_k), f"VGG-SS-Sub test, draw {draw}"
            check(f"VGG-SS-Sub {k}-shot, draw {draw}", by_k[k], test, sub.test[draw])
            control = sub.control[draw][k]
            check(f"VGG-SS-Sub {k}-shot control, draw {draw}", control, test, sub.test[draw])
    return leaks


def strict_metadata(metadata: pd.DataFrame) -> pd.DataFrame:
    """Drop rows of metadata.csv until no two splits of a benchmark share a video.

    Val loses what shares a video with train, test what shares one with train or val; train stays.
    The rows' uid and split are what `data.splits` of params.yaml takes.
    """
    parts = []
    for label in LABELS:
        rows = metadata[metadata.label == label]
        train, val, test = (rows[rows["split"] == s] for s in ("train", "val", "test"))
        parts += [train, without_videos(val, train), without_videos(test, train, val)]
    return pd.concat(parts).sort_index()


def markdown(leaks: Sequence[Leak]) -> str:
    """Markdown page: a table with one row per pair of sets, then the clips that leak.

    Pairs that leak the same clips of one test set share a list: a split's and all splits' together.
    """
    lines = [
        "| learned or selected on | tested on | clips tested | of a video learned from | videos "
        "| the very clip | overlapping in time |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {f.train} | {f.test} | {f.test_clips} | {len(f.clips)} | {f.videos} "
        f"| {len(f.identical)} | {len(f.overlapping)} |"
        for f in leaks
    ]
    learned: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for f in leaks:
        learned.setdefault((f.test, f.clips), []).append(f.train)
    for (test, clips), names in learned.items():
        if clips:
            named = ", ".join(f"`{clip}`" for clip in clips[:NAMED])
            more = f" and {len(clips) - NAMED} more" if len(clips) > NAMED else ""
            lines += ["", f"**{', '.join(names)} → {test}**: {named}{more}"]
    return "\n".join(lines) + "\n"


def _timeline(clips: pd.DataFrame) -> pd.DataFrame:
    """Table with columns id, video, start, end (seconds in the video; NaN where rows lack them)."""
    if "file" in clips:
        start = clips.file.str[12:].astype(float)
        seconds, key = VGGSS_SECONDS, "file"
    else:
        start = clips.s_min.astype(float) * 60 + clips.s_sec.astype(float)
        seconds, key = clips.label.map(SECONDS), "uid"
    table = pd.DataFrame({"id": clips[key], "video": videos(clips), "start": start})
    return table.assign(end=start + seconds)
