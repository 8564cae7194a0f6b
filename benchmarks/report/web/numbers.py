"""Numbers of the page as one JSON: leaderboard, comparisons, verdicts, rules, trainings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.common.tables import PERCENT
from benchmarks.predictions.compare import by_clip
from benchmarks.report import rosetta
from benchmarks.report.claims import Claim
from benchmarks.report.contests import Contest, contests_of
from benchmarks.report.layout import title_of
from benchmarks.report.ledger import Ledger
from benchmarks.report.measure import Column, Score, Table
from benchmarks.report.page import PROFILES, UNKNOWN
from benchmarks.report.plan import RECREATED, Plan
from benchmarks.report.style import looks_of
from benchmarks.report.table1 import test_source
from benchmarks.report.verdicts import trainings
from benchmarks.report.web.pairs import by_group, differences
from benchmarks.scoring.rosetta import RULES
from benchmarks.scoring.statistics import Difference

TRACKS = ("P", "C")
HEARING = (  # columns of Table 1
    "miou", "floor", "floor_gain", "shuffled", "shuffle_loss",
    "rivals_floor_gain", "rivals_shuffle_loss",
)  # fmt: skip
DIGITS = 6  # of per cents, so that what the page rounds again is what the tables print


def numbers(
    plan: Plan,
    ledger: Ledger,
    tables: Mapping[str, Table],
    judged: Sequence[Claim],
    index: pd.DataFrame,
) -> dict:
    """Make all that the page prints; scores in per cent, differences in points."""
    contests = contests_of(plan, tables)
    return {
        "profile": plan.profile,
        "about": PROFILES.get(plan.profile, UNKNOWN),
        "seeds": list(plan.seeds),
        "more": [seed for seed, _ in plan.runs[len(plan.seeds) :]],  # of some rows
        "base": plan.base,
        "ceiling": plan.tables.table1.ceiling,
        "rows": _rows(plan, contests, tables),
        "contests": [_contest(plan, ledger, tables[s.table], s, index) for s in contests],
        "hearing": _hearing(plan, tables),
        "claims": [
            {"text": c.text, "source": c.source, "verdict": c.verdict, "runs": trainings(c),
             "evidence": c.evidence.replace("`", ""), "depends": c.depends}
            for c in judged
        ],
        "verdicts": [v for table in tables.values() for v in _verdicts(table)],
        "rules": [
            {"name": r.name, "text": rosetta.described(r)}
            for r in RULES
        ],
        "by_rule": _by_rule(plan, ledger),
        "training": _training(plan, ledger),
    }  # fmt: skip


def rows_of(plan: Plan, table: Table, contest: Contest) -> list[str]:
    """Rows that have a score in a contest, less the ceiling and SAM-Fusion's other operators."""
    return [
        row
        for row in table.rows
        if (row, contest.column) in table.scores
        and row not in (plan.tables.table1.ceiling, *plan.tables.table1.operators)
    ]


def _rows(plan: Plan, contests: Sequence[Contest], tables: Mapping[str, Table]) -> list[dict]:
    """What a row is: its track, paradigm, note and looks."""
    names = [row for s in contests for row in rows_of(plan, tables[s.table], s)]
    names = list(dict.fromkeys([*plan.methods, *names]))
    look = looks_of(plan, names)
    return [
        {
            "name": row,
            "track": plan.track(row),
            "paradigm": plan.paradigms.get(row, ""),
            "in_set": row in plan.tables.table3.in_set,
            "recreated": plan.notes.get(row) == RECREATED,
            "note": plan.notes.get(row, ""),
            "colour": look["palette"][row],
        }
        for row in names
        if row != plan.tables.table1.ceiling
    ]


def _contest(
    plan: Plan, ledger: Ledger, table: Table, contest: Contest, index: pd.DataFrame
) -> dict[str, Any]:
    """One column of the leaderboard, and its rows against each other."""
    rows, column = rows_of(plan, table, contest), table.columns[contest.column]
    families = {"all": rows} | {t: [r for r in rows if t in plan.track(r)] for t in TRACKS}
    content: dict[str, Any] = {
        "name": contest.name,
        "title": contest.title,
        "kind": contest.kind,
        "rows": rows,
        "scores": [_score(table.scores[row, contest.column]) for row in rows],
        "paper": [table.figure(row, contest.column) for row in rows],
        "floor": [_mean(table, row, contest.floor) for row in rows],
        "wrong": [_mean(table, row, contest.wrong) for row in rows],
        "chosen": _at_chosen(table, column, rows),
        "left_out": {
            row: than for (row, name), than in table.left_out.items() if name == contest.column
        },
        "ceiling": _mean(table, plan.tables.table1.ceiling, contest.column),
        "tied": {name: table.tied(contest.column, family) for name, family in families.items()},
        "lead": _lead(table, contest, rows),
        "pairs": differences(table, contest, rows),
        "groups": [],
        "clips": {},
    }
    if contest.sources:
        content["groups"] = by_group(ledger, contest, rows, column.runs, index)
        content["clips"] = clip_scores(ledger, contest, rows, plan)
    return content


