"""`python -m benchmarks export` and `predict`."""

import argparse
from collections.abc import Callable
from pathlib import Path

MODELS = Path("weights/models")  # where `gavs.load_model` looks
LEARNED_FROM = ["v1s", "v1m", "v2", "v3", "vggsound"]


def add_export(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands by the command line's `add(name, command, text)`."""
    sub = add("export", export, "write a trained row as one file for `python -m gavs predict`")
    _add_row(sub, "?")
    sub.add_argument("--all", action="store_true", help="every row of Table 1")
    out = "a file or a folder; default: %(default)s"
    sub.add_argument("--out", type=Path, default=MODELS, metavar="PATH", help=out)
    text = "write a trained row's probabilities of a clip set, as `score` reads them"
    sub = add("predict", predict, text)
    _add_row(sub, None)
    sub.add_argument("--clips", metavar="SET", help="e.g. v2/val or vggss/all; default: its test")
    sub.add_argument("--format", choices=["npy", "png"], default="npy", help="default: %(default)s")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")


def _add_row(sub: argparse.ArgumentParser, nargs: str | None) -> None:
    text = "a method or variant; trained first unless it is finished"
    sub.add_argument("row", nargs=nargs, help=text)
    sub.add_argument("benchmark", nargs=nargs, choices=LEARNED_FROM, help="that it learned from")
    sub.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def export(args: argparse.Namespace) -> None:
    """Write one checkpoint, or all of Table 1, and print their sizes."""
    from benchmarks.grid.export import export, export_all
    from benchmarks.grid.workbench import Workbench
    from benchmarks.params import ParamsError, load

    if args.all == bool(args.benchmark):
        raise ParamsError("export takes ROW and BENCHMARK, or --all")
    bench = Workbench(load(args.params))
    if not args.all:
        path = args.out
        if path.suffix != ".safetensors":
            path /= f"{args.row}-{args.benchmark}.safetensors"
        export(bench, args.row, args.benchmark, args.seed, path)
        print(path)
        return
    total = 0
    for path in export_all(bench, args.seed, args.out):
        size = path.stat().st_size
        total += size
        print(f"{path}  {size / 1e6:.2f} MB")
    print(f"{total / 1e6:.1f} MB in all")


def predict(args: argparse.Namespace) -> None:
    """Write a clip set's probabilities and masks, and print how they are scored."""
    from benchmarks.grid.export import predict
    from benchmarks.grid.workbench import Workbench
    from benchmarks.params import load

    bench, clips = Workbench(load(args.params)), args.clips or f"{args.benchmark}/test"
    frames = predict(bench, args.row, args.benchmark, args.seed, clips, args.out, args.format)
    folders = f"--predictions {args.out / 'predictions'} --masks {args.out / 'masks'}"
    print(f"{frames} frames of {clips}; python -m benchmarks score {folders}")
