"""scenes.csv of a generated data set: analysis columns that the clip index carries on."""

import io
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from benchmarks.data.index import SEAL, DataError
from splits.files import SplitError, read_table, read_text


def add_scenes(
    index: pd.DataFrame, root: Path, known: Collection[str], source: str
) -> pd.DataFrame:
    """The index with the columns of `root`'s scenes.csv, or as it is where there is none.

    Args:
        known: the uids of `source`, the data set's list of clips.

    Raises:
        DataError: a uid lacks, is there twice or isn't `known`, or a column is the index's own.
    """
    path = root / "scenes.csv"
    if not path.is_file():
        return index
    try:
        uids = read_table(path, ["uid"])
    except SplitError as error:
        raise DataError(error.problems) from error
    twice, columns = uids.uid[uids.uid.duplicated()], {*index, "world", SEAL} - {"uid"}
    missing, unknown = index.uid[~index.uid.isin(uids.uid)], uids.uid[~uids.uid.isin(known)]
    problems = [f"{path}: column {name!r} is the index's own" for name in sorted(columns & {*uids})]
    problems += [
        f"{path}: {fault} ({len(uids_at_fault)} of {len(rows)} rows), expected a row per clip"
        for fault, uids_at_fault, rows in (
            (f"no row of uid {next(iter(missing), '')}, a clip of the index", missing, index),
            (f"uid {next(iter(unknown), '')} is no clip of {source}", unknown, uids),
            (f"uid {next(iter(twice), '')} twice", twice, uids),
        )
        if len(uids_at_fault)
    ]
    if problems:
        raise DataError(problems, "Make it again with the clips: `python -m benchmarks data`.")
    scenes = pd.read_csv(io.StringIO(read_text(path)), dtype={"uid": str})
    return index.merge(scenes, "left", on="uid", validate="one_to_one")
