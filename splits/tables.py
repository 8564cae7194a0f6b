"""Parts that the protocols share: metadata.csv, an order for every draw, shots and their test.

Every choice sorts by a hash of names, never by a random generator: the same metadata gives the same
lists in whatever order its rows come and whatever the version of NumPy.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from splits.files import SplitError, raise_if, read_json, read_table, shortened, write_csv

COLUMNS = ["vid", "uid", "s_min", "s_sec", "a_obj", "split", "label"]
LABELS = ("v1s", "v1m", "v2")
SPLITS = ("train", "val", "test")
_NUMBER = r"\d+(\.\d+)?"
OFF_SCREEN = "off-the-screen"  # AVSBench's token for a source that no frame shows


def read_metadata(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read metadata.csv of AVSBench-semantic; returns it and one line per repair.

    The one repair takes a space out of a class name.

    Where label2idx.json lies beside it, every class must be in there.

    Raises:
        SplitError: as `check_metadata`, or an unknown class.
    """
    path = Path(path)
    table = read_table(path, COLUMNS)
    spaced = table[table.a_obj.str.contains(" ")]
    repairs = [f"{r.uid}: a_obj {r.a_obj!r} read without its space" for r in spaced.itertuples()]
    table["a_obj"] = table.a_obj.str.replace(" ", "")
    check_metadata(table, str(path))
    known = path.with_name("label2idx.json")
    if known.is_file():
        classes = {*read_classes(known), OFF_SCREEN}
        unknown = [
            f"{path}: uid {r.uid}: unknown class {token!r}; {known.name} lacks it"
            for r in table.itertuples()
            for token in r.a_obj.split("_")
            if token not in classes
        ]
        raise_if(shortened(unknown))
    return table, repairs


def read_classes(path: Path) -> dict[str, int]:
    """Read label2idx.json: the number of each class.

    Raises:
        SplitError: not an object of names and whole numbers from 0 on, or a number twice.
    """
    content = read_json(path)
    expected = "expected an object of class names and numbers"
    if not isinstance(content, dict) or not content:
        raise SplitError(f"{path}: {content!r:.80}, {expected}")
    problems = [
        f"{path}: key {name!r}: {number!r:.80}, {expected} from 0 on"
        for name, number in content.items()
        if type(number) is not int or number < 0
    ]
    twice = [] if problems else [n for n, count in Counter(content.values()).items() if count > 1]
    raise_if(shortened([*problems, *(f"{path}: number {n} twice" for n in twice)]))
    return content


def check_metadata(table: pd.DataFrame, source: str = "metadata") -> None:
    """Check rows of metadata.

    Args:
        source: the name that errors give the rows.

    Raises:
        SplitError: listing all that is wrong.
    """
    missing = [c for c in COLUMNS if c not in table]
    raise_if([f"{source}: column(s) {missing} missing; found {list(table)}"] if missing else [])
    problems = [] if len(table) else [f"{source}: no rows"]
    problems += [f"{source}: uid {u} twice" for u in table.uid[table.uid.duplicated()]]
    problems += unknown_values(source, table, "label", LABELS)
    problems += unknown_values(source, table, "split", SPLITS)
    for column, good, expected in (
        ("a_obj", ~("_" + table.a_obj + "_").str.contains("__"), "classes joined by _, none empty"),
        ("vid", table.vid.str.len() >= 11, "YouTube's 11 characters"),
        ("s_min", table.s_min.str.fullmatch(_NUMBER), "a number"),
        ("s_sec", table.s_sec.str.fullmatch(_NUMBER), "a number"),
    ):
        problems += [
            f"{source}: uid {uid}: {column} {value!r}, expected {expected}"
            for uid, value in zip(table.uid[~good], table[column][~good], strict=True)
        ]
    raise_if(shortened(problems or _other_starts(source, table)))


