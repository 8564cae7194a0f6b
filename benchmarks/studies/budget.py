"""Study of the budget: Table 1's rows at half, one and two times the updates.

Every training is one of the grid's, found again by its fingerprint, so the profile's own budget
costs nothing after the default run, and a second run of the study nothing at all. What a call
doesn't ask for stays as an earlier one has written it while its run is the one that the parameters,
code and data ask for, so the study can be run in parts.
"""

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.files import locked
from benchmarks.common.lines import read_lines
from benchmarks.common.publish import publish
from benchmarks.grid.cells import git_revision, run_cells
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.protocol import Cell
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params, ParamsError
from benchmarks.report.exports import as_csv
from benchmarks.report.style import png
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.thresholds import best_threshold, terms_at
from benchmarks.studies.budget_figure import budget_figure
from benchmarks.studies.budget_page import COURSE, course, means_of, page
from benchmarks.studies.dispersion import (
    DEFAULT,
    PAIRS,
    compare,
    judged,
    sampled,
    stored_of,
)
from benchmarks.studies.validated import attempt_of, validate_all
from gavs.reading import reading

log = logging.getLogger(__name__)
TIMES = (0.5, 1.0, 2.0)
NAMES = {0.5: "half", 1.0: DEFAULT, 2.0: "double"}  # as the page of verdicts has them
DECIMALS = 6  # of numbers in CSV
MOST = 100  # times the profile's updates
PLACE = ["row", "benchmark", "times", "seed"]  # of a training
SCORES = ["validation", "miou", "miou_chosen", "wrong_sound"]
LINE = [*PLACE, "alternative", "updates", *SCORES, *COURSE, "run", "revision"]
PAIR = PAIRS[:4]  # benchmark, alternative and the two rows


def study(
    params: Params,
    results: Path,
    rows: Sequence[str] = (),
    benchmarks: Sequence[str] = (),
    times: Sequence[float] = (),
    seeds: Sequence[int] = (),
    validation_only: bool = False,
) -> list[str]:
    """Run the rows at every budget; write `budget.md`, `budget.csv` and `budget_pairs.csv`.

    Lines and pairs of earlier calls stay, unless this one measures them. Holm's rule is over all
    pairs of a benchmark and budget that stand then. By validation alone the files are
    `budget_validation.*`.

    Args:
        times: of the profile's updates; 1 is always among them.
        validation_only: read no test score, write no pairs, and keep nothing of earlier calls.

    Returns:
        The reasons of the trainings that failed. If there are any, nothing is written.

    Raises:
        ParamsError: a row, benchmark or seed isn't the profile's, a budget isn't in updates, or
            an earlier call's file isn't as this one writes it, or has seeds that this one lacks.
    """
    scales = sorted({1.0, *(times or TIMES)})
    if bad := [f"{x:g}" for x in scales if not (0 < x <= MOST and x == round(x, DECIMALS))]:
        raise ParamsError(
            f"times {', '.join(bad)}: expected numbers above 0, at most {MOST}, with {DECIMALS} "
            "decimals or fewer"
        )
    tables = params.tables.table1
    known: dict[str, Sequence[Any]]
    known = {
        "rows": [*tables.methods, *tables.operators],
        "benchmarks": tables.benchmarks,
        "seeds": params.seeds,
    }
    asked: dict[str, Sequence[Any]] = {"rows": rows, "benchmarks": benchmarks, "seeds": seeds}
    for name, values in asked.items():
        if unknown := [str(value) for value in values if value not in known[name]]:
            listed = ", ".join(map(str, known[name]))
            raise ParamsError(f"{name} {', '.join(unknown)}: expected of {listed}")
    rows, benchmarks, numbers = (list(asked[name] or known[name]) for name in asked)
    if not validation_only:  # what is wrong with a former file comes before hours of work
        lines = _former(params, results)[0]
        here = lines[lines.row.isin(rows) & lines.benchmark.isin(benchmarks)]
        if fewer := sorted({*here.seed} - {*numbers}):
            raise ParamsError(
                f"seeds {', '.join(map(str, numbers))}: {results / 'budget_seeds.csv'} has seeds "
                f"{', '.join(map(str, fewer))} of these rows too, and a pair's verdict is of all; "
                "expected them among the seeds, whose trainings are there, or delete the file"
            )
    contents: dict[str, str | bytes] = {}
    chosen = {scale: scaled(params, scale, rows, benchmarks) for scale in scales}
    places = list(itertools.product(rows, benchmarks, numbers))
    if validation_only:
        benches = {scale: Workbench(chosen[scale]) for scale in scales}
        attempts = {(s, *p): attempt_of(s, *p) for s in scales for p in places}
        outcome = validate_all("budget x{:g}", benches, list(attempts.values()))
        if outcome.failures:
            return outcome.failures
        lines = [
            _line(chosen[scale], row, benchmark, seed, scale, validation=outcome.scores[attempt])
            for (scale, row, benchmark, seed), attempt in attempts.items()
        ]
    else:
        failures, lines = [], []
        scores: dict[Any, Any] = {}
        for scale, alternative in chosen.items():
            cells = [_cell(*place) for place in places]
            reasons = run_cells(alternative, cells, params.workers)
            failures += [f"{name_of(scale)}: {reason}" for reason in reasons]
            if not failures:
                measured, samples = _read(alternative, scale, cells)
                lines += measured
                scores |= samples
        if failures:
            return failures
    table = pd.DataFrame(lines).assign(revision=git_revision())
    score, stem = "validation" if validation_only else "miou", stem_of(validation_only)
    with locked(params.work / "budget.lock", "budget"):  # another part may have ended meanwhile
        if not validation_only:
            former = _former(params, results)
            table, pairs = _with_former(former, table, compare(scores)[1])
            contents["budget_pairs.csv"] = as_csv(pairs)
        table = _ordered(table, [*known["rows"], *known["benchmarks"]])
        means = means_of(table)
        contents |= {
            f"{stem}.csv": as_csv(means),
            f"{stem}_seeds.csv": as_csv(table),
            f"{stem}.md": page(table, score, params.profile, stem),
            f"figures/{stem}.png": png(budget_figure(means, score, params.profile)),
        }
        publish(results, contents)
    return []


