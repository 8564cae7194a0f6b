"""Command line of the suite: `python -m benchmarks --help`."""

import argparse
import io
import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.data import VIDEO_LAYOUTS
from benchmarks.experiments import SPECS
from benchmarks.grid.command import add_export
from gavs.reading import shown

# Before torch: one thread per worker process, so that `workers` never changes a result.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

RESULTS = Path("results")
PROVENANCE = "provenance.json"  # in a profile's results
PRETRAINED = Path("work/pretrained")
REHEARSAL = Path("work/rehearsal")
MOST_WORKERS = 4096

EPILOG = """\
the loop of daily use:
  dvc repro                                  all that params.yaml asks for and isn't finished
  $EDITOR params.yaml; dvc repro             only what the edit touches runs again
  less results/tables.md

what can be edited:
  python -m benchmarks params                every knob: its value, and the default if the file has
                                             another; params methods.gavs lists one block
  python -m benchmarks profile smoke         another profile; params.yaml goes to profiles/

by hand, the same steps:
  python -m benchmarks data                  build the miniature world, check and index the clips
  python -m benchmarks features              run the frozen encoders, once
  python -m benchmarks run table1 gavs       train and score a row: all its benchmarks and seeds
  python -m benchmarks run table2 few_shot   a stage of a table: all its rows, shots and draws
  python -m benchmarks run table1 gavs v1m --seed 0
  python -m benchmarks report                tables and figures from the records that exist
"""

SCORE = """\
Every mask under --masks is scored with the prediction of the same relative path:

  masks/CLIP/FRAME.png           ground truth: a pixel above 0 sounds (colour: any channel)
  predictions/CLIP/FRAME.png     8- or 16-bit grey: probability = value / 255 or / 65535
  predictions/CLIP/FRAME.npy     or a float array (height, width) of probabilities, 0 to 1

A prediction has the size of its mask: nothing is resized. CLIP may be several folders deep; frames
of one folder are one clip, and a file directly in the top folder is a clip of its own. Printed are
the figures of the tables; with --all-rules the mIoU and F-score by the rule of each repository.
A file without its counterpart, or one that can't be read, is named, and nothing is scored.
"""

