"""Words and options of every command."""

import argparse
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.data import VIDEO_LAYOUTS
from benchmarks.experiments import SPECS
from benchmarks.predictions.layouts import LAYOUTS

REHEARSAL = Path("work/rehearsal")
MOST_WORKERS = 4096
MODELS = Path("weights/models")  # where `gavs.load_model` looks
LEARNED_FROM = ["v1s", "v1m", "v2", "v3", "vggsound"]

RESUMED = (  # commands that find what they had finished when they were interrupted
    *("data", "extract-video", "features", "rehearse", "run", "launch", "pretrain"),
    *("tune", "budget", "dispersion"),
)
FUNCTIONS = {"list": "list_all", "params": "list_params", "import": "import_predictions"}
PREDICTED = ["v1s", "v1m", "v2", "v3", "vggss"]

EPILOG = """\
the loop of daily use:
  dvc repro                                  all that params.yaml asks for and isn't finished
  $EDITOR params.yaml; dvc repro             only what the edit touches runs again
  less results/tables.md

what can be edited:
  python -m benchmarks params                every knob: its value, and the default if the file sets
                                             it; params methods.gavs lists one block
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

IMPORT = """\
The layouts, each with frames of any size (others than the mask's are resized, and reported):

  suite                 UID/FRAME.png (8 or 16 bit grey), .npy or .npz: probabilities; FRAME from 0
  avsbench, avsegformer UID/UID_0.png, in a folder of the class or not: binary masks, as the next
  gavs                  UID/0.png
  combo, vct            the names of the frames: UID/UID_1.png, UID.mp4_1.png, UID/0.png
  tavis                 UID/UID_1.png

Every scored frame of the test must be there once, and no file of another clip; what is wrong is
listed. UID may be the video's id where the test has one clip of it. VGG-SS: UID.png, heat maps.

It prints the figures with intervals over videos and a line of LaTeX, and writes record, table
(.tex) and page (.html: each clip to look at and listen to) to work/PROFILE/imported/NAME. It needs
the index of the clips, which `data` makes, and nothing of the extra `train`.
"""

COMPARE = """\
A and B are each one of: a row with records (gavs, or an imported one), a folder of records, a run's
folder, a folder of predictions (with --benchmark); or both are states of the tables: a git
revision, or . for the working tree.

  python -m benchmarks compare gavs tpavi_sam
  python -m benchmarks compare . HEAD
"""

EXTRACT = """\
--videos is a folder of video files, in any subfolders, each trimmed to its clip and
named as the data set names the clip. Clips that are extracted already are skipped.

  --layout avsbench   --out has metadata.csv and AVSBench's masks; frames and sound go beside them
  --layout vggss      --out gets frames/ and audio/ of the clips that its vggss.json names, or of
                      the ids in --list, one per line (VGG-Sound)
  --layout lu_avs     --out gets clips of AVSBench-semantic's layout, label v2: ten seconds of each
                      video that the lists name, seg_{train,val,test}.json in --annotations, where
                      the masks are too

Videos that can't be used are listed at the end with the reason, after all others are done.
"""


def _count(text: str) -> int:
    """Parse a number of processes."""
    if not text.isdecimal() or not 0 < int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 1 to {MOST_WORKERS}")
    return int(text)


def _seed(text: str) -> int:
    """Parse a training's seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0")
    return int(text)


def command_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="GAVS and its rivals on audio-visual segmentation: data, runs, tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = "before COMMAND; default: %(default)s"
    whole.add_argument("--params", type=Path, default=Path("params.yaml"), help=text)
    whole.add_argument("--copy-of", type=Path, help=argparse.SUPPRESS)  # whose copy a launch made
    verbose = "a line per epoch and validation of each training too"
    whole.add_argument("-v", "--verbose", action="store_true", help=verbose)
    subparsers = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, room: str = "cli", **options) -> argparse.ArgumentParser:
        if "epilog" in options:
            options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        sub = subparsers.add_parser(name, help=text, description=text, **options)
        sub.set_defaults(command=_of(room, name), resumed=name in RESUMED)
        return sub

    add("list", "list every method (with its paper) and benchmark, one per line")
    sub = add("profile", "make another profile params.yaml; profiles/ gets the current one")
    sub.add_argument("name", help="smoke, quick, miniature, paper or another of profiles/")
    sub = add("params", "list every knob: its value, and the default of those that are set")
    sub.add_argument("prefix", nargs="?", default="", help="only this block, e.g. methods.gavs")
    add("values", "write down what the other stages depend on, for DVC")
    sub = add("data", "build the miniature world if there is one; check and index clips")
    sub.add_argument("--workers", type=_count, help="default: params.yaml's")
    sub = add(
        "extract-video",
        "extract frames and sound of raw videos; resumes where it was stopped",
        epilog=EXTRACT,
    )
    sub.add_argument("--videos", type=Path, required=True, metavar="DIR")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub.add_argument("--layout", choices=VIDEO_LAYOUTS, required=True)
    sub.add_argument("--list", type=Path, dest="listed", metavar="FILE")
    sub.add_argument("--annotations", type=Path, metavar="DIR")
    sub.add_argument("--first-mask", type=int, default=0, help="of lu_avs: its file's number")
    sub.add_argument("--workers", type=_count, default=os.cpu_count(), help="default: all cores")
    sub = add("features", "fill the feature stores; resumes where it was stopped", "grid")
    sub.add_argument("--workers", type=_count, help="default: params.yaml's")
    add("check", "find all faults before hours of work, and estimate the costs")
    text = "cost of the real data's tiers, without data, and the published schedules"
    sub = add("estimate", text)
    sub.add_argument("--out", type=Path, metavar="FILE", help="default: print it")
    sub = add("rehearse", "run every stage of the paper profile on a few clips of noise")
    sub.add_argument("--folder", type=Path, default=REHEARSAL, help="default: %(default)s")
    sub.add_argument("--workers", type=_count, default=1, help="default: %(default)s")
    sub = add("run", "train and score cells; finished ones cost nothing")
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
    sub.add_argument(
        *("-v", "--verbose"), action="store_true", default=argparse.SUPPRESS, help=verbose
    )
    sub.add_argument("--seed", type=int, help="only this one")
    sub.add_argument(
        "--workers", type=_count, help="default: params.yaml's; never changes a result"
    )
    text = "write each cell's probabilities of its test, as `score` and `import` read them"
    sub.add_argument("--dump", type=Path, metavar="DIR", help=text)
    sub = add("launch", "run cells in parallel, on this machine or a cluster", "launch")
    sub.add_argument("tables", nargs="*", metavar="TABLE", help="default: all")
    sub.add_argument("--row", help="only jobs of this row, with the jobs that they need")
    sub.add_argument("--benchmark", help="only jobs of this benchmark, likewise")
    sub.add_argument("--seed", type=int, help="only jobs of this seed, likewise")
    sub.add_argument("--on", choices=["local", "slurm"], help="where: this machine, or a cluster")
    sub.add_argument("--dry-run", action="store_true", help="only say what would be launched")
    sub.add_argument("--jobs", type=int, help="at the same time; default: params.yaml's")
    sub.add_argument("--status", action="store_true", help="show what is done, queued, failed")
    sub.add_argument("--cancel", action="store_true", help="end the launched jobs")
    add("report", "write tables and figures from the records that exist")
    sub = add("speed", "compare each fast path with its reference, into results/speed.md")
    sub.add_argument("names", nargs="*", metavar="NAME", help="a module of speed; default: all")
    sub.add_argument(
        "--device",
        choices=["cuda", "cpu"],
        help="measure a GPU, into results/gpu.md; NAME: a table; cpu: tiny, into work/speed",
    )
    sub.add_argument("--minutes", type=float, default=10, help="at most; default: %(default)s")
    add(
        "stale",
        "list committed rows older than the code and parameters behind them; fails if any is",
    )
    add("spent", "list the seconds of finished cells by table, benchmark and method")
    sub = add("score", "score probability maps of any origin", epilog=SCORE)
    sub.add_argument("--predictions", type=Path, required=True, metavar="DIR")
    sub.add_argument("--masks", type=Path, required=True, metavar="DIR")
    sub.add_argument("--all-rules", action="store_true", help="under each repository's rule too")
    sub.add_argument("--workers", type=_count, default=os.cpu_count(), help="default: all cores")
    sub = add(
        "import", "score anyone's predictions as a row of the tables", "predictions", epilog=IMPORT
    )
    sub.add_argument("folder", type=Path, metavar="DIR")
    sub.add_argument("--as", dest="name", required=True, metavar="NAME", help="of the row")
    sub.add_argument("--table", help="table1, table2 or table3; default: the benchmark's")
    sub.add_argument("--seed", type=_seed, default=0, help="trained with; default: %(default)s")
    _add_submission(sub)
    sub = add(
        "compare",
        "difference of two rows, runs, folders or revisions, paired by video",
        "predictions",
        epilog=COMPARE,
    )
    sub.add_argument("first", metavar="A")
    sub.add_argument("second", metavar="B")
    sub.add_argument("--by-class", action="store_true", help="the classes that differ most too")
    sub.add_argument("--controls", action="store_true", help="wrong sound and silence too")
    sub.add_argument("--json", action="store_true", help="as JSON: every class too, 0 to 1")
    sub.add_argument("--seed", type=_seed, default=0, help="of folders of predictions")
    _add_submission(sub)
    sub = add("card", "make a row's result card, or check cards", "predictions")
    text = "a row; with --check cards, or folders of cards"
    sub.add_argument("names", nargs="*", metavar="NAME", help=text)
    text = "count again, from a checkpoint beside the card too; default: all of cards/"
    sub.add_argument("--check", action="store_true", help=text)
    sub = add(
        "export", "write a trained row as one file for `python -m gavs predict`", "predictions"
    )
    _add_row(sub, "?")
    sub.add_argument("--all", action="store_true", help="every row of Table 1, with cards")
    out = "a file or a folder; default: %(default)s"
    sub.add_argument("--out", type=Path, default=MODELS, metavar="PATH", help=out)
    text = "write a trained row's probabilities of a clip set, as `score` reads them"
    sub = add("predict", text, "grid")
    _add_row(sub, None)
    sub.add_argument("--clips", metavar="SET", help="e.g. v2/val or vggss/all; default: its test")
    sub.add_argument("--format", choices=["npy", "png"], default="npy", help="default: %(default)s")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub = add(
        "tune",
        "try learning rates per method on val, write the best into params.yaml (hours)",
        "studies",
    )
    sub.add_argument("rows", nargs="*", metavar="METHOD", help="default: all")
    text = "train Table 1's rows with half and twice the updates (hours, or in parts)"
    sub = add("budget", text, "studies")
    sub.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="default: Table 1's")
    sub.add_argument("--benchmarks", nargs="+", default=[], metavar="NAME", help="default: all")
    text = "of the updates; default: 0.5 1 2"
    sub.add_argument("--times", nargs="+", type=float, default=[], metavar="X", help=text)
    sub.add_argument("--seeds", nargs="+", type=int, default=[], help="default: the profile's")
    text = "read no test score, for the choice of a budget; writes budget_validation.*"
    sub.add_argument("--validation-only", action="store_true", help=text)
    add(
        "dispersion",
        "find orderings that survive other SAM weights, precision and scenes (an hour)",
        "studies",
    )
    add(
        "without-ears",
        "score rules that see the miniature's outlines and don't hear (a minute)",
        "studies",
    )
    sub = add("vggss-baselines", "score trivial predictors on the boxes of VGG-SS")
    sub.add_argument("--annotations", type=Path, required=True, metavar="vggss.json")
    sub = add("pretrain", "train the miniature's encoders into work/pretrained (an hour)")
    sub.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="sam, sam_aux0, vggish, vggish_pca (of the adopted vggish), pvt, resnet; default: all",
    )
    sub = add("weights", "examine the weight files in use; say where to get missing ones")
    sub.add_argument(
        "action", nargs="?", choices=["adopt"], help="copy work/pretrained over weights/miniature"
    )
    return whole


def _add_row(sub: argparse.ArgumentParser, nargs: str | None) -> None:
    """Add the words that name a trained model."""
    text = "a method or variant; trained first unless it is finished"
    sub.add_argument("row", nargs=nargs, help=text)
    sub.add_argument("benchmark", nargs=nargs, choices=LEARNED_FROM, help="that it learned from")
    sub.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def _add_submission(sub: argparse.ArgumentParser) -> None:
    """Add the words that say what a folder of predictions holds."""
    text = "whose test it is of; of rows that are compared, the only one"
    sub.add_argument("--benchmark", choices=PREDICTED, help=text)
    text = "binary masks, lit where they aren't 0: colours and arrays of any numbers too"
    sub.add_argument("--masks", action="store_true", help=text)
    sub.add_argument("--layout", choices=LAYOUTS, default="suite", help="default: %(default)s")
    sub.add_argument("--workers", type=_count, default=os.cpu_count(), help="default: all cores")


def _of(room: str, name: str) -> Callable[[argparse.Namespace], int | None]:
    """A command of a room's `command.py`, which is imported when it runs."""
    function = FUNCTIONS.get(name, name.replace("-", "_"))
    return lambda args: getattr(import_module(f"benchmarks.{room}.command"), function)(args)
