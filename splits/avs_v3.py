"""Lists of AVS-V3: V1M and V2 clips split by class, with k-shot draws from the unseen ones.

The released lists (GeWu-Lab/Generalizable-Audio-Visual-Segmentation) follow from metadata.csv and
15 strings: unseen are the clips whose `a_obj` is one of them, seen those without any of their
classes, and the rest (seen and unseen classes mixed) is left out. Inside these two sets the release
has faults (splits/README.md): `split` draws its own lists, `official` imports the released ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from splits.files import raise_if, read_table, shortened, write_csv
from splits.tables import (
    COLUMNS,
    check_metadata,
    check_sizes,
    draw_controls,
    draw_shots,
    left_to_test,
    stratified_order,
    too_few,
    videos,
    without_videos,
    write_drawn,
)

FOLDS = 10  # val is one of them, test the folds before it, train those behind it
OFFICIAL = "official"
PARTS = ("seen_train", "seen_val", "seen_test", "unseen", "pool")


@dataclass(frozen=True)
class AvsV3:
    """Lists of one protocol: rows of metadata.csv; `split` says what each is for.

    seen_train, seen_val, seen_test: disjoint; together the seen set. `split`'s share no video.
    unseen: the 0-shot test. pool: the clips that are a shot or a test in some draw.
    shots: by draw and k; nested over k. control: by draw and k, as many clips of seen_train, nested
    over k. test: by draw, the same for all its k.
    folds: columns uid, fold of the seen set, whole videos; None for the release, which has none.
    """

    seen_train: pd.DataFrame
    seen_val: pd.DataFrame
    seen_test: pd.DataFrame
    unseen: pd.DataFrame
    pool: pd.DataFrame
    shots: Mapping[int | str, Mapping[int, pd.DataFrame]]
    control: Mapping[int | str, Mapping[int, pd.DataFrame]]
    test: Mapping[int | str, pd.DataFrame]
    folds: pd.DataFrame | None = None


def read_unseen(path: Path) -> tuple[list[str] | None, list[str]]:
    """Read unseen strings and classes of a CSV with a column `a_obj`, or classes of one `class`.

    Raises:
        SplitError: neither column, a value twice, or a row without one.
    """
    table = read_table(path, [])
    column = next((c for c in ("a_obj", "class") if c in table), None)
    if column is None or not len(table):
        raise_if([f"{path}: expected rows in a column a_obj or class; found {list(table)}"])
    values = list(table[column])
    problems = [f"{path}: {column} {v!r} twice" for v in table[column][table[column].duplicated()]]
    problems += [f"{path}: row {i}: no {column}" for i, v in enumerate(values, 1) if not v.strip()]
    raise_if(shortened(problems))
    classes = sorted({token for value in values for token in value.split("_")})
    return (values if column == "a_obj" else None), classes


def membership(
    metadata: pd.DataFrame,
    unseen_strings: Collection[str] | None,
    unseen_classes: Collection[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows into seen and unseen ones, in metadata's order.

    Args:
        unseen_strings: a_obj strings that are unseen; None: all made of unseen classes only.

    Raises:
        SplitError: bad metadata, a class or string that no V1M or V2 clip has, an empty side.
    """
    check_metadata(metadata)
    clips = metadata[metadata.label.isin(["v1m", "v2"])].reset_index(drop=True)
    unseen_classes = set(unseen_classes)
    tokens = _tokens(clips.a_obj)
    present = set().union(*tokens)
    problems = [
        f"unknown unseen class {c!r}: no V1M or V2 clip has it"
        for c in sorted(unseen_classes - present)
    ]
    for string in sorted(unseen_strings or ()):
        if not set(string.split("_")) <= unseen_classes:
            problems.append(f"unseen string {string!r} holds a class that isn't unseen")
        if not (clips.a_obj == string).any():
            problems.append(f"unknown unseen string {string!r}: no V1M or V2 clip has it")
    raise_if(problems)
    seen = clips[tokens.map(unseen_classes.isdisjoint)]
    if unseen_strings is None:
        unseen = clips[tokens.map(unseen_classes.issuperset)]
    else:
        unseen = clips[clips.a_obj.isin(list(unseen_strings))]
    raise_if([f"{name}: empty" for name, s in (("seen", seen), ("unseen", unseen)) if s.empty])
    return seen, unseen


def _tokens(strings: pd.Series) -> pd.Series:
    """Set of each row's classes; equal strings share one, since many sets are slow to collect."""
    sets = {string: frozenset(string.split("_")) for string in strings.unique()}
    return pd.Series([sets[string] for string in strings], strings.index, object)


