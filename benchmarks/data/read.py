"""The whole clip index of a profile: every data set that its parameters name."""

import pandas as pd

from benchmarks.data.index import read_avsbench_semantic
from benchmarks.data.vggss import read_vggss
from benchmarks.params import DataParams


def read_index(data: DataParams, workers: int) -> pd.DataFrame:
    """AVSBench's clips, then VGG-SS's, every file opened once.

    Raises:
        DataError: all that is broken, missing or of a wrong size.
    """
    parts = [read_avsbench_semantic(data.root, data.splits, data.exclude, workers, progress=True)]
    if data.vggss is not None:
        parts.append(read_vggss(data.vggss, data.vggss_exclude, workers, progress=True))
    return pd.concat(parts, ignore_index=True)
