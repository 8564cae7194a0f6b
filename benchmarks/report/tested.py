"""What a table tests: clips, videos and frames, in words."""

from collections.abc import Sequence

from benchmarks.report.ledger import Ledger, Source
from benchmarks.scoring.statistics import Run


def tested(
    ledger: Ledger,
    rows: Sequence[str],
    source: Source,
    runs: Sequence[Run],
    what: str = "Tested",
) -> str:
    """Sentence on the size of a test set; empty without a record of any row and run.

    Where each draw has a test set of its own it is that of the first.
    """
    for row in rows:
        for run in runs:
            record = ledger.record(row, source, run)
            if record and source.evaluation in record.evaluations:
                scores = ledger.scores(row, source, run)
                clips, videos = len({*scores.uid}), len({*scores.video})
                draw = f" (draw {run[1]})" if "{draw}" in source.subset else ""
                return (
                    f"{what}{draw}: {clips:,} clips of {videos:,} videos, {len(scores):,} frames."
                )
    return ""