def _at_chosen(table: Table, column: Column, rows: Sequence[str]) -> list[float | None] | None:
    """Scores at the threshold that validation chooses; None where no record holds one."""
    scores = [_mean(table, row, column.twin.name) if column.twin else None for row in rows]
    return None if scores == [None] * len(rows) else scores


def _lead(table: Table, contest: Contest, rows: Sequence[str]) -> dict | None:
    """The best row's lead over the second, judged as the ties are."""
    best, judged = table.against_best(contest.column, rows)
    for second, d in judged.items():  # the first of them
        return {"best": best, "second": second, "points": _points(d), "p": float(f"{d.p:.2g}")}
    return None


def clip_scores(ledger: Ledger, contest: Contest, rows: Sequence[str], plan: Plan) -> dict:
    """Mean IoU (%) of each clip's scored frames by the first seed, row by row: uid and score."""
    run, scores = plan.runs[0], {}
    uids: list[str] = []
    for row in rows:
        for source in contest.sources:
            if not ledger.record(row, source, run):
                continue
            value = by_clip(ledger.scores(row, source, run))
            uids = uids or value.index.tolist()
            if value.index.tolist() == uids:  # every row is tested on the same clips
                scores[row] = [round(100 * share) for share in value]
            break
    return {"uid": uids, "iou": scores}


def _hearing(plan: Plan, tables: Mapping[str, Table]) -> list[dict]:
    """What sound gives each row of Table 1: own, in silence, with another class's sound."""
    if "table1" not in tables:
        return []
    table, lines = tables["table1"], []
    for benchmark in plan.tables.table1.benchmarks:
        for row in table.rows:
            scores = {name: table.scores.get((row, f"{benchmark} {name}")) for name in HEARING}
            if scores["miou"] and (scores["floor"] or scores["shuffled"]):
                line = {name: score and _score(score) for name, score in scores.items()}
                shown = {n: s.gain.verdict == "holds" for n, s in scores.items() if s and s.gain}
                lines.append({"row": row, "benchmark": title_of(benchmark), "shown": shown} | line)
    return lines


def _verdicts(table: Table) -> list[dict]:
    """Claims of the paper with what is measured here."""
    lines = []
    for v in table.verdicts:
        unit = v.column.unit
        figures = [table.figure(row, v.column.name) for row in (v.better, v.worse)]
        lines.append(
            {
                "table": table.name,
                "claim": v.claim,
                "better": v.better,
                "worse": v.worse,
                "where": title_of(v.column.where),
                "paper": figures if None not in figures else None,
                "here": [
                    round(unit.factor * table.scores[row, v.column.name].mean, unit.decimals)
                    for row in (v.better, v.worse)
                ],
                "difference": _points(v.difference),
                "p": float(f"{v.difference.p:.2g}"),
                "verdict": v.difference.verdict,
                "depends": v.depends,
            }
        )
    return lines


def _by_rule(plan: Plan, ledger: Ledger) -> dict[str, dict[str, dict[str, list[float | None]]]]:
    """mIoU (%) and F of Table 1's predictions (first seed): by benchmark, rule and row."""
    content: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for line in rosetta.scores_of(plan, ledger).itertuples():
        by_row = content.setdefault(line.benchmark, {}).setdefault(line.rule, {})
        by_row[line.method] = [_round(100 * line.miou, DIGITS), _round(line.fscore, 3)]
    return content


def _training(plan: Plan, ledger: Ledger) -> dict[str, dict[str, dict]]:
    """Sizes and curves of Table 1's trainings: by row and benchmark."""
    content: dict[str, dict[str, dict]] = {}
    params = plan.tables.table1
    for row in params.methods:
        for benchmark in params.benchmarks:
            records = [ledger.record(row, test_source(benchmark), run) for run in plan.runs]
            present = [record for record in records if record]
            if present:
                content.setdefault(row, {})[benchmark] = {
                    **present[0].counts.model_dump(),
                    "runs": [
                        [[e.step, _digits(e.loss), _round(e.validation, 4)] for e in r.history]
                        for r in present
                    ],
                }
    return content


def _points(d: Difference) -> list[float]:
    return [round(PERCENT.factor * value, DIGITS) for value in (d.mean, d.low, d.high)]


def _score(score: Score) -> list[float | None]:
    """Mean, low, high and standard deviation over runs (%), and the number of runs."""
    runs = score.over_runs
    values = (runs.mean, runs.low, runs.high, runs.std)
    return [*(_round(100 * value, DIGITS) for value in values), runs.runs]


def _mean(table: Table, row: str, column: str) -> float | None:
    return _round(100 * table.mean(row, column), DIGITS)


def _round(value: float | None, digits: int) -> float | None:
    """The number; None for NaN, which JSON doesn't have."""
    return None if value is None or math.isnan(value) else round(value, digits)


def _digits(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
