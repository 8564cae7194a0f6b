"""Commands of the grid: `features`, `run`, `predict`.

Parameters are checked before torch is imported: a wrong key is named at once.
"""

import argparse
import logging
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.common.paths import below
from benchmarks.common.remedy import spelled
from benchmarks.grid.protocol import Cell, cells_of, record_stem
from benchmarks.params import Params, ParamsError, load, nearest

log = logging.getLogger(__name__)


def features(args: argparse.Namespace) -> None:
    """Fill the feature stores."""
    params = load(args.params)
    params.check_weights()
    from benchmarks.features.extract import extract
    from benchmarks.grid.workbench import Workbench

    workers = args.workers or params.workers
    bench = Workbench(params)
    extract(
        bench.fingerprints.stores(),
        bench.index,
        params.shared / "features",
        bench.encoders,
        params.features.batch_size,
        workers,
        params.device,
        params.features.precision,
        bench.needed,
    )


def run(
    args: argparse.Namespace, comments: Callable[[Params, Sequence[Cell]], Iterable[str]]
) -> int:
    """Train and score cells; returns the exit status.

    Args:
        comments: lines that are printed when the cells are done.

    Raises:
        ParamsError: the table has no such stage, benchmark, row or seed.
    """
    params = load(args.params)
    known = list(params.table_rows(args.table))
    if args.stage not in (None, *known):
        raise ParamsError(f"{args.table} has no '{args.stage}'{nearest(args.stage, known)}")
    stages = [args.stage] if args.stage else known
    cells = [cell for stage in stages for cell in cells_of(params, args.table, stage)]
    chosen = cells
    for part in ("benchmark", "row", "seed"):
        value, values = getattr(args, part), sorted({getattr(cell, part) for cell in cells})
        if cells and value not in (None, *values):
            where = f"{args.table} {args.stage or ''}".strip()
            raise ParamsError(
                f"{where} has no {part} {value}; it has {', '.join(map(str, values))}"
            )
        chosen = [cell for cell in chosen if value in (None, getattr(cell, part))]
    if cells and not chosen:
        raise ParamsError(f"{args.table} has no cell of this benchmark, row and seed together")
    if cells:
        params.check_weights()
    from benchmarks.grid.cells import prune, run_cells
    from benchmarks.training.distributed import ranks

    if (args.benchmark, args.row, args.seed) == (None, None, None):
        prune(params, args.table, args.stage, cells)
    folder = below(params.work / "records", args.table)
    for path in (folder, *(below(folder, stage) for stage in stages)):
        path.mkdir(parents=True, exist_ok=True)  # no rows, or none at all, are no error
    if not cells:
        log.info("nothing is asked of %s", args.table)
        return 0
    with ranks(params.device):
        failures = run_cells(params, chosen, args.workers or params.workers)
    done = [c for c in chosen if not any(f.startswith(f"{c}:") for f in failures)]
    if args.dump:
        _dump(params, done, args.dump)
    for line in comments(params, done):  # a failed one may have an earlier run's record
        print(line)
    return outcome(failures)


def _dump(params: Params, cells: list[Cell], folder: Path) -> None:
    """Write the predictions of finished cells, each below its record's place, and print where."""
    from benchmarks.common.ranks import this_rank
    from benchmarks.grid.export import dump
    from benchmarks.grid.workbench import Workbench

    bench, records = Workbench(params), params.work / "records"
    for cell in cells if this_rank().number == 0 else ():
        out = folder / record_stem(params, cell).relative_to(records)
        print(f"{cell}: {dump(bench, cell, out)} frames in {out}")


def predict(args: argparse.Namespace) -> None:
    """Write a clip set's probabilities and masks, and print how they are scored."""
    params = load(args.params)
    from benchmarks.grid.export import predict
    from benchmarks.grid.workbench import Workbench

    bench, clips = Workbench(params), args.clips or f"{args.benchmark}/test"
    frames = predict(bench, args.row, args.benchmark, args.seed, clips, args.out, args.format)
    predictions, masks = (shlex.quote(str(args.out / name)) for name in ("predictions", "masks"))
    how = f"score --predictions {predictions} --masks {masks}"
    if clips == "vggss/all":  # `score` knows masks, and the tables' figures are by boxes
        how = f"import {predictions} --as {args.row}-again --benchmark vggss"
    print(f"{frames} frames of {clips}; python -m benchmarks {how}")


def outcome(failures: list[str], page: Path | None = None) -> int:
    """Print the failures, or else the page that was written; returns the exit status."""
    for failure in failures:
        print(spelled(f"failed: {failure}"), file=sys.stderr)
    if page and not failures:
        print(page)
    return 1 if failures else 0
