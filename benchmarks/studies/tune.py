"""Study of learning rates: the same three for every method, judged on validation clips only.

Each method is trained once at each rate on Table 1's training clips; the best mean validation mIoU
over Table 1's benchmarks decides. The trainings are those of Table 1 (same fingerprints), so
finished ones cost nothing, and the models of the chosen rates are Table 1's.
"""

import logging
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from benchmarks.common.publish import publish
from benchmarks.common.tables import Grid, bold, markdown, number
from benchmarks.common.workers import worker_pool
from benchmarks.grid.models import trained
from benchmarks.grid.protocol import Cell, Model, model_of, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params, ParamsError
from benchmarks.params.files import edit_yaml
from benchmarks.training.loop import Diverged
from gavs.configs import CONFIGS
from gavs.reading import reading

RATES = (3.0e-4, 1.0e-3, 3.0e-3)  # around the released GAVS code's 1e-3; the same for every method
PAGE = """\
# Learning rates

Made by `python -m benchmarks tune`: profile {profile}, seed {seed},
one grid for all ({rates}; pretrained backbones that train: times `backbone_lr_scale`).
mIoU in percent on the validation clips; no test clip of Table 1 plays a part, but AVS-V3
draws its tests from all of V1M and V2, validation clips among them. The highest mean
decides (bold), the smaller rate where means are equal. Rows that aren't listed take the
rate of their base; the rows of the released code keep that code's.

{grid}

At an edge of the grid: {edges}.
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
    table, failures = search(params, list(rows) or known)
    if failures:
        return failures
    if rows and (results / "tuning.csv").exists():
        others = earlier(results / "tuning.csv", table, params.profile)
        others = others[others.row.isin(known) & ~others.row.isin(rows)]
        table = pd.concat([others, table], ignore_index=True)
        table = table.sort_values("row", key=lambda r: r.map(known.index), kind="stable")
    chosen = choose(table, params.tables.table1.benchmarks)
    table["chosen"] = table.lr == table.row.map(chosen)
    csv = table.to_csv(index=False, lineterminator="\n")
    text = page(table, params.tables.table1.benchmarks)
    publish(results, {"tuning.csv": csv, "tuning.md": text})
    for file in files:
        for change in write_rates(file, chosen, params.methods):
            log.info("%s: %s", file, change)
    return []


def earlier(path: Path, table: pd.DataFrame, profile: str) -> pd.DataFrame:
    """Read the table of an earlier search, whose other rows stay.

    Raises:
        ParamsError: it can't be read, or isn't a search of this profile, seed and grid.
    """
    remedy = "search all rows with `python -m benchmarks tune`"
    with reading(path, ParamsError, "as a search of learning rates", remedy):
        previous = pd.read_csv(path)
        if lacking := set(table.columns) - set(previous.columns):
            raise ValueError(f"no column {', '.join(sorted(lacking))}")
        for name, expected in (("profile", {profile}), ("seed", {*table.seed}), ("lr", {*RATES})):
            if other := {*previous[name]} - expected:
                raise ValueError(f"{name} {sorted(other)}, expected {sorted(expected)}")
        if previous.duplicated(["row", "lr"]).any():
            raise ValueError("a row and rate twice")
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


_benches: dict[float, Workbench] = {}  # by rate; inherited by the forked workers


def search(params: Params, rows: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Train `rows` at every rate, side by side; returns a table and the reasons of failures.

    The table has profile, seed, row, lr, one column of mIoU (0..1) per benchmark of Table 1, NaN
    where the training diverged, their mean, and the seconds of training and validation.
    """
    benchmarks, seed = params.tables.table1.benchmarks, params.seeds[0]
    _benches.clear()
    _benches.update({rate: Workbench(at_rate(params, rows, rate)) for rate in RATES})
    jobs = []
    for row, benchmark, rate in product(rows, benchmarks, RATES):
        model = model_of(Cell("table1", row, row, benchmark, "train", seed))
        if training_of(params, model)[1].selection == "last":
            raise ParamsError(f"{row} on {benchmark}: training.selection is 'last': no validation")
        _benches[rate].fingerprints.model(model)  # errors before work, and before forking
        jobs.append((rate, model))
    scores, seconds, failures = {}, {}, []
    with worker_pool(min(params.workers, len(jobs))) as pool:
        futures = {pool.submit(_validated, *job): job for job in jobs}
        for number, future in enumerate(as_completed(futures), start=1):
            rate, model = futures[future]
            where = f"[{number}/{len(jobs)}] {_name(rate, model)}"
            try:
                key = (model.row, rate, model.benchmark)
                scores[key], seconds[key] = future.result()
                log.info("%s: val mIoU %.1f", where, 100 * scores[key])
            except Exception as error:  # a failing training must not stop the others
                log.error("%s: FAILED: %s", where, error)
                failures.append(f"{_name(rate, model)}: {error}")
    lines = []
    for row, rate in product(rows, RATES):
        own = {b: round(scores.get((row, rate, b), np.nan), 6) for b in benchmarks}
        mean = round(float(np.mean(list(own.values()))), 6)
        spent = round(sum(seconds.get((row, rate, b), 0) for b in benchmarks))
        line: dict[str, Any] = {"profile": params.profile, "seed": seed, "row": row, "lr": rate}
        lines.append(line | own | {"mean": mean, "seconds": spent})
    return pd.DataFrame(lines), failures


def _validated(rate: float, model: Model) -> tuple[float, float]:
    """Train in a worker; returns the mIoU of the selected epoch (NaN: diverged), and seconds."""
    started = time.monotonic()
    try:
        _, facts = trained(_benches[rate], model, _name(rate, model))
    except Diverged as error:
        log.warning("%s", error)
        return np.nan, time.monotonic() - started
    return facts["selection"]["validation"], facts["seconds"]


def _name(rate: float, model: Model) -> str:
    """Name of a training in the log."""
    return f"tune {model.row} {model.benchmark} lr {_text(rate)}"


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


def page(table: pd.DataFrame, benchmarks: Sequence[str]) -> str:
    """Page with every score of the search, the chosen rates in bold, and the rates at an edge."""
    lines = []
    for line in table.to_dict("records"):
        values = [line[b] for b in (*benchmarks, "mean")]
        cells = [_text(line["lr"])]
        cells += ["diverged" if np.isnan(value) else number(value, 100, 2) for value in values]
        cells = [bold(cell) if line["chosen"] else cell for cell in cells]
        lines.append([line["row"], *cells, str(line["seconds"])])
    header = ["row", "rate", *benchmarks, "mean", "seconds"]
    edges = [
        f"{line.row} ({_text(line.lr)})"
        for line in table[table.chosen].itertuples()
        if line.lr in (min(RATES), max(RATES))
    ]
    first = table.iloc[0]
    return PAGE.format(
        profile=first.profile,
        seed=first.seed,
        rates=", ".join(map(_text, RATES)),
        grid=markdown(Grid(header, lines)),
        edges=", ".join(edges) or "none",
    )


def _text(rate: float) -> str:
    """Text of a rate as params.yaml writes it: 3.0e-4."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"
