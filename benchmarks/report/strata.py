"""Strata: clips by what is in view, from the data set's own columns in the clip index."""

from collections.abc import Collection, Mapping

import pandas as pd

from benchmarks.report.ledger import RIVALS


def strata_of(index: pd.DataFrame) -> Mapping[str, Collection[str]]:
    """Find the clips with a silent object in view that could sound, where hearing decides.

    Returns:
        Their uids as `RIVALS`, by scenes.csv's columns; nothing where the data don't say.
    """
    if not {"distractor", "off_screen"} <= {*index.columns}:
        return {}
    said = index[index.distractor.fillna("").isin(("other_class", "same_class"))]
    heard = said[said.off_screen.astype(str).eq("False")]
    return {RIVALS: frozenset(heard.uid)} if len(heard) else {}
