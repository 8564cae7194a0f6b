"""Commands of predictions: `import`, `compare`, `card`, `export`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common.files import write_atomic
from benchmarks.common.tables import latex, latex_line
from benchmarks.experiments import BENCHMARK_OF
from benchmarks.params import Params, load
from benchmarks.params.errors import ParamsError

if TYPE_CHECKING:
    from benchmarks.predictions.sides import Operand


def import_predictions(args: argparse.Namespace) -> None:
    """Score a folder of somebody's predictions as a row, and print it with its interval."""
    from benchmarks.predictions.imported import check_name, score_submission, write_imported
    from benchmarks.predictions.page import figures_of, grid_of, write_page
    from benchmarks.predictions.submission import TESTS

    benchmark = args.benchmark or BENCHMARK_OF.get(args.table or "")
    if benchmark not in TESTS:
        raise ParamsError(f"--benchmark {benchmark}: expected one of {', '.join(TESTS)}")
    if args.table not in (None, TESTS[benchmark].table):
        raise ParamsError(
            f"--table {args.table} isn't tested on {benchmark}, which is of "
            f"{TESTS[benchmark].table}"
        )
    params = load(args.params)
    check_name(params, args.name)
    scored = score_submission(params, args.folder, benchmark, args.layout, args.masks, args.workers)
    stored = write_imported(params, args.name, benchmark, args.seed, scored)
    origin, figures = scored.origin, figures_of(scored)
    print(f"{args.name}: {len(scored.scores)} frames of {TESTS[benchmark].clips}, {origin.kind}")
    for size, count in origin.resized.items():
        print(f"  {count} of {size} pixels were resized to their mask's size")
    for figure in figures:
        print(f"  {figure.name:<9} {figure.value} {figure.interval}")
    if origin.kind == "masks":
        print("  fscore    –  binary masks have one threshold: not the tables' F")
    grid = grid_of(args.name, figures)
    write_atomic(stored.path.with_suffix(".tex"), latex(grid))
    page = stored.path.with_suffix(".html")
    test = f"{TESTS[benchmark].clips}, profile {params.profile}"
    write_page(page, test, scored, grid, args.workers)
    print(f"LaTeX: {latex_line(grid.rows[0])}")
    print(f"{page}: each clip to look at and listen to")
    print(f"{stored.path}; `report` lists it, `card {args.name}` makes its card")


def compare(args: argparse.Namespace) -> None:
    """Print the differences of two sides, or write them as JSON."""
    from benchmarks.predictions import states
    from benchmarks.predictions.states import CompareError

    names, params = (args.first, args.second), load(args.params)
    tables = [states.tables_of(name, params.results) for name in names]
    if tables[0] is not None and tables[1] is not None:
        changes = states.changed(tables[0], tables[1])
        text = states.changes_text(changes, names)
        print(changes.to_json(orient="records", indent=1) if args.json else text)
        return
    from benchmarks.predictions import compare as comparing
    from benchmarks.predictions.sides import side_of

    sides = [side_of(name, params) for name in names]
    for i, name in enumerate(names):
        if args.benchmark and sides[i] is None and Path(name).is_dir():
            sides[i] = _folder(name, params, args)
    if sides[0] and sides[1]:
        lines, classes = comparing.compare(sides[0], sides[1], args.controls)
        content = [line.content() for line in [*lines, *classes]]
        text = comparing.text_of(lines, classes if args.by_class else [], names)
        print(json.dumps(content, indent=1) if args.json else text)
        return
    unknown = [n for n, *both in zip(names, sides, tables, strict=True) if both == [None, None]]
    if not unknown:
        raise CompareError(f"{' and '.join(names)}: records and tables can't be compared")
    raise CompareError(
        f"{unknown[0]}: no row that {params.work} has records of, no folder of records, no run, "
        "no git revision; for folders of predictions, say of which test: --benchmark"
    )