def split(
    metadata: pd.DataFrame,
    unseen_strings: Collection[str] | None,
    unseen_classes: Collection[str],
    draws: Sequence[int],
    shots: Sequence[int] = (1, 3, 5),
    seed: int = 0,
    test_folds: int = 1,
) -> AvsV3:
    """Draw lists of our own: ten folds of seen videos (the first: test, the next: val, the others:
    train) and k-shot draws.

    Shots come from the single-class clips of every unseen class; a draw's test is the pool (all
    unseen clips) without the clips of its largest k and, where the class can afford it, without
    the rest of their videos: at least as many clips as the largest k must be left.

    Raises:
        SplitError: as `membership`; an empty part; a class with too few clips for the largest k;
            too few clips for its control.
    """
    check_sizes(shots, draws)
    seen, unseen = membership(metadata, unseen_strings, unseen_classes)
    fold = _folds(seen, seed, test_folds)
    parts = {
        "seen_train": seen[fold > test_folds],
        "seen_val": seen[fold == test_folds],
        "seen_test": seen[fold < test_folds],
    }
    single = unseen[~unseen.a_obj.str.contains("_")]
    problems = [f"{name}: empty, {len(seen)} seen clips" for name, p in parts.items() if p.empty]
    raise_if(problems + too_few(single, "a_obj", unseen_classes, max(shots)))
    drawn = {d: draw_shots(single, "uid", "a_obj", shots, seed, d) for d in draws}
    test = {d: left_to_test(unseen, s[max(shots)], "a_obj", max(shots)) for d, s in drawn.items()}
    folds = pd.DataFrame({"uid": seen.uid, "fold": fold}).reset_index(drop=True)
    control = _controls(parts["seen_train"], drawn)
    return _assemble({**parts, "unseen": unseen, "pool": unseen}, drawn, control, test, folds)


def _controls(
    seen_train: pd.DataFrame, shots: Mapping[Any, Mapping[int, pd.DataFrame]]
) -> dict[Any, dict[int, pd.DataFrame]]:
    """Draw as many single-class clips of the seen classes as there are shots, by draw and k.

    Raises:
        SplitError: there are too few.
    """
    single = seen_train[~seen_train.a_obj.str.contains("_")]
    totals = {draw: {k: len(rows) for k, rows in by_k.items()} for draw, by_k in shots.items()}
    most = max((total for by_k in totals.values() for total in by_k.values()), default=0)
    if len(single) < most:
        expected = f"control: {most} single-class clips of seen_train expected"
        raise_if([f"{expected}, found {len(single)}"])
    return {
        draw: draw_controls(single, "uid", "a_obj", by_k, "control", draw)
        for draw, by_k in totals.items()
    }


def _folds(seen: pd.DataFrame, seed: int, test_folds: int) -> pd.Series:
    """Assign a fold to every seen row: whole videos, equal in clips, stratified by class."""
    video = videos(seen)
    counts = video.value_counts()[stratified_order(seen, "folds", seed)]
    middle = counts.cumsum() - counts / 2
    fold = video.map((FOLDS * middle / len(seen)).astype(int))
    # A class that is in no training video can't be tested as seen.
    tokens = _tokens(seen.a_obj)
    missing = set().union(*tokens) - set().union(*tokens[fold > test_folds])
    moved = video[~tokens.map(missing.isdisjoint)]
    return fold.mask(video.isin(set(moved)), FOLDS - 1)


def _assemble(
    parts: dict[str, pd.DataFrame],
    shots: Mapping[Any, Mapping[int, pd.DataFrame]],  # by draw, as `AvsV3`'s
    control: Mapping[Any, Mapping[int, pd.DataFrame]],
    test: Mapping[Any, pd.DataFrame],
    folds: pd.DataFrame | None = None,
) -> AvsV3:
    """Build an `AvsV3` whose `split` says what each row is for; metadata's is AVSBench's split."""
    role = {"seen_train": "train", "seen_val": "val"}

    def rows(table: pd.DataFrame, split: str) -> pd.DataFrame:
        return table.assign(split=split)[COLUMNS].reset_index(drop=True)

    def to_learn(drawn: Mapping[Any, Mapping[int, pd.DataFrame]]) -> dict[Any, dict]:
        return {d: {k: rows(s, "train") for k, s in by_k.items()} for d, by_k in drawn.items()}

    return AvsV3(
        **{name: rows(part, role.get(name, "test")) for name, part in parts.items()},
        shots=to_learn(shots),
        control=to_learn(control),
        test={d: rows(t, "test") for d, t in test.items()},
        folds=folds,
    )


