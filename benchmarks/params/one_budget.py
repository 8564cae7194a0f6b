"""One budget: rows that are compared have as many updates, of as many frames, as the base row."""

from typing import TYPE_CHECKING

from benchmarks.params.errors import ParamsError
from benchmarks.params.row import Row

if TYPE_CHECKING:
    from benchmarks.params import Params


def check_one_budget(params: "Params") -> None:
    """Check the rows of the lists that `protocol.one_budget` names, on Table 1's benchmarks and V3.

    A batch of whole clips may hold less than a clip more or fewer frames than the base's. Where the
    base counts epochs and a row steps, the clips decide whether they are equal; that isn't checked.

    Raises:
        ParamsError: naming the first row that differs, with both budgets.
    """
    tables = params.tables
    for track in params.protocol.one_budget:
        pairs = tables.table1.pairs if track == "controlled" else []  # they are of track C
        for name in [*getattr(tables.table1, track), *pairs]:
            for benchmark in dict.fromkeys([*tables.table1.benchmarks, "v3"]):
                row, base = params.row(name, benchmark), params.row(tables.base, benchmark)
                if not (_as_many_updates(row, base) and _as_many_frames(row, base, benchmark)):
                    raise ParamsError(
                        f"{name} on {benchmark}: {_text(row, benchmark)}, but {tables.base} has "
                        f"{_text(base, benchmark)}; expected one budget for all of tables.table1."
                        f"{track}: set benchmarks.{benchmark}.training for every row, or take "
                        f"'{track}' out of protocol.one_budget"
                    )


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
