"""Files for DVC: headline numbers for `dvc exp show`, and wide tables for `dvc plots`."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.report.claims import CLAIM_VERDICTS, NO_VERDICT, Claim
from benchmarks.report.contests import Contest, contests_of, main_contests
from benchmarks.report.exports import as_csv
from benchmarks.report.figure3 import shares_of
from benchmarks.report.ledger import Ledger
from benchmarks.report.measure import Table, missing_of
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import test_source
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import iou_terms

LARGEST = 12  # numbers of the headline: `dvc exp show` prints a column for each


def headline(plan: Plan, tables: Mapping[str, Table], judged: Sequence[Claim]) -> str:
    """JSON of the base row's score (%) in the first contests, how many of the paper's claims hold,
    are reversed, mixed or undecided, and how many records are missing."""
    verdicts = [claim.verdict for claim in judged]
    rest = {kind: verdicts.count(kind) for kind in CLAIM_VERDICTS if kind not in NO_VERDICT}
    rest["missing"] = len(missing_of(tables.values()))
    scores: dict[str, float] = {}
    for contest in main_contests(plan, tables)[: LARGEST - len(rest)]:
        value = _mean(tables, contest, plan.base)
        if not np.isnan(value):
            scores[contest.name] = round(value, 2)
    return json.dumps({plan.base: scores, **rest}, indent=1) + "\n"


def plots(plan: Plan, ledger: Ledger, tables: Mapping[str, Table]) -> dict[str, str]:
    """CSVs of Table 1, Figure 3, the first seed's loss and the base row's classes, by file name."""
    contests = {s.name: s for s in contests_of(plan, tables)}
    benchmarks = [b for b in plan.tables.table1.benchmarks if b in contests]
    rows = [*plan.published, *plan.tables.table1.controlled]
    table1 = pd.DataFrame(
        {b: [_mean(tables, contests[b], row) for row in rows] for b in benchmarks}, index=rows
    )
    shares = shares_of(plan)
    figure3 = pd.DataFrame(
        {
            row: [100 * tables["figure3"].mean(row, f"{where} miou") for where in shares]
            for row in plan.tables.figure3.rows
        },
        index=[100 * share for share in shares.values()],
    )
    return {
        "table1.csv": as_csv(table1.dropna(how="all").rename_axis("row").reset_index()),
        "figure3.csv": as_csv(figure3.rename_axis("share").reset_index()),
        "training.csv": as_csv(_training(plan, ledger)),
        "classes.csv": as_csv(_classes(plan, ledger)),
    }


def _mean(tables: Mapping[str, Table], contest: Contest, row: str) -> float:
    """Score of a row in a contest, %; NaN without one."""
    return 100 * tables[contest.table].mean(row, contest.column)


def _training(plan: Plan, ledger: Ledger) -> pd.DataFrame:
    """Loss as a share of the first entry's on the last benchmark of Table 1, a column per row."""
    benchmark, columns = plan.tables.table1.benchmarks[-1], {}
    for row in plan.tables.figure3.rows:
        record = ledger.record(row, test_source(benchmark), plan.runs[0])
        if record and record.history:
            first = record.history[0].loss
            columns[row] = pd.Series({e.step: e.loss / first for e in record.history})
    return pd.DataFrame(columns).rename_axis("updates").reset_index()


def _classes(plan: Plan, ledger: Ledger) -> pd.DataFrame:
    """mIoU (%) of the base row by class, first seed, on each benchmark of Table 1."""
    columns = {}
    for benchmark in plan.tables.table1.benchmarks:
        source = test_source(benchmark)
        if ledger.record(plan.base, source, plan.runs[0]):
            scores = ledger.scores(plan.base, source, plan.runs[0])
            if isinstance(scores, FrameScores):
                values = pd.Series(100 * iou_terms(scores).numerator, name="miou").to_frame()
                named = values.assign(name=[str(c).split("_") for c in scores.classes])
                columns[benchmark] = named.explode("name").groupby("name").miou.mean()
    return pd.DataFrame(columns).rename_axis("class").reset_index()
