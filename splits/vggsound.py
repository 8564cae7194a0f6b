"""Lists of VGG-Sound to learn localisation from, without the videos that VGG-SS tests.

A list is a text file with one id per line, as the published ones: YouTube's 11 characters, "_" and
the first second in six digits. VGG-Sound's own table, vggsound.csv (hche11/VGGSound), has no header
and the columns video, first second, label, train or test. All of VGG-SS is in its test part; yet
several published lists hold thousands of its clips.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from splits.audit import Leak, compare
from splits.files import (
    SplitError,
    raise_if,
    read_rows,
    read_table,
    read_text,
    shortened,
)
from splits.tables import rank
from splits.vggss_boxes import FILE

_ENTRY = re.compile(rf"({FILE.pattern})(\.\w+)?", re.ASCII)


def read_list(path: Path) -> list[str]:
    """Read the ids of a list, in its order, without their extensions.

    Raises:
        SplitError: no such file, no id, a line that is no id, or an id twice.
    """
    files: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(map(str.strip, read_text(path).split("\n")), start=1):
        entry = _ENTRY.fullmatch(line)
        if entry is None and line:
            problems.append(f"{path}: line {number}: {line!r:.80} isn't a VGG-Sound id")
        elif entry and files.setdefault(entry[1], number) != number:
            problems.append(f"{path}: line {number}: {entry[1]} twice")
    if not files and not problems:
        problems = [f"{path}: empty"]
    raise_if(shortened(problems))
    return list(files)


def write_list(files: Sequence[str], path: Path) -> None:
    """Write a list, one id per line, and the folders above the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")


def read_clips(path: Path) -> pd.DataFrame:
    """Read vggsound.csv as columns file, label, split.

    Raises:
        SplitError: no table of four columns, or a row without id, second, label and split.
    """
    columns = ["video", "start", "label", "split"]
    rows = read_rows(path)
    if not rows:
        raise SplitError(f"{path}: empty, expected rows of {columns}")
    problems = [
        f"{path}: line {line}: {len(fields)} columns, expected {columns}: {fields!r:.80}"
        for line, fields in rows
        if len(fields) != len(columns)
    ]
    raise_if(shortened(problems))
    table = pd.DataFrame([fields for _, fields in rows], columns=columns, dtype=str)
    table["file"] = table.video + "_" + table.start.str.zfill(6)
    good = table.file.str.fullmatch(FILE) & (table.label != "")
    wrong = table[~(good & table["split"].isin(["train", "test"]))]
    expected = "expected an id, its first second, a label, train or test"
    problems = [
        f"{path}: line {rows[row[0]][0]}: {', '.join(row[1:5])!r:.80}, {expected}"
        for row in wrong.itertuples()
    ]
    raise_if(shortened(problems))
    return table[["file", "label", "split"]]


def read_heard(path: Path) -> dict[str, set[str]]:
    """Read the labels of the groups `heard` and `unheard` of a CSV label,group.

    Raises:
        SplitError: no such file or columns, another group than heard and unheard, or an empty one.
    """
    table = read_table(path, ["label", "group"])
    problems = [
        f"{path}: {row.label!r} is in group {row.group!r}, expected heard or unheard"
        for row in table[~table.group.isin(["heard", "unheard"])].itertuples()
    ]
    twice = table.label[table.label.duplicated()]
    problems += [f"{path}: label {label!r} twice" for label in twice]
    groups = {name: set(table.label[table.group == name]) for name in ("heard", "unheard")}
    raise_if(problems or [f"{path}: no label is {name}" for name in groups if not groups[name]])
    return groups


def without_tests(files: Sequence[str], tests: Collection[str]) -> list[str]:
    """Drop the ids whose video VGG-SS tests: another clip of it may show the same seconds."""
    tested = {file[:11] for file in tests}
    return [file for file in files if file[:11] not in tested]


def clean_list(clips: pd.DataFrame, tests: Collection[str]) -> list[str]:
    """Training clips of VGG-Sound without VGG-SS's videos, in order of their ids."""
    train = clips.file[clips["split"] == "train"]
    return without_tests(sorted(set(train)), tests)


def heard_list(clips: pd.DataFrame, tests: Collection[str], labels: Collection[str]) -> list[str]:
    """Part of `clean_list` in which one of these labels sounds.

    Raises:
        SplitError: a label that no training clip has.
    """
    train = clips[clips["split"] == "train"]
    missing = sorted(set(labels) - set(train.label))
    raise_if([f"vggsound.csv: no training clip of label {label!r}" for label in missing])
    return clean_list(train[train.label.isin(set(labels))], tests)


def draw(files: Sequence[str], count: int) -> list[str]:
    """Draw `count` of the ids, in their order; a smaller draw is part of a larger one.

    Raises:
        SplitError: there are fewer.
    """
    if count > len(files):
        raise SplitError([f"expected at least {count} clips, found {len(files)}"])
    drawn = set(sorted(files, key=lambda file: rank("vggsound", file))[:count])
    return [file for file in files if file in drawn]


def heard_labels(clips: pd.DataFrame, files: Collection[str]) -> set[str]:
    """Labels of the listed clips; published lists have clips that vggsound.csv doesn't know."""
    return set(clips.label[clips.file.isin(set(files))])


def overlap(name: str, files: Sequence[str], tests: Sequence[str]) -> Leak:
    """Compare a list with the clips that VGG-SS tests."""
    learned, tested = (pd.DataFrame({"file": list(ids)}, dtype=str) for ids in (files, tests))
    return compare(name, learned, "VGG-SS", tested)


def markdown(
    lists: Mapping[str, Sequence[str]],
    annotations: pd.DataFrame,
    clips: pd.DataFrame | None = None,
) -> str:
    """Markdown table with one row per list: its size, its clips that VGG-SS tests, heard labels.

    Args:
        annotations: columns file, label, of VGG-SS (splits.vggss_boxes.read_annotations).
        clips: vggsound.csv (`read_clips`); without it no label is known.
    """
    tests = annotations.file.tolist()
    lines = [
        "| list | clips | videos | VGG-SS clips in it | VGG-SS clips of its videos "
        "| its labels in VGG-SS | heard VGG-SS clips | unheard |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, files in lists.items():
        leak = overlap(name, files, tests)
        cells = [len(files), len({file[:11] for file in files})]
        cells += [len(leak.identical), len(leak.clips)]
        if clips is not None:
            heard = annotations.label.isin(heard_labels(clips, files))
            cells += [annotations.label[heard].nunique(), heard.sum(), (~heard).sum()]
        text = [f"{number:,}" for number in cells] + ["–"] * (7 - len(cells))
        lines.append(f"| `{name}` | " + " | ".join(text) + " |")
    return "\n".join(lines) + "\n"
