"""Fractions of a training set (Figure 3): nested, stratified by class, whole videos."""

from collections.abc import Sequence

import pandas as pd

from splits.files import raise_if
from splits.tables import check_metadata, stratified_order, videos


def split(train: pd.DataFrame, fractions: Sequence[float], draw: int) -> dict[float, pd.DataFrame]:
    """Cut parts of a training set: the first videos of a stratified order, one order per draw.

    Args:
        train: rows of metadata.csv.
        fractions: shares of the clips, above 0 and up to 1.
        draw: number of the draw.

    Returns:
        By fraction, rows in their order: the prefix whose number of clips is nearest to the share;
        a smaller fraction's rows are among a larger one's. 1.0 is the whole set.

    Raises:
        SplitError: bad metadata, a fraction outside (0, 1] or one of less than half a video.
    """
    check_metadata(train)
    video = videos(train)
    order = stratified_order(train, "fractions", draw)
    ends = [0, *video.value_counts()[order].cumsum()]  # clips of the first n videos
    parts, problems = {}, []
    for fraction in fractions:
        if not 0 < fraction <= 1:
            problems.append(f"fraction {fraction}: expected above 0 and at most 1")
            continue
        gaps = [abs(end - fraction * len(train)) for end in ends]
        taken = gaps.index(min(gaps))
        if taken == 0:
            problems.append(
                f"fraction {fraction} of {len(train)} clips: empty; the first video has {ends[1]}"
            )
        parts[fraction] = train[video.isin(order[:taken])]
    raise_if(problems)
    return parts