def stem_of(validation_only: bool) -> str:
    """Stem of the study's files: a choice by validation leaves the lines with test scores alone."""
    return "budget_validation" if validation_only else "budget"


def name_of(scale: float) -> str:
    """Name of a budget, as the page of verdicts has it."""
    return NAMES.get(scale, f"x{scale:g}")


def scaled(params: Params, scale: float, rows: Sequence[str], benchmarks: Sequence[str]) -> Params:
    """Copy the parameters with `scale` times the updates, in a profile beside theirs.

    Index, features, models and runs are those that the profile uses.

    Raises:
        ParamsError: a row's training has no number of updates, one of its own, or no validation.
    """
    changed = _at_times(params, scale, benchmarks)
    for row, benchmark in itertools.product(rows, benchmarks):
        own = changed.row(row, benchmark).training
        if own.steps != changed.benchmarks[benchmark].training["steps"]:
            raise ParamsError(f"{row}: its own steps on {benchmark} hide the study's")
        if own.selection == "last":
            raise ParamsError(f"{row} on {benchmark}: training.selection 'last' has no validation")
    return changed


def _at_times(params: Params, scale: float, benchmarks: Sequence[str]) -> Params:
    blocks = dict(params.benchmarks)
    for benchmark in benchmarks:
        steps = blocks[benchmark].training.get("steps") if benchmark in blocks else None
        if steps is None:
            raise ParamsError(f"benchmarks.{benchmark}.training.steps: missing; budgets are in it")
        training = {**blocks[benchmark].training, "steps": max(1, round(scale * steps))}
        blocks[benchmark] = blocks[benchmark].model_copy(update={"training": training})
    place: dict[str, Any] = {}
    if scale != 1:
        profile = f"{params.profile}_{name_of(scale)}".replace(".", "_")
        place = {"profile": profile, "results": Path("work", profile, "results")}
        place["work_of"] = params.work_of or params.profile
    return Params.model_validate({**dict(params), **place, "benchmarks": blocks})


def _cell(row: str, benchmark: str, seed: int) -> Cell:
    return Cell("table1", row, row, benchmark, "train", seed)


def _run_of(bench: Workbench, cell: Cell) -> str:
    return fingerprint(bench.fingerprints.record(cell))[:16]


def _line(
    params: Params, row: str, benchmark: str, seed: int, scale: float, **scores: float
) -> dict[str, Any]:
    updates = params.row(row, benchmark).training.steps
    place = {"row": row, "benchmark": benchmark, "alternative": name_of(scale), "times": scale}
    empty = dict.fromkeys([*SCORES, *COURSE], np.nan)
    return {**place, "updates": updates, "seed": seed, **empty, **scores}


