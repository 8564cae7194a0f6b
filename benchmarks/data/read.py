"""The whole clip index of a profile: every data set that its parameters name."""

import pandas as pd

from benchmarks.data.avsbench import read_avsbench
from benchmarks.data.vggsound import read_vggsound
from benchmarks.data.vggss import read_vggss
from benchmarks.params import DataParams
from splits.vggss_boxes import read_annotations


def read_index(data: DataParams, workers: int) -> pd.DataFrame:
    """AVSBench's clips, then VGG-SS's, then VGG-Sound's, every file opened once.

    Raises:
        DataError: all that is broken, missing or of a wrong size.
    """
    parts = [read_avsbench(data.root, data.splits, data.exclude, workers, True, data.labels)]
    if data.vggss is not None:
        parts.append(read_vggss(data.vggss, data.vggss_exclude, workers, progress=True))
    if data.vggsound is not None:
        tests = read_annotations(data.vggss / "vggss.json")[0].file
        parts.append(read_vggsound(data.vggsound, tests, workers, progress=True))
    return pd.concat(parts, ignore_index=True)
