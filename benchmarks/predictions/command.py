"""Commands of predictions: `import`, `compare`, `card`, `export`."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common.files import locked, write_atomic
from benchmarks.common.tables import latex, latex_line
from benchmarks.params import Params, load
from benchmarks.params.errors import ParamsError

if TYPE_CHECKING:
    from benchmarks.predictions.card import Result
    from benchmarks.predictions.card_check import Tested
    from benchmarks.predictions.sides import Operand


MODEL_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")  # names of no folder


def import_predictions(args: argparse.Namespace) -> None:
    """Score a folder of somebody's predictions as a row, and print it with its interval."""
    from benchmarks.predictions.imported import (
        check_name,
        place_of,
        score_submission,
        write_imported,
    )
    from benchmarks.predictions.page import figures_of, grid_of, write_page
    from benchmarks.predictions.submission import TESTS

    known = [name for name, test in TESTS.items() if args.table in (None, test.table)]
    if not known:
        tables = dict.fromkeys(test.table for test in TESTS.values())
        raise ParamsError(f"--table {args.table}: expected one of {', '.join(tables)}")
    if args.benchmark is None and len(known) > 1:
        raise ParamsError(f"say of which test: --benchmark {', '.join(known)}")
    benchmark = args.benchmark or known[0]
    if benchmark not in known:
        raise ParamsError(
            f"--table {args.table} isn't tested on {benchmark}, which is of "
            f"{TESTS[benchmark].table}"
        )
    params = load(args.params)
    check_name(params, args.name)
    scored = score_submission(params, args.folder, benchmark, args.layout, args.masks, args.workers)
    record = place_of(params, args.name, benchmark, args.seed)
    origin, figures = scored.origin, figures_of(scored)
    print(f"{args.name}: {len(scored.scores)} frames of {TESTS[benchmark].clips}, {origin.kind}")
    for size, count in origin.resized.items():
        print(f"  {count} of {size} pixels were resized to their mask's size")
    for figure in figures:
        print(f"  {figure.name:<9} {figure.value} {figure.interval}")
    if origin.kind == "masks":
        print("  fscore    –  binary masks have one threshold: not the tables' F")
    grid, page = grid_of(args.name, figures), record.with_suffix(".html")
    test = f"{TESTS[benchmark].clips}, profile {params.profile}"
    with locked(record.with_suffix(".lock"), f"import --as {args.name}"):
        write_page(page, test, scored, grid, args.workers)
        write_atomic(record.with_suffix(".tex"), latex(grid))
        write_imported(params, args.name, benchmark, args.seed, scored)  # last: it makes the row
    print(f"LaTeX: {latex_line(grid.rows[0])}")
    print(f"{page}: each clip to look at and listen to")
    print(f"{record}; `report` lists it, `card {args.name}` makes its card")


def compare(args: argparse.Namespace) -> None:
    """Print the differences of two sides, or write them as JSON."""
    from benchmarks.predictions import states
    from benchmarks.predictions.states import CompareError

    names, params = (args.first, args.second), load(args.params)
    if not all(name.strip() for name in names):  # of "" all of the repository is below
        raise CompareError("an empty name; expected rows, folders or revisions")
    from benchmarks.predictions import compare as comparing
    from benchmarks.predictions.sides import side_of

    # Rows before revisions: a branch may have a row's name.
    sides = [None if name == "." else side_of(name, params, args.benchmark) for name in names]
    for i, name in enumerate(names):
        if args.benchmark and sides[i] is None and name != "." and Path(name).is_dir():
            sides[i] = _folder(name, params, args)
    if sides[0] and sides[1]:
        lines, classes = comparing.compare(sides[0], sides[1], args.controls)
        content = [line.content() for line in [*lines, *classes]]
        text = comparing.text_of(lines, classes if args.by_class else [], names)
        print(json.dumps(content, indent=1) if args.json else text)
        return
    tables = [
        None if side else states.tables_of(name, params.results)
        for name, side in zip(names, sides, strict=True)
    ]
    if tables[0] is not None and tables[1] is not None:
        changes = states.changed(tables[0], tables[1])
        text = states.changes_text(changes, names)
        print(changes.to_json(orient="records", indent=1) if args.json else text)
        return
    unknown = [n for n, *both in zip(names, sides, tables, strict=True) if both == [None, None]]
    if not unknown:
        raise CompareError(f"{' and '.join(names)}: records and tables can't be compared")
    raise CompareError(
        f"{unknown[0]}: no row that {params.work} has records of (`dvc repro` makes them), no "
        "folder of records, no run, no git revision; for folders of predictions, say of which "
        "test: --benchmark"
    )