def _read(params: Params, scale: float, cells: Sequence[Cell]) -> tuple[list[dict], dict]:
    """Read the scores of a budget's cells: a line each, and samples by benchmark and row."""
    lines: list[dict] = []
    bench = Workbench(params)
    scored: list[tuple[Cell, Any]] = []
    validated: dict[tuple[str, str], list[Any]] = {}  # one threshold for all seeds of a row
    records = [(cell, stored_of(params, cell)) for cell in cells]
    for cell, stored in records:
        scored.append((cell, stored.scores()))
        if val := scored[-1][1].get("val"):
            validated.setdefault((cell.row, cell.benchmark), []).append(val)
    numbers = {place: best_threshold(vals, "miou") for place, vals in validated.items()}
    for (cell, stored), (_, scores) in zip(records, scored, strict=True):
        figures = course(stored.record.history) | {"miou": miou(scores["test"])}
        if (place := (cell.row, cell.benchmark)) in numbers:
            figures["miou_chosen"] = terms_at(scores["test"], "miou", numbers[place]).value
        if "test_shuffled" in scores:
            figures["wrong_sound"] = miou(scores["test_shuffled"])
        line = _line(params, cell.row, cell.benchmark, cell.seed, scale, **figures)
        lines.append(line | {"run": _run_of(bench, cell)})
    return lines, dict(sampled(name_of(scale), scored))


def _former(params: Params, results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read lines and pairs that earlier calls have left, of runs that are still asked for."""
    remedy = "resolve its conflict, restore it from git, or delete it: all begins anew then"
    line = dict.fromkeys(LINE, str) | dict.fromkeys(["times", *SCORES, *COURSE], float)
    pair = dict.fromkeys(PAIRS, str) | dict.fromkeys(PAIRS[len(PAIR) : -1], float)
    found = []
    for name, columns, place in (
        ("budget_seeds.csv", line | {"seed": int, "updates": int}, PLACE),
        ("budget_pairs.csv", pair, PAIR),
    ):
        path, table = results / name, pd.DataFrame(columns=[*columns])
        if path.is_file():
            with reading(path, ParamsError, "as an earlier call's lines", remedy):
                table = read_lines(path.read_text(encoding="utf-8"), columns, place)
        found.append(table)
    lines, pairs = found
    fresh = lines[lines.run == np.array(_runs(params, lines), object)]
    for row, benchmark in sorted({*_places(lines, PLACE[:2])} - {*_places(fresh, PLACE[:2])}):
        log.warning("%s on %s: earlier calls' runs are of other values; left out", row, benchmark)
    return fresh, pairs[_standing(pairs, lines, fresh)]


def _runs(params: Params, lines: pd.DataFrame) -> list[str | None]:
    """Name the runs that the parameters, code and data now ask for in the place of each line."""
    tables = params.tables.table1
    rows, benchmarks = {*tables.methods, *tables.operators}, {*tables.benchmarks}
    benches = {
        times: Workbench(_at_times(params, times, sorted(benchmarks & {*part.benchmark})))
        for times, part in lines.groupby("times")
    }
    return [
        _run_of(benches[times], _cell(row, b, seed)) if row in rows and b in benchmarks else None
        for row, b, times, seed in _places(lines, PLACE)
    ]


def _with_former(
    former: tuple[pd.DataFrame, pd.DataFrame], table: pd.DataFrame, pairs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the lines and pairs of earlier calls that this one doesn't measure."""
    lines, duels = former
    now = {*_places(table, PLACE)}
    others = np.array([place not in now for place in _places(lines, PLACE)], bool)
    both = _after(lines[others], table)
    again = {(b, a, frozenset(pair)) for b, a, *pair in _places(pairs, PAIR)}
    old = [(b, a, frozenset(pair)) not in again for b, a, *pair in _places(duels, PAIR)]
    return both, judged(_after(duels[_standing(duels, lines, both) & np.array(old, bool)], pairs))


def _standing(pairs: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    """Tell which pairs are of rows that have the same runs in both tables of lines."""

    def runs(lines: pd.DataFrame) -> dict[tuple, set[str]]:
        places = lines.groupby(["benchmark", "alternative", "row"]).run
        return {place: {*names} for place, names in places}

    was, now = runs(before), runs(after)
    same = [
        all(was.get((b, a, row)) == now.get((b, a, row)) for row in rows)
        for b, a, *rows in _places(pairs, PAIR)
    ]
    return np.array(same, bool)


def _places(table: pd.DataFrame, columns: list[str]) -> list[tuple]:
    return list(table[columns].itertuples(index=False, name=None))


def _after(former: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put lines after former ones, of which there may be none."""
    return table if former.empty else pd.concat([former, table])


def _ordered(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Sort lines by row and benchmark, as `names` are, then by times and seed."""
    ranks = {name: rank for rank, name in enumerate(names)}
    keys = [table.row.map(ranks), table.benchmark.map(ranks), table.times, table.seed]
    return table.iloc[np.lexsort(keys[::-1])]
