"""Study of learning rates: one ladder for every method, judged on validation clips only.

Each method is trained at the same three rates on Table 1's training clips, and while the best of
its rates is its lowest or highest, at the next one on that side. The best mean validation mIoU over
Table 1's benchmarks decides. The trainings are those of Table 1 (same fingerprints), so
finished ones cost nothing, and the models of the chosen rates are Table 1's.
"""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks.common.lines import read_lines
from benchmarks.common.publish import publish
from benchmarks.common.tables import Grid, bold, markdown, number
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params, ParamsError
from benchmarks.params.files import edit_yaml
from benchmarks.studies.validated import Attempt, Outcome, attempt_of, validate_all
from gavs.configs import CONFIGS
from gavs.reading import reading

RATES = (1.0e-3, 3.0e-3, 1.0e-2)  # from the released GAVS code's 1e-3; the same for every method
LADDER = (1.0e-4, 3.0e-4, *RATES, 3.0e-2, 1.0e-1)
PAGE = """\
# Learning rates

Made by `python -m benchmarks tune`: profile {profile}, seed {seed},
one ladder for all: {rates}, and while a row's best is its lowest or highest, the next
one on that side (pretrained backbones that train: times `backbone_lr_scale`). A rate that
diverged counts as worst. Updates and labelled frames each: {budget}.
mIoU in percent on the validation clips; no test clip of Table 1 plays a part, but AVS-V3
draws its tests from all of V1M and V2, validation clips among them. The highest mean
decides (bold), the smaller rate where means are equal. Rows that aren't listed take the
rate of their base; the rows of the released code keep that code's.

{grid}

At an edge of the rates tried: {edges}.
"""
log = logging.getLogger(__name__)


def tune(
    params: Params, results: Path, files: Iterable[Path], rows: Sequence[str] = ()
) -> list[str]:
    """Search every method's rate; write `tuning.csv`, `tuning.md` and the rates into `files`.

    Args:
        results: folder of the table and its text.
        files: parameter files (params.yaml and its profile) that get the chosen rates.
        rows: only these; the others keep what the table says of them.

    Returns:
        The reasons of the trainings that failed. If there are any, nothing is written.

    Raises:
        ParamsError: a row isn't tuned, its rate can't be set, or nothing validates it; or an
            earlier table of other rows can't be kept.
        ValueError: a method diverged at every rate.
    """
    known = tuned_rows(params)
    if unknown := set(rows) - set(known):
        raise ParamsError(f"not tuned: {sorted(unknown)}; tuned are {', '.join(known)}")
    path = results / "tuning.csv"
    if rows and path.exists():
        earlier(path, params)  # what it says of the file comes before hours of work
    table, failures = search(params, list(rows) or known)
    if failures:
        return failures
    if rows and path.exists():
        others = earlier(path, params)
        others = others[others.row.isin(known) & ~others.row.isin(rows)]
        table = pd.concat([others, table], ignore_index=True)
        table = table.sort_values("row", key=lambda r: r.map(known.index), kind="stable")
    chosen = choose(table, params.tables.table1.benchmarks)
    table["chosen"] = table.lr == table.row.map(chosen)
    csv = table.to_csv(index=False, lineterminator="\n")
    text = page(table, params.tables.table1.benchmarks, budget_text(params))
    publish(results, {"tuning.csv": csv, "tuning.md": text})
    searched = {row: rate for row, rate in chosen.items() if not rows or row in rows}
    for file in files:
        for change in write_rates(file, searched, params.methods):
            log.info("%s: %s", file, change)
    return []


def earlier(path: Path, params: Params) -> pd.DataFrame:
    """Read the table of an earlier search, whose other rows stay.

    Raises:
        ParamsError: it can't be read, or isn't a search of this profile, seed and grid.
    """
    remedy = "search all rows with `python -m benchmarks tune`"
    columns: dict[str, type] = {"profile": str, "seed": int, "row": str, "lr": float}
    columns |= dict.fromkeys([*params.tables.table1.benchmarks, "mean"], float)
    known: dict[str, Sequence[Any]]
    known = {"profile": [params.profile], "seed": params.seeds[:1], "lr": LADDER}
    with reading(path, ParamsError, "as a search of learning rates", remedy):
        previous = read_lines(path.read_text(encoding="utf-8"), columns, ("row", "lr"))
        for name, expected in known.items():
            if other := {*previous[name]} - {*expected}:
                raise ValueError(f"{name} {sorted(other)}, expected {sorted(expected)}")
    return previous


def tuned_rows(params: Params) -> list[str]:
    """List every method that learns from masks, and the published variants with another backbone.

    Every other row takes its base's rate.
    """
    classes = {name: CONFIGS[name] for name in params.methods}
    methods = [name for name, cls in classes.items() if cls.supervised and not cls.oracle]
    return methods + [row for row in params.tables.table1.published if row not in params.methods]


def at_rate(params: Params, rows: Iterable[str], rate: float) -> Params:
    """Copy the parameters with one learning rate for all of `rows`.

    Raises:
        ParamsError: a row's rate on a benchmark of Table 1 is set elsewhere.
    """
    methods, variants = dict(params.methods), dict(params.variants)
    for row in rows:
        if row in methods:
            training = {**methods[row].get("training", {}), "lr": rate}
            methods[row] = {**methods[row], "training": training}
        else:
            changes = {**variants[row].set, "training.lr": rate}
            variants[row] = variants[row].model_copy(update={"set": changes})
    changed = Params.model_validate({**dict(params), "methods": methods, "variants": variants})
    for row, benchmark in product(rows, params.tables.table1.benchmarks):
        if changed.row(row, benchmark).training.lr != rate:
            raise ParamsError(f"{row}: its own learning rate on {benchmark} hides the searched one")
    return changed


