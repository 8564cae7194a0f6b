"""One budget: rows that are compared have as many updates, of as many frames, as the base row."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.params.errors import ParamsError
from benchmarks.params.row import Row

if TYPE_CHECKING:
    from benchmarks.params import Params


def check_one_budget(params: "Params") -> None:
    """Check the rows of the lists that `protocol.one_budget` names.

    Table 1's rows are held against the base row on its benchmarks and V3: in track C the matched
    pairs and the operators too, of GAVS the ablations, on their benchmark. With the published rows
    go Table 3's in-set rows, against the first of them. A batch of whole clips may hold less than
    a clip more or fewer frames than the base's. Where the base counts epochs and a row steps, the
    clips decide whether they are equal; that isn't checked.

    Raises:
        ParamsError: naming the first row that differs, with both budgets.
    """
    for track in params.protocol.one_budget:
        for where, base_name, name, benchmark in _places(params, track):
            row, base = params.row(name, benchmark), params.row(base_name, benchmark)
            if not (_as_many_updates(row, base) and _as_many_frames(row, base, benchmark)):
                raise ParamsError(
                    f"{name} on {benchmark}: {_text(row, benchmark)}, but {base_name} has "
                    f"{_text(base, benchmark)}; expected one budget for all of tables.{where}: set "
                    f"benchmarks.{benchmark}.training for every row, or take '{track}' out of "
                    "protocol.one_budget"
                )


def _places(params: "Params", track: str) -> Iterator[tuple[str, str, str, str]]:
    """List, the row that its rows are held against, row and benchmark: all of a track's."""
    tables = params.tables
    table1, in_set = tables.table1, tables.table3.in_set
    more = [*table1.pairs, *table1.operators] if track == "controlled" else []
    benchmarks = dict.fromkeys([*table1.benchmarks, "v3"])
    for name, benchmark in itertools.product([*getattr(table1, track), *more], benchmarks):
        yield f"table1.{track}", tables.base, name, benchmark
    if track == "gavs":
        for name in itertools.chain.from_iterable(params.table_rows("ablations").values()):
            yield "ablations", tables.base, name, tables.ablations.benchmark
    if track == "published":
        for name in in_set:
            yield "table3.in_set", in_set[0], name, "vggsound"


def _as_many_updates(row: Row, base: Row) -> bool:
    ours, theirs = row.training, base.training
    if ours.steps is None and theirs.steps is None:
        return ours.epochs == theirs.epochs
    return ours.steps == theirs.steps or theirs.steps is None


def _as_many_frames(row: Row, base: Row, benchmark: str) -> bool:
    clip = max(row.labelled(benchmark), base.labelled(benchmark))
    return abs(_frames(row, benchmark) - _frames(base, benchmark)) < clip


def _frames(row: Row, benchmark: str) -> int:
    """Frames with a mask of an update."""
    return row.samples(benchmark) * row.labelled(benchmark)


def _text(row: Row, benchmark: str) -> str:
    steps = row.training.steps
    length = f"{row.training.epochs} epochs" if steps is None else f"{steps} updates"
    return f"{length} of {_frames(row, benchmark)} labelled frames each"
