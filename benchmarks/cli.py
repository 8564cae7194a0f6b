"""The command line: `python -m benchmarks --help`."""

import argparse
import inspect
import logging
import os
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.data import VIDEO_LAYOUTS

# Before torch: one thread a worker process, so that `workers` never changes a result.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

RESULTS = Path("results")
PROVENANCE = RESULTS / "provenance.json"
PRETRAINED = Path("work/pretrained")
REHEARSAL = Path("work/rehearsal")

EPILOG = """\
the loop of daily use:
  dvc repro                                  all that params.yaml asks for and isn't there yet
  $EDITOR params.yaml; dvc repro             only what the edit touches runs again
  less results/tables.md

by hand, the same steps:
  python -m benchmarks data                  build the miniature world, check and index the clips
  python -m benchmarks features              run the frozen encoders, once
  python -m benchmarks run table1 gavs       train and score a row: all its benchmarks and seeds
  python -m benchmarks run table2 few_shot   a stage of a table: all its rows, shots and draws
  python -m benchmarks run table1 gavs v1m --seed 0
  python -m benchmarks report                tables and figures from the records that exist
"""


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    # A store keeps its shards open: 2,316 in the paper profile, where the usual limit is 1,024.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from concurrent.futures.process import BrokenProcessPool

    from benchmarks.common.memory import free_memory
    from benchmarks.data.index import DataError
    from benchmarks.features.store import StoreError
    from benchmarks.launch.job import AGAIN
    from benchmarks.params import ParamsError

    try:
        return args.command(args) or 0
    except (DataError, StoreError, ParamsError, OSError, KeyError, ValueError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"error: {message}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"error: memory ran out; {free_memory()}", file=sys.stderr)
        return 1
    except BrokenProcessPool as error:
        print(f"error: {error}", file=sys.stderr)
        return AGAIN
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """Ends its help with the docstring of a function, `MODULE:NAME`, which nothing else imports."""

    def __init__(self, *args, documented: str | None = None, **options) -> None:
        super().__init__(*args, **options)
        self.documented = documented

    def format_help(self) -> str:
        if self.documented is not None:
            module, name = self.documented.split(":")
            self.epilog = inspect.cleandoc(getattr(import_module(module), name).__doc__)
        return super().format_help()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m benchmarks",
        description="GAVS and its rivals on audio-visual segmentation: data, runs, tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--params", type=Path, default=Path("params.yaml"), help="default: %(default)s"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable, text: str, **options) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, **options)
        sub.set_defaults(command=command)
        return sub

    add(
        "list",
        list_all,
        "every method (with its paper) and every benchmark, one a line, name first",
    )
    sub = add("profile", profile, "write a profile's values into params.yaml, keeping its comments")
    sub.add_argument("name", help="smoke, miniature or paper")
    sub = add("data", data, "build the miniature world if the profile has one; check and index")
    sub.add_argument("--workers", type=int, help="default: params.yaml's")
    sub = add(
        "extract-video",
        extract_video,
        "frames and sound out of raw videos; resumes where it was stopped",
        documented="benchmarks.data.video:extract_videos",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--videos", type=Path, required=True, metavar="DIR")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub.add_argument("--layout", choices=VIDEO_LAYOUTS, required=True)
    sub.add_argument("--list", type=Path, dest="listed", metavar="FILE")
    sub.add_argument("--workers", type=int, default=os.cpu_count(), help="default: all cores")
    sub = add("features", features, "fill the feature stores; resumes where it was stopped")
    sub.add_argument("--workers", type=int, help="default: params.yaml's")
    add("check", check, "all that is wrong before hours of work, and what these will cost")
    sub = add("rehearse", rehearse, "every stage of the paper profile on a few clips of noise")
    sub.add_argument("--folder", type=Path, default=REHEARSAL, help="default: %(default)s")
    sub.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    sub = add("run", run, "train and score cells; what has been run already costs nothing")
    sub.add_argument("table", help="table1 ... table4, figure3, robustness or ablations")
    sub.add_argument(
        "stage",
        metavar="STAGE",
        nargs="?",
        help="a row of Table 1, a group of ablations, or zero_shot, few_shot, in_set, fractions, "
        "negatives; default: all",
    )
    sub.add_argument("benchmark", nargs="?", help="only this one, e.g. v1s")
    sub.add_argument("--row", help="only this one")
    sub.add_argument("--seed", type=int, help="only this one")
    sub.add_argument("--workers", type=int, help="default: params.yaml's; never changes a result")
    from benchmarks.launch import command

    sub = add("launch", command.launch, "run the cells in parallel, on this machine or a cluster")
    command.add_arguments(sub)
    add("report", report, "tables and figures from the records that exist, '–' for the rest")
    sub = add("speed", speed, "each fast path against its reference, into results/speed.md")
    sub.add_argument("names", nargs="*", metavar="NAME", help="a module of speed; default: all")
    sub.add_argument("--whole", action="store_true", help="the default profile too (hours)")
    add("stale", stale, "which committed tables are older than the code and parameters behind them")
    sub = add(
        "score",
        score,
        "score anyone's probability maps",
        documented="benchmarks.scoring.files:score_folders",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--predictions", type=Path, required=True, metavar="DIR")
    sub.add_argument("--masks", type=Path, required=True, metavar="DIR")
    sub.add_argument("--all-rules", action="store_true", help="under each repository's rule too")
    sub = add("export", export, "a trained GAVS as one file for `python -m gavs predict`")
    sub.add_argument("row", help="gavs or a variant; trained first if nobody has")
    sub.add_argument("benchmark", choices=["v1s", "v1m", "v2", "v3"], help="that it learned from")
    sub.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE")
    sub = add("tune", tune, "try three learning rates a method on val, write the chosen (minutes)")
    sub.add_argument("rows", nargs="*", metavar="METHOD", help="default: all")
    add("dispersion", dispersion, "which orderings survive other SAM weights and scenes (minutes)")
    sub = add("vggss-baselines", vggss_baselines, "what trivial predictors score on VGG-SS boxes")
    sub.add_argument("--annotations", type=Path, required=True, metavar="vggss.json")
    sub = add("pretrain", pretrain, "train the miniature's encoders into work/pretrained (minutes)")
    sub.add_argument(
        "names", nargs="*", metavar="NAME", help="sam, sam_aux0, vggish, pvt, resnet; default: all"
    )
    sub = add("weights", weights, "which weight files are there and right, where to get the rest")
    sub.add_argument(
        "action", nargs="?", choices=["adopt"], help="copy work/pretrained over weights/miniature"
    )
    return parser


def list_all(args: argparse.Namespace) -> None:
    from benchmarks.params import BENCHMARKS, method_names
    from gavs.method import METHODS

    for name in method_names():
        module = sys.modules[METHODS.get(name).__module__]
        reference = " ".join(module.__doc__.split("\n\n")[0].split())
        print(f"{name:<16} {reference}")
    print()
    for name, text in BENCHMARKS.items():
        print(f"{name:<16} {text}")


def profile(args: argparse.Namespace) -> None:
    from benchmarks.params.profile import apply_profile

    for change in apply_profile(args.params, Path("profiles") / f"{args.name}.yaml"):
        print(change)


def data(args: argparse.Namespace) -> None:
    from benchmarks.common.files import clear_parts, locked, write_atomic
    from benchmarks.data.index import write_index
    from benchmarks.data.read import read_index
    from benchmarks.miniature import build, build_vggsound, build_vggss
    from benchmarks.params import load

    params = load(args.params)
    workers, path = args.workers or params.workers, params.work / "index.csv"
    with locked(params.work / "data.lock", "data"):
        clear_parts(params.work)
        if params.world is not None:
            build(params.data.root, params.world, workers, path)
            if params.data.vggss is not None:
                build_vggss(params.data.vggss, params.data.root, params.world, workers, path)
            if params.data.vggsound is not None:
                build_vggsound(params.data.vggsound.root, params.world, workers, path)
        index = read_index(params.data, workers)
        write_atomic(path, write_index(index))
    counts = index.groupby(["benchmark", "split"], sort=False).size()
    log = logging.getLogger(__name__)
    for (benchmark, split), clips in counts.items():
        log.info("%s %s: %d clips", benchmark, split, clips)


def extract_video(args: argparse.Namespace) -> None:
    from benchmarks.data.video import extract_videos

    extract_videos(args.videos, args.out, args.layout, args.listed, args.workers)


def features(args: argparse.Namespace) -> None:
    from benchmarks.features.extract import extract
    from benchmarks.grid.workbench import Workbench
    from benchmarks.params import load

    params = load(args.params)
    workers = args.workers or params.workers
    bench = Workbench(params)
    extract(
        params.stores,
        bench.index,
        params.work / "features",
        bench.encoders,
        params.features.rows_per_shard,
        params.features.batch_size,
        workers,
        params.device,
        params.features.precision,
    )


def check(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.preflight.check import check

    return 0 if check(load(args.params)) else 1


def rehearse(args: argparse.Namespace) -> int:
    from benchmarks.preflight.rehearse import rehearse

    return 0 if rehearse(args.params, args.folder, args.workers) else 1


def run(args: argparse.Namespace) -> int:
    from benchmarks.grid.cells import prune, run_cells
    from benchmarks.grid.protocol import cells_of
    from benchmarks.params import load
    from benchmarks.training.distributed import ranks

    params = load(args.params)
    stages = [args.stage] if args.stage else list(params.table_rows(args.table))
    cells = [cell for stage in stages for cell in cells_of(params, args.table, stage)]
    if (args.benchmark, args.row, args.seed) == (None, None, None):
        prune(params, args.table, args.stage, cells)
    for stage in stages:  # an empty list of rows is no error: its stage has an empty folder
        (params.work / "records" / args.table / stage).mkdir(parents=True, exist_ok=True)
    if not cells:
        logging.getLogger(__name__).info("nothing is asked of %s", args.table)
        return 0
    wanted = [
        cell
        for cell in cells
        if args.benchmark in (None, cell.benchmark)
        and args.seed in (None, cell.seed)
        and args.row in (None, cell.row)
    ]
    if not wanted:
        raise ValueError(f"no cell of {args.table} has this row, benchmark and seed")
    with ranks(params.device):
        return _failed(run_cells(params, wanted, args.workers or params.workers))


def report(args: argparse.Namespace) -> None:
    from benchmarks.common.files import clear_parts, write_atomic, write_json
    from benchmarks.data.index import load_index
    from benchmarks.grid.workbench import Workbench
    from benchmarks.miniature.sheet import contact_sheet
    from benchmarks.params import load
    from benchmarks.report import plan_of, provenance, write_qualitative, write_report
    from benchmarks.report.splits import splits_page

    params = load(args.params)
    for folder in (RESULTS, *(path for path in RESULTS.rglob("*") if path.is_dir())):
        clear_parts(folder)
    plan, records = plan_of(params), params.work / "records"
    write_report(records, RESULTS, plan)
    write_qualitative(records, RESULTS, plan, load_index(params.work / "index.csv"))
    if params.world is not None:
        contact_sheet(params.data.root, RESULTS / "figures" / "miniature.png", params.data.vggss)
    write_atomic(RESULTS / "splits.md", splits_page(params, Workbench(params).clip_sets))
    write_json(PROVENANCE, provenance(params))
    print(RESULTS / "tables.md")


def stale(args: argparse.Namespace) -> None:
    from benchmarks.params import load
    from benchmarks.report import stale_rows

    if not PROVENANCE.exists():
        print(f"{PROVENANCE}: no tables yet; make them with `dvc repro`")
        return
    rows = stale_rows(load(args.params), PROVENANCE)
    for row in rows:
        print(f"results/ is older than the code or params.yaml: {row}")
    print(f"{len(rows)} committed rows are out of date" + ("; run `dvc repro`" if rows else ""))


def speed(args: argparse.Namespace) -> int:
    from benchmarks.speed import run

    return 0 if run(args.names, RESULTS, args.whole) else 1


def score(args: argparse.Namespace) -> None:
    from benchmarks.scoring.files import score_folders

    scores, headline = score_folders(args.predictions, args.masks)
    for name, value in headline.items():
        print(f"{name:<24} {value:.4f}")
    if args.all_rules:
        from benchmarks.scoring.rosetta import rosetta

        print(rosetta(scores).to_string(index=False))


def export(args: argparse.Namespace) -> None:
    from benchmarks.grid.export import export
    from benchmarks.grid.workbench import Workbench
    from benchmarks.params import load

    export(Workbench(load(args.params)), args.row, args.benchmark, args.seed, args.out)
    print(args.out)


def tune(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.studies.tune import tune

    params = load(args.params)
    profile = Path("profiles") / f"{params.profile}.yaml"
    return _failed(tune(params, RESULTS, [args.params, profile], args.rows))


def dispersion(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.studies.dispersion import disperse

    return _failed(disperse(load(args.params), RESULTS))


def _failed(failures: list[str]) -> int:
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def vggss_baselines(args: argparse.Namespace) -> None:
    from benchmarks.scoring.vggss import baselines_text

    print(baselines_text(args.annotations))


def pretrain(args: argparse.Namespace) -> None:
    from benchmarks.miniature import pretrain as encoders

    unknown = set(args.names) - set(encoders.CONFIGS)
    if unknown:
        raise ValueError(f"no encoder {sorted(unknown)}; known: {', '.join(encoders.CONFIGS)}")
    encoders.run(args.names or list(encoders.CONFIGS), PRETRAINED, workers=2)


def weights(args: argparse.Namespace) -> int:
    if args.action == "adopt":
        from benchmarks.miniature import pretrain as encoders

        encoders.adopt(PRETRAINED, Path("weights/miniature"), RESULTS)
        return 0
    from benchmarks.params import load
    from benchmarks.preflight.weights import find_weights, weights_text

    findings = find_weights(load(args.params))
    print(weights_text(findings))
    return 0 if all(finding.usable for finding in findings) else 1
