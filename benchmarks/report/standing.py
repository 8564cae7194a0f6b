"""Standing of the rows: which take part in verdicts, since they do better than nothing.

A row that isn't above an all-dark prediction, or above itself trained and tested in silence, says
how far its training got and nothing of its method.
"""

import math
from collections.abc import Mapping

from benchmarks.report.ledger import DARK, FLOOR, RIVALS, UNSEEN, Ledger, Part, Source
from benchmarks.report.plan import Plan
from benchmarks.scoring import statistics
from benchmarks.scoring.statistics import Difference

Standing = Mapping[tuple[str, str], str]  # by row and benchmark: what the row isn't above
AT = ("miou", "miou_chosen")  # threshold 0.5, and validation's


def standings(plan: Plan, ledger: Ledger) -> dict[str, Standing]:
    """Judge the rows at each threshold of `AT`, for the verdicts by it."""
    return {metric: standing(plan, ledger, metric) for metric in AT}


def standing(plan: Plan, ledger: Ledger, metric: str = AT[0]) -> Standing:
    """Find the rows that aren't shown to be above all dark, or above their floor, by a metric.

    By p < 0.05, seeds and videos in the variance, after Holm's rule over the two tests of a row:
    it is a question to each row alone. The floor is compared where silent rivals are in view, if
    the data say where that is and it is two videos or more: elsewhere a model that can't hear does
    as well. Rows without a floor are only compared with all dark. AVS-V3's floor is of models
    without shots, and says nothing of those with (`Ledger.not_above`).
    """
    below: dict[tuple[str, str], str] = {}
    for benchmark, rows in _rows(plan).items():
        for row in rows:
            tests = statistics.adjusted(dict(_tests(plan, ledger, row, benchmark, metric)))
            for than, test in tests.items():
                if test.verdict != "holds":
                    below.setdefault((row, benchmark), than)
    return below


def _rows(plan: Plan) -> dict[str, list[str]]:
    table = plan.tables.table1
    ablations = [row for names in plan.groups.values() for row in names]
    rows = {b: [row for row in table.rows if row != table.ceiling] for b in table.benchmarks}
    where = plan.tables.ablations.benchmark
    rows[where] = list(dict.fromkeys([*rows.get(where, []), *ablations]))
    unseen = [*plan.tables.rows_of("table2"), *plan.tables.ablated]
    return rows | {"v3": list(dict.fromkeys(unseen))}


def _tests(
    plan: Plan, ledger: Ledger, row: str, benchmark: str, metric: str
) -> list[tuple[str, Difference]]:
    """Differences of a row to all dark and to its floor, as far as there are records."""
    own = UNSEEN if benchmark == "v3" else Source(benchmark, "train", "test")
    tests = []
    parts = (Part(own, metric), Part(own, "dark"))
    if runs := ledger.runs(row, parts, plan.runs):
        scored, dark = (ledger.sample(row, part, runs) for part in parts)
        tests.append(
            (DARK, statistics.excess(statistics.combine(lambda a, b: a - b, scored, dark)))
        )
    subsets = [RIVALS, ""] if RIVALS in ledger.strata else [""]
    for subset in subsets:
        sides = [
            Part(own._replace(setting=setting, subset=subset), metric)
            for setting in (own.setting, "floor")
        ]
        runs_of = [ledger.runs(row, [part], plan.runs) for part in sides]
        if all(runs_of):
            pairs = zip(sides, runs_of, strict=True)
            heard, silent = (ledger.sample(row, part, runs) for part, runs in pairs)
            test = statistics.difference(heard, silent)
            if not math.isnan(test.low):
                return [*tests, (FLOOR, test)]
    return tests