EXTRACT = """\
--videos is a folder of video files, in any subfolders, each trimmed to its clip and
named as the data set names the clip. Clips that are extracted already are skipped.

  --layout avsbench   --out has metadata.csv and AVSBench's masks; frames and sound go beside them
  --layout vggss      --out gets frames/ and audio/ of the clips that its vggss.json names, or of
                      the ids in --list, one per line (VGG-Sound)

Videos that can't be used are listed at the end with the reason, after all others are done.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # names and dashes, in whatever encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    # A store keeps its shards open: 2,316 in the paper profile, where the usual limit is 1,024.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from concurrent.futures.process import BrokenProcessPool

    from benchmarks.common.memory import free_memory, ran_out
    from benchmarks.common.workers import AGAIN
    from benchmarks.data.index import DataError
    from benchmarks.features.store import StoreError
    from benchmarks.params import ParamsError

    try:
        return args.command(args) or 0
    except (DataError, StoreError, ParamsError, OSError, ValueError) as error:
        lines = f"error: {error}".split("\n")
        print("\n".join(map(shown, lines)), file=sys.stderr)  # names with ESC clear no screen
        return 1
    except (MemoryError, ImportError) as error:  # a library that can't be loaded for its size
        if not ran_out(error):
            raise
        print(f"error: memory ran out; {free_memory()}", file=sys.stderr)
        return 1
    except BrokenProcessPool as error:
        print(f"error: {error}", file=sys.stderr)
        return AGAIN
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it stopped", file=sys.stderr)
        return 130


def _count(text: str) -> int:
    """Parse a number of processes."""
    if not text.isdecimal() or not 0 < int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 1 to {MOST_WORKERS}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
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

    add("list", list_all, "list every method (with its paper) and benchmark, one per line")
    sub = add(
        "profile", profile, "make another profile params.yaml; profiles/ gets the current one"
    )
    sub.add_argument("name", help="smoke, miniature, paper or another file of profiles/")
    sub = add("params", list_params, "list every knob: its value, and its default if they differ")
    sub.add_argument("prefix", nargs="?", default="", help="only this block, e.g. methods.gavs")
    add("values", values, "write down what the other stages depend on, for DVC")
    sub = add("data", data, "build the miniature world if there is one; check and index clips")
    sub.add_argument("--workers", type=_count, help="default: params.yaml's")
    sub = add(
        "extract-video",
        extract_video,
        "extract frames and sound of raw videos; resumes where it was stopped",
        epilog=EXTRACT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--videos", type=Path, required=True, metavar="DIR")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub.add_argument("--layout", choices=VIDEO_LAYOUTS, required=True)
    sub.add_argument("--list", type=Path, dest="listed", metavar="FILE")
    sub.add_argument("--workers", type=_count, default=os.cpu_count(), help="default: all cores")
    sub = add("features", features, "fill the feature stores; resumes where it was stopped")
    sub.add_argument("--workers", type=_count, help="default: params.yaml's")
    add("check", check, "find all faults before hours of work, and estimate its costs")
    sub = add("rehearse", rehearse, "run every stage of the paper profile on a few clips of noise")
    sub.add_argument("--folder", type=Path, default=REHEARSAL, help="default: %(default)s")
    sub.add_argument("--workers", type=_count, default=1, help="default: %(default)s")
    sub = add("run", run, "train and score cells; finished ones cost nothing")
    sub.add_argument("table", help=", ".join(SPECS))
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
    sub.add_argument(
        "--workers", type=_count, help="default: params.yaml's; never changes a result"
    )
    sub = add("launch", launch, "run cells in parallel, on this machine or a cluster")
    sub.add_argument("tables", nargs="*", metavar="TABLE", help="default: all")
    sub.add_argument("--on", choices=["local", "slurm"], help="this machine, or a cluster")
    sub.add_argument("--dry-run", action="store_true", help="only say what would be launched")
    sub.add_argument("--jobs", type=int, help="at the same time; default: params.yaml's")
    sub.add_argument("--status", action="store_true", help="show what is done, queued, failed")
    sub.add_argument("--cancel", action="store_true", help="end the launched jobs")
    add("report", report, "write tables and figures from the records that exist")
    sub = add("speed", speed, "compare each fast path with its reference, into results/speed.md")
    sub.add_argument("names", nargs="*", metavar="NAME", help="a module of speed; default: all")
    sub.add_argument("--whole", action="store_true", help="the default profile too (hours)")
    sub.add_argument(
        "--device",
        choices=["cuda", "cpu"],
        help="measure a GPU, into results/gpu.md; NAME: a table; cpu: tiny, into work/speed",
    )
    sub.add_argument("--minutes", type=float, default=8, help="of --device; default: %(default)s")
    add("stale", stale, "list committed tables older than the code and parameters behind them")
    sub = add(
        "score",
        score,
        "score probability maps of any origin",
        epilog=SCORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--predictions", type=Path, required=True, metavar="DIR")
    sub.add_argument("--masks", type=Path, required=True, metavar="DIR")
    sub.add_argument("--all-rules", action="store_true", help="under each repository's rule too")
    add_export(add)
    sub = add("tune", tune, "try three learning rates per method on val, write the best (minutes)")
    sub.add_argument("rows", nargs="*", metavar="METHOD", help="default: all")
    add(
        "dispersion",
        dispersion,
        "find orderings that survive other SAM weights and scenes (minutes)",
    )
    sub = add("vggss-baselines", vggss_baselines, "score trivial predictors on the boxes of VGG-SS")
    sub.add_argument("--annotations", type=Path, required=True, metavar="vggss.json")
    sub = add("pretrain", pretrain, "train the miniature's encoders into work/pretrained (minutes)")
    sub.add_argument(
        "names", nargs="*", metavar="NAME", help="sam, sam_aux0, vggish, pvt, resnet; default: all"
    )
    sub = add("weights", weights, "examine the weight files in use; say where to get missing ones")
    sub.add_argument(
        "action", nargs="?", choices=["adopt"], help="copy work/pretrained over weights/miniature"
    )
    return parser


def list_all(args: argparse.Namespace) -> None:
    from benchmarks.params import BENCHMARKS, method_names
    from benchmarks.params.row import reference

    for name in method_names():
        print(f"{name:<16} {reference(name)}")
    print()
    for name, text in BENCHMARKS.items():
        print(f"{name:<16} {text}")


def profile(args: argparse.Namespace) -> None:
    from benchmarks.params.profile import switch_profile

    print(switch_profile(args.name, args.params))


def list_params(args: argparse.Namespace) -> None:
    from benchmarks.params.listing import listing

    print("\n".join(listing(args.params, args.prefix)))


def values(args: argparse.Namespace) -> None:
    from benchmarks.common.files import write_json
    from benchmarks.grid.fingerprint import stage_values
    from benchmarks.params import STAGE_BLOCKS, load

    params = load(args.params)
    for stage in STAGE_BLOCKS:
        write_json(params.work / "values" / f"{stage}.json", stage_values(params, stage))


def data(args: argparse.Namespace) -> None:
    from benchmarks.common.files import clear_parts, locked, write_atomic
    from benchmarks.data.index import write_index
    from benchmarks.data.read import read_index
    from benchmarks.miniature.vggsound import build_vggsound
    from benchmarks.miniature.vggss import build_vggss
    from benchmarks.miniature.world import build
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
    params.check_weights()
    workers = args.workers or params.workers
    bench = Workbench(params)
    extract(
        bench.fingerprints.stores(),
        bench.index,
        params.work / "features",
        bench.encoders,
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

    return 0 if rehearse(args.params, args.folder, args.workers, main) else 1


def run(args: argparse.Namespace) -> int:
    from benchmarks.common.paths import below
    from benchmarks.grid.cells import prune, run_cells
    from benchmarks.grid.protocol import cells_of
    from benchmarks.params import ParamsError, load, nearest
    from benchmarks.training.distributed import ranks

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
    if (args.benchmark, args.row, args.seed) == (None, None, None):
        prune(params, args.table, args.stage, cells)
    for stage in stages:  # an empty list of rows is no error: its stage has an empty folder
        below(params.work / "records", args.table, stage).mkdir(parents=True, exist_ok=True)
    if not cells:
        logging.getLogger(__name__).info("nothing is asked of %s", args.table)
        return 0
    with ranks(params.device):
        return _failed(run_cells(params, chosen, args.workers or params.workers))


def launch(args: argparse.Namespace) -> int:
    from benchmarks.launch.command import launch

    return launch(args)


def report(args: argparse.Namespace) -> None:
    from benchmarks.params import load
    from benchmarks.report import write_report

    print(write_report(load(args.params)))


def stale(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.report import stale_rows

    params = load(args.params)
    path = params.results / PROVENANCE
    if not path.exists():
        print(f"{path}: no tables yet; make them with `dvc repro`")
        return 1
    rows = stale_rows(params, path)
    for row in rows:
        print(f"{params.results}/ is older than the code or params.yaml: {row}")
    print(f"{len(rows)} committed rows are out of date" + ("; run `dvc repro`" if rows else ""))
    return 1 if rows else 0


def speed(args: argparse.Namespace) -> int:
    if args.device:
        from benchmarks.speed import gpu

        folder = RESULTS if args.device == "cuda" else Path("work/speed")
        return 0 if gpu.run(args.params, folder, args.device, args.minutes, args.names) else 1
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


def tune(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.studies.tune import tune

    params = load(args.params)
    failures = tune(params, params.results, [args.params], args.rows)
    return _failed(failures, params.results / "tuning.md")


def dispersion(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.studies.dispersion import disperse

    params = load(args.params)
    return _failed(disperse(params, params.results), params.results / "dispersion.md")


def _failed(failures: list[str], page: Path | None = None) -> int:
    """Print the failures, or else where the tables are; returns the exit status."""
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    if page and not failures:
        print(page)
    return 1 if failures else 0


def vggss_baselines(args: argparse.Namespace) -> None:
    from benchmarks.scoring.boxes import baselines_text

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

    files = find_weights(load(args.params))
    print(weights_text(files))
    return 0 if all(file.usable for file in files) else 1