def card(args: argparse.Namespace) -> int:
    """Make a row's card, or check cards; returns the exit status."""
    from benchmarks.predictions import card as cards

    if args.check:
        return _check_cards(args)
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
    if args.all == bool(args.row and args.benchmark) or (args.all and args.row):
        raise ParamsError("export takes ROW and BENCHMARK, or --all")
    one = args.out.suffix == ".safetensors" and not args.all
    if not one and (args.out.is_file() or args.out.suffix in MODEL_FILES):
        kinds = "a folder" if args.all else "a folder, or a file NAME.safetensors"
        raise ParamsError(f"--out {args.out}: expected {kinds}")
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


def _check_cards(args: argparse.Namespace) -> int:
    """Say of each card what is wrong with it; returns the exit status."""
    from benchmarks.predictions import card as cards
    from benchmarks.predictions.card_check import problems_of

    paths = [path for name in args.names for path in _cards_of(name)]
    problems: dict[Path, list[str]] = {p: [] for p in paths or cards.card_paths(cards.FOLDER)}
    read = {}
    for path in problems:
        try:
            read[path] = cards.read_card(path)
        except (OSError, ValueError) as error:  # the others are still checked
            problems[path].append(str(error))
    tests = _tests(args.params, [r for card in read.values() for r in card.results])
    for path, card in read.items():
        problems[path] += problems_of(card, tests) + _differences(path, args.params)
        if card.name != path.stem:
            problems[path].append(f"name: {card.name!r}, expected {path.stem!r} as its file has")
    for path, lines in problems.items():
        verdict = "not usable:" if lines else "well"
        results = read[path].results if path in read else []
        unseen = {f"{r.profile} {r.benchmark}" for r in results} - tests.keys()
        if unseen and not lines:
            verdict += f"; its test isn't here to compare: {', '.join(sorted(unseen))}"
        print("\n  ".join([f"{path}: {verdict}", *lines]))
    if not problems:
        print(f"{cards.FOLDER}/: no card yet; `card NAME` makes a row's")
    return int(any(problems.values()))


def _tests(path: Path, results: "list[Result]") -> "dict[str, Tested]":
    """The tests of results, as far as params.yaml and its clips are of them."""
    if not path.is_file() or not ((params := load(path)).shared / "index.csv").is_file():
        return {}
    from benchmarks.predictions.truth import tests_of

    return tests_of(params, {r.benchmark for r in results if r.profile == params.profile})


def _cards_of(name: str) -> list[Path]:
    """The card of a name in `cards/`, a card's file, or all cards of a folder."""
    from benchmarks.predictions import card as cards

    path = cards.FOLDER / f"{name}.json"
    if not path.is_file() and Path(name).is_dir():
        if not (paths := cards.card_paths(Path(name))):
            raise cards.CardError(f"{name}: a folder without a card, expected NAME.json")
        return paths
    return [Path(name) if Path(name).is_file() else path]


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

    test, layout = TESTS[args.benchmark], args.layout
    scored = score_submission(
        params, Path(name), args.benchmark, layout, args.masks, workers=args.workers
    )
    place = Place(name, args.benchmark, test.setting, args.seed, None)
    masks = scored.origin.kind == "masks"
    return Operand(name, {place: lambda: {test.evaluation: scored.scores}}, masks)
