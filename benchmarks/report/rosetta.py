"""The metric Rosetta table: Table 1's predictions of one seed under each repository's rule."""

import itertools

import pandas as pd

from benchmarks.common.tables import NONE, Grid, markdown, number
from benchmarks.report import exports, text
from benchmarks.report.ledger import Ledger
from benchmarks.report.plan import Plan
from benchmarks.report.section import Section
from benchmarks.report.table1 import test_source
from benchmarks.scoring.rosetta import RULES, rosetta


def rows_of(plan: Plan) -> list[str]:
    """The rows that Table 1 prints."""
    tables = plan.tables.table1
    return [*tables.published, *tables.controlled, *tables.gavs, tables.ceiling]


def section(plan: Plan, ledger: Ledger) -> Section:
    found = scores(plan, ledger)
    parts = [
        f"## Metric Rosetta table, profile `{plan.profile}`",
        f"One set of predictions (seed {plan.seeds[0]}) under each rule, mIoU (%) / F. Compare a "
        "figure with a published one by the rule of its repository.",
        "\n".join(
            f"- `{r.name}`: {r.source}; threshold {r.threshold}, unit {r.unit}, "
            f"empty frames {r.empty}, F by {r.f_unit or NONE}"
            for r in RULES
        ),
        in_words(plan, found),
    ]
    for benchmark in plan.tables.table1.benchmarks:
        parts += [
            f"### {benchmark.upper()} under each rule",
            markdown(grid(plan, found, benchmark)),
        ]
    csv = exports.as_csv(found.assign(miou=100 * found.miou).rename(columns={"miou": "miou (%)"}))
    return Section("rosetta", parts, csv)


def scores(plan: Plan, ledger: Ledger) -> pd.DataFrame:
    """A line for each row, benchmark and rule: its choices, miou and fscore (0..1)."""
    run, frames = plan.runs[0], []
    for row, benchmark in itertools.product(rows_of(plan), plan.tables.table1.benchmarks):
        source = test_source(benchmark)
        if ledger.record(row, source, run):
            table = rosetta(ledger.scores(row, source, run)).rename(columns={"name": "rule"})
            place = {"profile": plan.profile, "method": row, "benchmark": benchmark}
            frames.append(pd.DataFrame(place, index=table.index).join(table))
    columns = ["profile", "method", "benchmark", "rule", "miou", "fscore"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def grid(plan: Plan, found: pd.DataFrame, benchmark: str) -> Grid:
    """Rows x rules on one benchmark."""
    kept = found[found.benchmark == benchmark].set_index(["method", "rule"])
    lines = []
    for row in rows_of(plan):
        line = [text.label(plan, row)]
        for rule in RULES:
            if (row, rule.name) not in kept.index:
                line.append(NONE)
                continue
            values = kept.loc[(row, rule.name)]
            line.append(f"{number(values.miou, 100, 2)} / {number(values.fscore, decimals=3)}")
        lines.append(line)
    return Grid(["method", *(f"`{r.name}`" for r in RULES)], lines, "l" + "r" * len(RULES))


def in_words(plan: Plan, found: pd.DataFrame) -> str:
    """How far the rules alone move a score, and which order of two rows depends on them."""
    rows = [row for row in rows_of(plan) if row != plan.tables.table1.ceiling]
    kept = found[found.method.isin(rows)]
    if kept.empty:
        return ""
    sentences = []
    for metric, factor, decimals in (("miou", 100, 2), ("fscore", 1, 3)):
        by_place = kept.groupby(["method", "benchmark"], sort=False)[metric]
        spread = by_place.max() - by_place.min()
        row, benchmark = spread.idxmax()
        name = {"miou": "an mIoU", "fscore": "an F"}[metric]
        sentences.append(
            f"The rule alone moves {name} by up to {number(spread.max(), factor, decimals)} "
            f"(`{row}` on {benchmark.upper()})."
        )
    for benchmark in plan.tables.table1.benchmarks:
        wide = kept[kept.benchmark == benchmark].pivot(
            index="rule", columns="method", values="miou"
        )
        pairs = list(itertools.combinations(wide.columns, 2))
        signs = [(wide[a] > wide[b]).nunique() > 1 for a, b in pairs]
        if pairs:
            sentences.append(
                f"On {benchmark.upper()}, {sum(signs)} of {len(pairs)} pairs of rows change their "
                "order by mIoU with the rule."
            )
    return " ".join(sentences)