def card(args: argparse.Namespace) -> int:
    """Make a row's card, or check cards; returns the exit status."""
    from benchmarks.predictions import card as cards
    from benchmarks.predictions.card_check import problems_of
    from benchmarks.predictions.submission import TESTS, data_checksum

    if args.check:
        paths = [path for name in args.names for path in _cards_of(name)]
        paths = paths or cards.card_paths(cards.FOLDER)
        data: dict[str, str] = {}
        if args.params.is_file() and (load(args.params).shared / "index.csv").is_file():
            from benchmarks.data.index import load_index
            from benchmarks.grid.clip_sets import ClipSets

            params = load(args.params)
            sets = ClipSets(params, load_index(params.shared / "index.csv"))
            for benchmark in {r.benchmark for path in paths for r in cards.read_card(path).results}:
                clips = sets[TESTS[benchmark].clips]
                data[f"{params.profile} {benchmark}"] = data_checksum(clips)
        wrong = 0
        for path in paths:
            problems = problems_of(cards.read_card(path), data) + _differences(path, args.params)
            wrong += bool(problems)
            print("\n  ".join([f"{path}: {'not usable:' if problems else 'well'}", *problems]))
        return 1 if wrong else 0
    from benchmarks.predictions.sides import stored_of

    if len(args.names) != 1:
        raise ParamsError("card takes the NAME of one row, or --check")
    name = args.names[0]
    path = cards.FOLDER / f"{name}.json"
    before = cards.read_card(path) if path.is_file() else None
    cards.write_card(path, cards.card_of(name, stored_of(name, load(args.params)), before))
    print(f"{path}: fill in `who`, `trained_on` and what is reported; then card --check {name}")
    return 0


def export(args: argparse.Namespace) -> int:
    """Write one checkpoint, or all of Table 1 with their cards, and print their sizes."""
    if args.all == bool(args.benchmark):
        raise ParamsError("export takes ROW and BENCHMARK, or --all")
    params = load(args.params)
    from benchmarks.grid.export import export
    from benchmarks.grid.workbench import Workbench

    if not args.all:
        path = args.out
        if path.suffix != ".safetensors":
            path /= f"{args.row}-{args.benchmark}.safetensors"
        export(Workbench(params), args.row, args.benchmark, args.seed, path)
        print(path)
        return 0
    from benchmarks.grid.command import outcome
    from benchmarks.predictions.zoo import write_zoo

    failures: list[str] = []
    total = 0
    for path in write_zoo(params, args.seed, args.out, failures):
        size = path.stat().st_size
        total += size
        print(f"{path}  {size / 1e6:.2f} MB")
    print(f"{total / 1e6:.1f} MB in all; card --check {args.out} counts each again")
    return outcome(failures)


def _cards_of(name: str) -> list[Path]:
    """The card of a name in `cards/`, or all cards of a folder of this name."""
    from benchmarks.predictions import card as cards

    path = cards.FOLDER / f"{name}.json"
    return [path] if path.is_file() else cards.card_paths(Path(name)) or [path]


def _differences(card: Path, params: Path) -> list[str]:
    """What a checkpoint beside a card predicts otherwise; nothing where there is none."""
    if not card.with_suffix(".safetensors").is_file():
        return []
    from benchmarks.predictions.zoo import differences

    try:
        return differences(load(params), card)
    except (OSError, ValueError) as error:  # the others are still checked
        return [str(error)]


def _folder(name: str, params: Params, args: argparse.Namespace) -> "Operand":
    """A side of one cell, scored from a folder of predictions."""
    from benchmarks.predictions.imported import score_submission
    from benchmarks.predictions.sides import Operand, Place
    from benchmarks.predictions.submission import TESTS

    test = TESTS[args.benchmark]
    scored = score_submission(params, Path(name), args.benchmark, args.layout, workers=args.workers)
    place = Place(name, args.benchmark, test.setting, args.seed, None)
    return Operand(name, {place: lambda: {test.evaluation: scored.scores}})