def search(params: Params, rows: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Train `rows` at every rate, side by side; returns a table and the reasons of failures.

    The table has profile, seed, row, lr, one column of mIoU (0..1) per benchmark of Table 1, NaN
    where the training diverged, and their mean.
    """
    benchmarks, seed = params.tables.table1.benchmarks, params.seeds[0]
    benches = {rate: Workbench(at_rate(params, rows, rate)) for rate in LADDER}
    tried = {row: list(RATES) for row in rows}

    def attempts_of(row: str, rates: Iterable[float]) -> list[Attempt]:
        return [attempt_of(rate, row, b, seed) for rate in rates for b in benchmarks]

    def more(outcome: Outcome, attempt: Attempt) -> list[Attempt]:
        row = attempt.model.row
        every = attempts_of(row, tried[row])
        if not all(other in outcome.scores for other in every):
            return []
        means = {
            rate: float(np.mean([outcome.scores[other] for other in attempts_of(row, [rate])]))
            for rate in tried[row]
        }
        added = beyond(means)
        tried[row] += added
        return attempts_of(row, added)

    first = [attempt for row in rows for attempt in attempts_of(row, RATES)]
    outcome = validate_all("tune lr {:.1e}", benches, first, more)
    lines = []
    for row in rows:
        for rate in sorted(tried[row]):
            attempts = dict(zip(benchmarks, attempts_of(row, [rate]), strict=True))
            scores = {
                b: round(outcome.scores.get(attempt, np.nan), 6) for b, attempt in attempts.items()
            }
            mean = round(float(np.mean(list(scores.values()))), 6)
            line: dict[str, Any] = {"profile": params.profile, "seed": seed, "row": row, "lr": rate}
            lines.append(line | scores | {"mean": mean})
    return pd.DataFrame(lines), outcome.failures


def beyond(means: Mapping[float, float]) -> list[float]:
    """List the next rate of the ladder where a row's best is the lowest or highest that it tried.

    means: mIoU by rate, NaN where a training diverged: worst.
    """
    rates = sorted(means)
    finite = [rate for rate in rates if not np.isnan(means[rate])]
    best = max(finite, key=lambda rate: means[rate]) if finite else rates[0]
    step = {rates[0]: -1, rates[-1]: 1}.get(best, 0)
    place = LADDER.index(best) + step
    return [LADDER[place]] if step and 0 <= place < len(LADDER) else []


def choose(table: pd.DataFrame, benchmarks: Sequence[str]) -> dict[str, float]:
    """Choose each row's rate: the highest mean mIoU, the smaller of equals, never a diverged one.

    Raises:
        ValueError: a row diverged at every rate.
    """
    chosen = {}
    for row, lines in table.sort_values("lr").groupby("row", sort=False):
        means = lines[list(benchmarks)].mean(axis=1, skipna=False)
        if means.isna().all():
            rates = ", ".join(map(_text, lines.lr))
            raise ValueError(f"{row} diverged at every rate ({rates}); it needs a smaller one")
        chosen[row] = float(lines.lr[means.idxmax()])  # the first of equals
    return chosen


def write_rates(path: Path, rates: Mapping[str, float], methods: Container[str]) -> list[str]:
    """Write rates into a parameter file, keeping its comments; returns one line per change.

    Rows that aren't `methods` are variants.
    """

    def change(document: Any) -> list[str]:
        changes = []
        for row, rate in rates.items():
            kind, inner, key = (
                ("methods", "training", "lr")
                if row in methods
                else ("variants", "set", "training.lr")
            )
            place = document.setdefault(kind, {}).setdefault(row, {}).setdefault(inner, {})
            if place.get(key) != rate:
                changes.append(f"{row}: lr {place.get(key, 'of all')} -> {_text(rate)}")
                place[key] = YAML().load(_text(rate))  # keeps the exponent when written
        return changes

    return edit_yaml(path, change)


def budget_text(params: Params) -> str:
    """Text of the base row's updates and labelled frames an update, by benchmark."""
    parts = []
    for benchmark in params.tables.table1.benchmarks:
        row = params.row(params.tables.base, benchmark)
        length = row.training.steps or f"{row.training.epochs} epochs"
        parts.append(f"{benchmark} {length} x {row.samples(benchmark) * row.labelled(benchmark)}")
    return ", ".join(parts)


def page(table: pd.DataFrame, benchmarks: Sequence[str], budget: str) -> str:
    """Page with every score of the search, the chosen rates in bold, and the rates at an edge."""
    lines = []
    for line in table.to_dict("records"):
        values = [line[b] for b in (*benchmarks, "mean")]
        cells = [_text(line["lr"])]
        cells += ["diverged" if np.isnan(value) else number(value, 100, 2) for value in values]
        cells = [bold(cell) if line["chosen"] else cell for cell in cells]
        lines.append([line["row"], *cells])
    header = ["row", "rate", *benchmarks, "mean"]
    extent = table.groupby("row").lr.agg(["min", "max"]).to_dict("index")
    edges = [
        f"{line.row} ({_text(line.lr)})"
        for line in table[table.chosen].itertuples()
        if line.lr in (extent[line.row]["min"], extent[line.row]["max"])
    ]
    first = table.iloc[0]
    return PAGE.format(
        profile=first.profile,
        seed=first.seed,
        rates=", ".join(map(_text, RATES)),
        budget=budget,
        grid=markdown(Grid(header, lines)),
        edges=", ".join(edges) or "none",
    )


def _text(rate: float) -> str:
    """Text of a rate as params.yaml writes it: 3.0e-4."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"
