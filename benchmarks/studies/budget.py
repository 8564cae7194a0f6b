"""Study of the budget: Table 1's rows at half, one and two times the updates.

Every training is one of the grid's, found again by its fingerprint, so the profile's own budget
costs nothing after the default run, and a second run of the study nothing at all.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.publish import publish
from benchmarks.common.tables import Grid, markdown, share
from benchmarks.grid.cells import run_cells
from benchmarks.grid.protocol import Cell
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params, ParamsError
from benchmarks.report.exports import as_csv
from benchmarks.report.plan import plan_of
from benchmarks.report.style import looks_of, png
from benchmarks.scoring.metrics import miou
from benchmarks.scoring.thresholds import best_threshold, terms_at
from benchmarks.studies.budget_figure import budget_figure
from benchmarks.studies.dispersion import compare, compared, resampled, stored_of
from benchmarks.studies.validated import job_of, validate_all

TIMES = (0.5, 1.0, 2.0)
NAMES = {0.5: "half", 1.0: "default", 2.0: "double"}  # as the page of verdicts has them
MOVED = 1.5  # points
PAGE = """\
# Budget: what more or fewer updates change

Made by `python -m benchmarks budget {options}`:
profile {profile}, seeds {seeds}, outside the default run. These rows of Table 1 with so many times
their updates; rate, schedule and frames per update stay.
mIoU in percent, mean over seeds.

{sentence}

![mIoU against updates](figures/budget.png)"""


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

    Args:
        times: of the profile's updates; 1 is always among them.
        validation_only: read no test score, and write no pairs.

    Returns:
        The reasons of the trainings that failed. If there are any, nothing is written.

    Raises:
        ParamsError: a row, benchmark or seed isn't the profile's, or a budget isn't in updates.
    """
    tables = params.tables.table1
    known: dict[str, Sequence[Any]]
    known = {
        "rows": [*compared(params), *tables.pairs],
        "benchmarks": tables.benchmarks,
        "seeds": params.seeds,
    }
    asked: dict[str, Sequence[Any]] = {"rows": rows, "benchmarks": benchmarks, "seeds": seeds}
    for name, values in asked.items():
        if unknown := [str(value) for value in values if value not in known[name]]:
            listed = ", ".join(map(str, known[name]))
            raise ParamsError(f"{name} {', '.join(unknown)}: expected of {listed}")
    rows, benchmarks, numbers = (list(asked[name] or known[name]) for name in asked)
    contents: dict[str, str | bytes] = {}
    scales = sorted({1.0, *(times or TIMES)})
    chosen = {scale: scaled(params, scale, rows, benchmarks) for scale in scales}
    places = list(itertools.product(rows, benchmarks, numbers))
    if validation_only:
        benches = {scale: Workbench(chosen[scale]) for scale in scales}
        jobs = {(s, *p): job_of(s, *p) for s in scales for p in places}
        outcome = validate_all("budget x{:g}", benches, list(jobs.values()))
        if outcome.failures:
            return outcome.failures
        lines = [
            _line(chosen[scale], row, benchmark, seed, scale, validation=outcome.scores[job])
            for (scale, row, benchmark, seed), job in jobs.items()
        ]
    else:
        failures, lines = [], []
        scores: dict[Any, Any] = {}
        for scale, alternative in chosen.items():
            cells = [Cell("table1", row, row, b, "train", seed) for row, b, seed in places]
            reasons = run_cells(alternative, cells, params.workers)
            failures += [f"{name_of(scale)}: {reason}" for reason in reasons]
            if not failures:
                measured, samples = _read(alternative, scale, cells)
                lines += measured
                scores |= samples
        if failures:
            return failures
        pairs = compare(scores)[1]
        contents["budget_pairs.csv"] = as_csv(pairs)
    table = pd.DataFrame(lines)
    means = _means(table)
    judged = "validation" if validation_only else "miou"
    look = looks_of(plan_of(params), means.row)
    contents |= {
        "budget.csv": as_csv(means),
        "budget_seeds.csv": as_csv(table),
        "budget.md": page(means, judged, params.profile, numbers),
        "figures/budget.png": png(budget_figure(means, judged, look, params.profile)),
    }
    publish(results, contents)
    return []


def name_of(scale: float) -> str:
    """Name of a budget, as the page of verdicts has it."""
    return NAMES.get(scale, f"x{scale:g}")


