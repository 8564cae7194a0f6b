"""What the repository's first page says in numbers: a leaderboard, beside the tables and, where the
results are the default profile's, between the marks in README.md.
"""

import re
from pathlib import Path

from benchmarks.common.files import write_atomic
from benchmarks.common.tables import markdown, share
from benchmarks.experiments import STAGES
from benchmarks.report.layout import Layout, title_of
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan

RESULTS = Path("results")  # the default profile's
MARKS = re.compile(r"(<!-- results:begin -->\n).*(<!-- results:end -->)", re.DOTALL)
BENCHMARK = "v2"
ROWS = 6  # at most
ALONE = (
    "Each row was trained once: its interval says how far the score depends on the test videos, "
    "not how far another training would differ."
)


def leaderboard(plan: Plan, table: Table) -> str:
    """The best rows of those that several tables share, on V2, the base among them: Markdown.

    Args:
        table: Table 1. Without V2 there is no leaderboard: "".
    """
    miou = f"{BENCHMARK} miou"
    if miou not in table.columns:
        return ""
    layout = Layout(plan, table)
    tables = [rows for name in STAGES if (rows := getattr(plan.tables, name).rows)]
    methods = plan.tables.table1.methods
    shared = [r for r in methods if r == plan.base or all(r in rows for rows in tables)]
    ranked = layout.ranked(shared, miou, by_track=False)
    ahead = [row for row in ranked if row != plan.base and (row, miou) not in table.left_out]
    rows = [row for row in ranked if row in {plan.base, *ahead[: ROWS - 1]}]
    columns = [
        layout.method(),
        layout.track(),
        layout.score("mIoU (%)", miou),
        layout.interval("95 % interval", miou),
        layout.score("F", f"{BENCHMARK} fscore"),
        layout.plain("silent floor", f"{BENCHMARK} floor"),
    ]
    title = f"{title_of(BENCHMARK)} test, profile `{plan.profile}`"
    where = f"{title}, number of seeds: {plan.trainings}"
    which = "the best rows of those in every table"
    which += " but the further pairs (`tables.paired`)" if plan.tables.paired else ""
    which += f", and `{plan.base}`" if plan.base in rows else ""
    bold = "**bold**: best of a track among them"
    alone = f" {ALONE}" if plan.trainings == "1" else ""
    standing = [row for row in methods if (row, miou) not in table.left_out]
    best = next(iter(layout.ranked(standing, miou, by_track=False)), plan.base)
    if best not in rows:
        alone += f" Above these in Table 1: `{best}`, {share(table.mean(best, miou))}."
    text = f"{where}: {which}; {bold}.{alone} All rows: [tables.md](../tables.md)."
    return f"{text}\n\n{markdown(layout.grid(rows, columns))}"


def fill_readme(path: Path, text: str) -> None:
    """Put `text`, whose links are from results/tables/, between the marks of a page beside
    results/; nothing without a text, page or marks."""
    if not (text and path.is_file()):
        return
    text = text.replace("](../", f"]({RESULTS}/")
    before = path.read_text(encoding="utf-8")
    after = MARKS.sub(lambda marks: f"{marks[1]}{text.rstrip()}\n{marks[2]}", before)
    if after != before:
        write_atomic(path, after.encode())
