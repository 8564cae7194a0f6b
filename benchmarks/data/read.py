"""The whole clip index of a profile: every data set that its parameters name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.data.avsbench import read_avsbench
from benchmarks.data.config import DataParams, VGGSoundParams
from benchmarks.data.index import DataError, world_of
from benchmarks.data.vggsound import read_vggsound
from benchmarks.data.vggss import read_vggss
from splits.files import SplitError
from splits.vggss_boxes import read_annotations


def read_index(data: DataParams, workers: int) -> pd.DataFrame:
    """AVSBench's clips, then VGG-SS's, then VGG-Sound's, every file opened once.

    Raises:
        DataError: all that is broken, missing or of a wrong size, of every data set.
    """

    def vggsound(params: VGGSoundParams, tested: Path) -> pd.DataFrame:
        try:
            tests = read_annotations(tested / "vggss.json")[0].file
        except SplitError as error:
            root = params.root
            lost = [] if root.is_dir() else [f"{root}: no such folder"]
            raise DataError([*error.problems, *lost]) from error
        return read_vggsound(params, tests, workers, progress=True)

    avsbench = partial(
        read_avsbench, data.root, data.splits, data.exclude, workers, True, data.labels
    )
    readers: list[tuple[Path, Callable[[], pd.DataFrame]]] = [(data.root, avsbench)]
    if data.vggss is not None:
        vggss = partial(read_vggss, data.vggss, data.vggss_exclude, workers, progress=True)
        readers.append((data.vggss, vggss))
    if data.vggsound is not None and data.vggss is not None:
        reader = partial(vggsound, data.vggsound, data.vggss)
        readers.append((data.vggsound.root, reader))
    parts, errors = [], []
    for root, read in readers:
        world = world_of(root)
        try:
            parts.append(read().assign(world=world))
        except DataError as error:
            errors.append(error)
    if errors:
        problems = dict.fromkeys(p for error in errors for p in error.problems)
        advice = dict.fromkeys(error.advice for error in errors if error.advice)
        raise DataError(problems, "\n".join(advice))
    return pd.concat(parts, ignore_index=True)