def official(
    folder: Path,
    metadata: pd.DataFrame,
    unseen_strings: Collection[str] | None,
    unseen_classes: Collection[str],
    shots: Sequence[int] = (1, 3, 5),
    excluded: Collection[str] = (),
) -> tuple[AvsV3, list[str]]:
    """Read the released CSVs as the one draw `official`, and one line per repair.

    The test of the draw is the one of its largest k. The clips of seen_val that share no video with
    seen_train are the seen test; the rest is seen_val, so that no selection sees the test.

    Args:
        folder: with meta_v3_{seen_train,seen_val,unseen}.csv and v3_{k}_shot/{train,test}.csv.
        excluded: uids that `metadata` lacks on purpose; they are left out here too.

    Raises:
        SplitError: a uid unknown or twice, another membership than metadata's, shots not nested or
            in the test.
    """
    check_sizes(shots, ())
    seen, unseen = membership(metadata, unseen_strings, unseen_classes)
    known = metadata.set_index("uid", drop=False)
    repairs: list[str] = []
    problems: list[str] = []

    def load(name: str) -> pd.DataFrame:
        table = read_table(Path(folder) / name, ["uid"])
        left_out = table.uid.isin(list(excluded))
        repairs.extend(f"{name}: {uid} is excluded" for uid in table.uid[left_out])
        table = table[~left_out].reset_index(drop=True)
        unknown = table.uid[~table.uid.isin(known.index)]
        problems.extend(f"{name}: unknown uid {uid}" for uid in unknown)
        problems.extend(f"{name}: uid {uid} twice" for uid in table.uid[table.uid.duplicated()])
        rows = known.loc[table.uid[~table.uid.isin(unknown)]].reset_index(drop=True)
        if unknown.empty:
            repairs.extend(f"{name}: {line}" for line in _differences(table, rows))
        return rows

    released = {n: load(f"meta_v3_{n}.csv") for n in ("seen_train", "seen_val", "unseen")}
    drawn = {k: load(f"v3_{k}_shot/train.csv") for k in sorted(shots)}
    tests = {k: load(f"v3_{k}_shot/test.csv") for k in drawn}
    most = max(drawn)
    pool = pd.concat([drawn[most], tests[most]], ignore_index=True)
    claims = [
        ("seen_train and seen_val", [*released["seen_train"].uid, *released["seen_val"].uid], seen),
        ("unseen", released["unseen"].uid, unseen),
        *((f"{k}-shot train and test", [*drawn[k].uid, *tests[k].uid], pool) for k in drawn),
    ]
    for name, uids, expected in claims:
        if sorted(uids) != sorted(expected.uid):
            problems.append(
                f"{name}: {len(uids)} clips, expected the {len(expected)} of "
                f"{'metadata.csv' if expected is not pool else f'{most}-shot'}"
            )
    for small, large in zip(drawn, list(drawn)[1:], strict=False):
        if not set(drawn[small].uid) <= set(drawn[large].uid):
            problems.append(f"{small}-shot train isn't part of {large}-shot train")
    if not set(pool.uid) <= set(unseen.uid):
        problems.append(f"{most}-shot: clips that aren't unseen")
    raise_if(problems)
    val = released["seen_val"]
    clean = without_videos(val, released["seen_train"])
    repairs.append(
        f"meta_v3_seen_val.csv: {len(clean)} of {len(val)} clips share no video with seen_train: "
        f"they are the seen test, the other {len(val) - len(clean)} remain seen_val"
    )
    parts = {**released, "seen_val": val.drop(clean.index), "seen_test": clean, "pool": pool}
    raise_if([f"{name}: empty" for name, part in parts.items() if part.empty])
    shots_of = {OFFICIAL: drawn}
    control = _controls(parts["seen_train"], shots_of)  # the release has none
    return _assemble(parts, shots_of, control, {OFFICIAL: tests[most]}), repairs


def _differences(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Lines on the values of a released file that metadata's rows replace."""
    lines = []
    for column in [c for c in COLUMNS if c in table and c not in ("uid", "split")]:
        wrong = int((table[column] != rows[column]).sum())
        if wrong:
            empty = int((table[column] == "").sum())
            lines.append(f"{column} of {wrong} rows ({empty} empty) taken from metadata.csv by uid")
    if "split" in table:
        values = sorted(set(table["split"]))
        lines.append(f"split column ({', '.join(values)}) replaced by what the file is for")
    return lines


def strict(v3: AvsV3) -> AvsV3:
    """Drop the val and test rows that share a video with what is learned before them.

    seen_val loses videos of seen_train; seen_test, unseen and pool lose those of seen_train and
    seen_val, a draw's test also those of its largest shots. seen_train, shots and control stay as
    they are, so one model serves both lists. The release's seen_val is left empty: `official` moved
    its clean clips into the seen test.
    """
    learned = (v3.seen_train, v3.seen_val)
    largest = {draw: by_k[max(by_k)] for draw, by_k in v3.shots.items()}
    parts = {
        "seen_train": v3.seen_train,
        "seen_val": without_videos(v3.seen_val, v3.seen_train),
        "seen_test": without_videos(v3.seen_test, *learned),
        "unseen": without_videos(v3.unseen, *learned),
        "pool": without_videos(v3.pool, *learned),
    }
    test = {d: without_videos(t, *learned, largest[d]) for d, t in v3.test.items()}
    return _assemble(parts, v3.shots, v3.control, test, v3.folds)


def write(v3: AvsV3, folder: Path) -> None:
    """Write one CSV per part, folds.csv, {shots,control}/{draw}/{k}/train.csv and
    shots/{draw}/test.csv."""
    for name in PARTS:
        write_csv(getattr(v3, name), folder / f"{name}.csv")
    if v3.folds is not None:
        write_csv(v3.folds, folder / "folds.csv")
    write_drawn(folder, {"shots": v3.shots, "control": v3.control}, v3.test)