def _other_starts(source: str, table: pd.DataFrame) -> list[str]:
    """Lines on rows whose uid (VIDEO_START_END, ms) has another start than s_min and s_sec."""
    in_uid = table.uid.str.extract(r"^.{11}_(\d+)_\d+$")[0].astype(float) // 1000
    start = table.s_min.astype(float) * 60 + table.s_sec.astype(float)
    return [
        f"{source}: uid {uid}: s_min and s_sec make {seconds:g} s, expected the uid's {expected:g}"
        for uid, seconds, expected, wrong in zip(
            table.uid, start, in_uid, in_uid.notna() & (in_uid != start // 1), strict=True
        )
        if wrong
    ]


def unknown_values(
    source: object, table: pd.DataFrame, column: str, known: Sequence[str]
) -> list[str]:
    """Lines, one per value of a column that isn't known, with the first uid that has it."""
    wrong = table[~table[column].isin(known)]
    expected = f"expected one of {', '.join(known)}"
    return [
        f"{source}: {column} {value!r}, {expected} (uid {rows.uid.iat[0]}, {len(rows)} row(s))"
        for value, rows in wrong.groupby(column)
    ]


def videos(clips: pd.DataFrame) -> pd.Series:
    """YouTube ids (11 characters) of metadata rows (V1M's vid appends _k) or of VGG-SS's files."""
    return (clips["vid"] if "vid" in clips else clips["file"]).str[:11]


def without_videos(test: pd.DataFrame, *trains: pd.DataFrame) -> pd.DataFrame:
    """Rows of `test` whose video is in none of `trains`."""
    learned = set().union(*(videos(train) for train in trains))
    return test[~videos(test).isin(learned)]


def rank(*names: object) -> str:
    """Sort key of a shuffled order: the hash of the names together."""
    return sha256("/".join(map(str, names)).encode()).hexdigest()


def stratified_order(clips: pd.DataFrame, *salt: object) -> list[str]:
    """Order videos so that every prefix, and every stretch, is stratified by class.

    A video belongs to its rarest class. The n videos of a class are shuffled and stand at
    (i + u) / n of the whole, i = 0 .. n - 1, one random u per class: systematic sampling, so the
    first fraction f of the line holds f n videos of each class, rounded up or down.
    """
    pairs = {(v, t) for v, a in zip(videos(clips), clips.a_obj, strict=True) for t in a.split("_")}
    spread = Counter(token for _, token in pairs)
    strata: dict[str, str] = {}
    for video, token in sorted(pairs, key=lambda p: (spread[p[1]], p[1])):
        strata.setdefault(video, token)
    members: dict[str, list[str]] = {}
    for video in sorted(strata, key=lambda v: rank(*salt, v)):
        members.setdefault(strata[video], []).append(video)
    placed = []
    for token, line in members.items():
        offset = int(rank(*salt, "offset", token)[:13], 16) / 16**13
        placed += [((i + offset) / len(line), token, video) for i, video in enumerate(line)]
    return [video for _, _, video in sorted(placed)]


def shot_lines(clips: pd.DataFrame, key: str, group: str, *salt: object) -> list[pd.DataFrame]:
    """Order the clips of each group as they become shots; one table per group.

    Videos take turns in a shuffled order, so a video gives its second clip only when every other
    video of the group has given one.
    """
    lines = []
    for name, members in clips.groupby(group):
        shuffled = members.iloc[_argsort([rank(*salt, name, u) for u in members[key]])]
        turns = shuffled.groupby(videos(shuffled)).cumcount()
        order = [(t, rank(*salt, v)) for t, v in zip(turns, videos(shuffled), strict=True)]
        lines.append(shuffled.iloc[_argsort(order)])
    return lines


def draw_shots(
    clips: pd.DataFrame, key: str, group: str, sizes: Sequence[int], *salt: object
) -> dict[int, pd.DataFrame]:
    """Draw k clips of every group, for each k; a smaller k's clips are among a larger one's."""
    lines = shot_lines(clips, key, group, *salt)
    return {k: pd.concat([line.head(k) for line in lines]).sort_index() for k in sizes}


def draw_controls(
    clips: pd.DataFrame, key: str, group: str, totals: Mapping[int, int], *salt: object
) -> dict[int, pd.DataFrame]:
    """Draw `totals[k]` clips in all for each k, nested as shots; the groups take turns in a
    shuffled order."""
    lines = shot_lines(clips, key, group, *salt)
    lines.sort(key=lambda line: rank(*salt, line[group].iat[0]))
    turns = pd.concat([line.assign(turn=range(len(line))) for line in lines])
    ordered = turns.sort_values("turn", kind="stable").drop(columns="turn")
    return {k: ordered.head(total).sort_index() for k, total in totals.items()}


def write_drawn(
    folder: Path,
    learned: Mapping[str, Mapping[Any, Mapping[int, pd.DataFrame]]],
    test: Mapping[Any, pd.DataFrame],
) -> None:
    """Write {name}/{draw}/{k}/train.csv of what is learned, and shots/{draw}/test.csv."""
    for name, drawn in learned.items():
        for draw, by_k in drawn.items():
            for k, rows in by_k.items():
                write_csv(rows, folder / name / str(draw) / str(k) / "train.csv")
    for draw, rows in test.items():
        write_csv(rows, folder / "shots" / str(draw) / "test.csv")


def left_to_test(
    pool: pd.DataFrame, shots: pd.DataFrame, group: str, at_least: int
) -> pd.DataFrame:
    """Drop the shots and the other clips of their videos from the pool.

    A group keeps its clips of shot videos only if fewer than `at_least` would be left; a string of
    several classes never does (its classes are tested by their own clips).
    """
    rest = pool.drop(shots.index)
    clean = ~videos(rest).isin(set(videos(shots)))
    counts = clean.groupby(rest[group]).sum()
    scarce = [name for name, count in counts.items() if count < at_least and "_" not in name]
    return rest[clean | rest[group].isin(scarce)]


def too_few(clips: pd.DataFrame, group: str, groups: Iterable[str], most: int) -> list[str]:
    """Lines, one per group that can't give `most` shots and a clip to test."""
    counts = clips[group].value_counts()
    return [
        f"{group} {name!r}: {counts.get(name, 0)} clips, but {most} shots and a test need at least "
        f"{most + 1}"
        for name in sorted(groups)
        if counts.get(name, 0) <= most
    ]


def check_sizes(shots: Sequence[int], draws: Sequence[object]) -> None:
    """Check numbers of shots and names of draws.

    Raises:
        SplitError: no shots, fewer than 1, or a value twice.
    """
    problems = []
    if not shots or min(shots) < 1 or len(set(shots)) < len(shots):
        problems.append(f"shots {list(shots)}: expected different numbers from 1 up")
    if len(set(draws)) < len(draws):
        problems.append(f"draws {list(draws)}: expected different numbers")
    raise_if(problems)


def _argsort(keys: Sequence) -> list[int]:
    return sorted(range(len(keys)), key=keys.__getitem__)
