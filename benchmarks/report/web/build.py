"""The files of the page: `index.html`, and beside it a script of clips per contest."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import pandas as pd

from benchmarks.grid.workbench import Workbench
from benchmarks.report.claims import Claim
from benchmarks.report.contests import contests_of
from benchmarks.report.ledger import Ledger
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.web.beside import ALONE, Beside
from benchmarks.report.web.clips import choose, pictures, script
from benchmarks.report.web.masks import drawn
from benchmarks.report.web.numbers import numbers, rows_of

SCRIPTS = ("base.js", "leaderboard.js", "details.js", "pairs.js", "viewer.js", "main.js")

ABOUT = """\
Clips of [index.html](../index.html): frames, sound and masks as scripts, since a page that is
opened from a file can read nothing else. Of real data they are the data set's: mind its licence
before you publish them.
"""


def build(
    plan: Plan,
    ledger: Ledger,
    tables: Mapping[str, Table],
    judged: Sequence[Claim],
    index: pd.DataFrame,
    bench: Workbench | None = None,
    figures: Mapping[str, str] | None = None,
    neighbour: Beside = ALONE,
) -> dict[str, str]:
    """Make the page, by path below the results.

    Args:
        bench: where the models are; None: without clips.
        figures: what each of the report's figures shows, by path below the results.
        neighbour: the page that stands beside this one, and the clips that it has already.
    """
    content = numbers(plan, ledger, tables, judged, index)
    contents = {"page/README.md": ABOUT} if bench else {}
    contests = contests_of(plan, tables)
    for contest in contests if bench else []:
        rows = rows_of(plan, tables[contest.table], contest)
        place = next(
            (
                (row, source)
                for row in rows
                for source in contest.sources
                if ledger.record(row, source, plan.runs[0])
            ),
            None,
        )
        if bench and place:
            frames = choose(ledger.scores(*place, plan.runs[0]), index)
            rows = [*rows, plan.tables.table1.ceiling]
            masks = drawn(bench, contest.sources, rows, frames)
            made = script(contest.name, pictures(index, frames, masks))
            contents[f"page/{contest.name}.js"] = made
    names = {contest.name for contest in contests}
    content["files"] = {path[5:-3]: path for path in contents if path.endswith(".js")}
    content["files"] |= {name: path for name, path in neighbour.clips.items() if name in names}
    content["link"] = neighbour.link
    content["figures"] = [{"path": path, "text": text} for path, text in (figures or {}).items()]
    return {"index.html": html(content), **contents}


def html(content: Mapping) -> str:
    """The page with its style, scripts and numbers inside."""
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = _text("page.html")
    for mark, text in (
        ("/*style*/", _text("style.css")),
        ("/*scripts*/", "\n".join(map(_text, SCRIPTS))),
        ("/*data*/", data),
    ):
        before, after = page.split(mark)
        page = before + text + after
    return page


def _text(name: str) -> str:
    return (files("benchmarks.report.web") / name).read_text(encoding="utf-8")
