"""Contests: the columns of a leaderboard, each a judged column of one of the tables."""

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.report.layout import title_of
from benchmarks.report.ledger import UNSEEN, Source
from benchmarks.report.measure import Table
from benchmarks.report.plan import Plan
from benchmarks.report.table1 import test_source
from benchmarks.report.table3 import HEADLINE, IN_SET, WHERE, ZERO_SHOT

ABLATIONS = "ablations"  # of one method's variants: beside the contests of systems


class Contest(NamedTuple):
    """One column: where its numbers stand, and how a clip's score is found."""

    name: str  # in the page, and of its file of clips
    title: str
    kind: str  # seen, unseen, shifted, few-shot, less data, robust, ablations
    table: str
    column: str
    sources: tuple[Source, ...] = ()  # of the first that a row has: what is shown clip by clip
    floor: str = ""  # column of the same table
    wrong: str = ""


def contests_of(plan: Plan, tables: Mapping[str, Table]) -> list[Contest]:
    """List the contests that have a score."""
    few = [setting for setting in plan.shot_settings if setting != "0-shot"]
    listed = [
        Contest(
            b, title_of(b), "seen", "table1", f"{b} miou", (test_source(b),),
            f"{b} floor", f"{b} shuffled",
        )
        for b in plan.tables.table1.benchmarks
    ]  # fmt: skip
    floor = "0-shot floor"  # of the rows that `tables.table2.floor` names
    listed.append(Contest("v3", "V3 unseen", "unseen", "table2", "0-shot miou", (UNSEEN,), floor))
    listed += [Contest(f"v3-{k}", f"V3 {k}", "few-shot", "table2", f"{k} miou") for k in few]
    boxed = tuple(Source("vggss", setting, "vggss") for setting in (ZERO_SHOT, IN_SET))
    headline, wrong = f"{WHERE} {HEADLINE}", f"{WHERE} shuffled"
    listed.append(Contest("vggss", "VGG-SS", "shifted", "table3", headline, boxed, wrong=wrong))
    listed += [
        Contest(f"sub-{k}", f"VGG-SS-Sub {k}", "shifted" if k == "0-shot" else "few-shot",
                "table4", f"{k} mean_iou")
        for k in plan.shot_settings
    ]  # fmt: skip
    listed += [
        Contest(f"part-{share}", f"V2, {100 * share:g} %", "less data", "figure3",
                f"{100 * share:g} % miou")
        for share in sorted(plan.fractions)
    ]  # fmt: skip
    robust, parts = plan.tables.robustness.benchmark, plan.tables.ablations.benchmark
    title = f"{title_of(robust)} robust"
    listed.append(Contest("robust", title, "robust", "robustness", f"{robust} combined"))
    title = f"{title_of(parts)}, ablations"
    listed.append(Contest(ABLATIONS, title, ABLATIONS, ABLATIONS, f"{parts} miou"))
    return [
        contest
        for contest in listed
        if contest.table in tables and tables[contest.table].measures(contest.column)
    ]


def main_contests(plan: Plan, tables: Mapping[str, Table]) -> list[Contest]:
    """Contests of systems, less what lies between: of shots only 0 and the most, of fractions the
    smallest."""
    few = plan.shot_settings[1:-1]
    between = {f"{table}-{setting}" for table in ("v3", "sub") for setting in few}
    between |= {f"part-{share}" for share in sorted(plan.fractions)[1:]} | {ABLATIONS}
    return [contest for contest in contests_of(plan, tables) if contest.name not in between]
