"""Strata: clips of several evaluations that a table looks at alone, by what tells them apart."""

from collections.abc import Collection, Mapping

import pandas as pd

from benchmarks.grid.clip_sets import ClipSets
from benchmarks.report.ledger import LEARNED, RIVALS


def strata_of(index: pd.DataFrame, clip_sets: ClipSets) -> Mapping[str, Collection[str]]:
    """Find the uids of each stratum that the data have.

    Returns:
        `RIVALS`: clips with a silent object in view that could sound, where hearing decides, by
        scenes.csv's columns; not where the data don't say. `LEARNED`: clips of AVS-V3's unseen
        classes among V2's test clips.
    """
    strata: dict[str, Collection[str]] = {}
    if {"distractor", "off_screen"} <= {*index.columns}:
        said = index[index.distractor.fillna("").isin(("other_class", "same_class"))]
        strata[RIVALS] = frozenset(said.uid[said.off_screen.astype(str).eq("False")])
    if (index.benchmark == "v2").any():
        strata[LEARNED] = {*clip_sets["v3/unseen"].uid} & {*clip_sets["v2/test"].uid}
    return {name: uids for name, uids in strata.items() if uids}