def scaled(params: Params, scale: float, rows: Sequence[str], benchmarks: Sequence[str]) -> Params:
    """Copy the parameters with `scale` times the updates, in a profile beside theirs.

    Index, features, models and runs are those that the profile uses.

    Raises:
        ParamsError: a row's training has no number of updates, or one of its own.
    """
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
    changed = Params.model_validate({**dict(params), **place, "benchmarks": blocks})
    for row, benchmark in itertools.product(rows, benchmarks):
        if changed.row(row, benchmark).training.steps != blocks[benchmark].training["steps"]:
            raise ParamsError(f"{row}: its own steps on {benchmark} hide the study's")
    return changed


def _line(
    params: Params, row: str, benchmark: str, seed: int, scale: float, **scores: float
) -> dict[str, Any]:
    updates = params.row(row, benchmark).training.steps
    place = {"row": row, "benchmark": benchmark, "alternative": name_of(scale), "times": scale}
    empty = dict.fromkeys(("validation", "miou", "miou_chosen", "wrong_sound"), np.nan)
    return {**place, "updates": updates, "seed": seed, **empty, **scores}


def _read(params: Params, scale: float, cells: Sequence[Cell]) -> tuple[list[dict], dict]:
    """Read the scores of a budget's cells: a line each, and samples by benchmark and row."""
    lines: list[dict] = []
    scored: list[tuple[Cell, Any]] = []
    for cell in cells:
        stored = stored_of(params, cell)
        scores: Any = stored.scores()
        scored.append((cell, scores))
        validations = [e.validation for e in stored.record.history if e.validation is not None]
        figures = {
            "validation": max(validations),
            "miou": miou(scores["test"]),
        }
        if "val" in scores:
            number = best_threshold([scores["val"]], "miou")
            figures["miou_chosen"] = terms_at(scores["test"], "miou", number).value
        if "test_shuffled" in scores:
            figures["wrong_sound"] = miou(scores["test_shuffled"])
        lines.append(_line(params, cell.row, cell.benchmark, cell.seed, scale, **figures))
    return lines, dict(resampled(params, name_of(scale), scored))


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: one line per row, benchmark and budget."""
    keys = ["row", "benchmark", "alternative", "times", "updates"]
    groups = table.groupby(keys, sort=False)
    return groups.mean().drop(columns="seed").assign(seeds=groups.size()).reset_index()


def moved(means: pd.DataFrame, judged: str) -> list[str]:
    """Texts of the rows that move by more than MOVED points when the updates double from 1."""
    wide = means.pivot(index=["row", "benchmark"], columns="times", values=judged)
    if 2.0 not in wide:
        return []
    change = 100 * (wide[2.0] - wide[1.0])
    return [f"`{row}` on {b} {d:+.1f}" for (row, b), d in change.items() if abs(d) > MOVED]


def page(means: pd.DataFrame, judged: str, profile: str, seeds: Sequence[int]) -> str:
    """Page with a grid per benchmark, and the rows that twice the updates move."""
    clips = "the validation clips" if judged == "validation" else "the test clips"
    if 2.0 in set(means.times):
        names = ", ".join(moved(means, judged)) or "none"
        sentence = (
            f"Rows that twice the updates move by more than {MOVED} points on {clips}: {names}."
        )
    else:
        sentence = f"By {clips}; twice the updates were not run."
    times = " ".join(f"{t:g}" for t in sorted(set(means.times)))
    asked = [" ".join(means[column].unique()) for column in ("row", "benchmark")]
    options = f"--rows {asked[0]} --benchmarks {asked[1]} --times {times}"
    if judged == "validation":
        options += " --validation-only"
    numbers = ", ".join(map(str, seeds))
    parts = [PAGE.format(options=options, profile=profile, seeds=numbers, sentence=sentence)]
    columns = {
        "validation": "validation",
        "miou": "test, 0.5",
        "miou_chosen": "at validation's threshold",
        "wrong_sound": "wrong sound",
    }
    for benchmark, here in means.groupby("benchmark", sort=False):
        lines = [
            [
                line["row"],
                f"{line['times']:g}",
                str(line["updates"]),
                *(share(line[name]) for name in columns),
            ]
            for line in here.sort_values(["row", "times"], kind="stable").to_dict("records")
        ]
        header = ["row", "times", "updates", *columns.values()]
        parts += [f"## {benchmark}", markdown(Grid(header, lines))]
    return "\n\n".join(parts) + "\n"
