"""The command line of the package: `python -m splits --help`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from splits import audit, avs_v3, fractions, vggsound, vggss_sub
from splits.files import SplitError, read_table, write_csv
from splits.tables import LABELS, read_metadata, videos, without_videos
from splits.vggss_boxes import read_annotations

HERE = Path(__file__).parent
EPILOG = """\
the lists of a paper, from public files alone:
  python -m splits avs-v3 --metadata metadata.csv --out lists/v3
  python -m splits vggss-sub --annotations vggss.json --metadata metadata.csv --out lists/sub
  python -m splits fractions --metadata metadata.csv --out lists/fractions
  python -m splits audit --metadata metadata.csv --annotations vggss.json --out lists/audit

what localisers learn from, of which VGG-SS tests nothing (put the lists into data.vggsound.root):
  python -m splits vggsound --table vggsound.csv --annotations vggss.json --out lists/vggsound

the released AVS-V3 lists, repaired, beside ours (lists/v3/official):
  python -m splits avs-v3 --metadata metadata.csv --official DIR --out lists/v3

the same lists without a test clip whose video was learned from:
  python -m splits audit --metadata metadata.csv --out lists/audit --strict

metadata.csv is AVSBench-semantic's; classes are checked by a label2idx.json beside it.
The same input gives the same files. splits/README.md says what each definition is and why.
"""


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        args.command(args)
    except (SplitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m splits",
        description="The lists of clips behind Tables 2 to 4 and Figure 3, and their leaks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def options() -> argparse.ArgumentParser:  # that several commands share
        return argparse.ArgumentParser(add_help=False)

    def add(
        name: str, command: Callable, *shared: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        text = command.__doc__
        sub = commands.add_parser(name, help=text, description=text, parents=shared)
        sub.set_defaults(command=command)
        sub.add_argument("--out", type=Path, required=True, metavar="DIR")
        return sub

    metadata, annotations, unseen, labels, shots = (options() for _ in range(5))
    default = "default: %(default)s"
    metadata.add_argument("--metadata", type=Path, required=True, help="AVSBench-semantic's CSV")
    metadata.add_argument("--draws", type=_positive, default=10, metavar="N", help=default)
    annotations.add_argument("--annotations", type=Path, required=True, help="vggss.json")
    unseen.add_argument(
        "--unseen",
        type=Path,
        default=HERE / "avs_v3_unseen.csv",
        metavar="FILE",
        help="CSV with a column a_obj (strings) or class; default: the release's 15 strings",
    )
    unseen.add_argument("--official", type=Path, metavar="DIR", help="the released CSVs")
    labels.add_argument(
        "--labels",
        type=Path,
        default=HERE / "vggss_labels.csv",
        metavar="FILE",
        help="CSV label,class; default: the hand-checked map of all 221 labels",
    )
    labels.add_argument("--min-clips", type=_positive, default=15, metavar="N", help=default)
    shots.add_argument("--shots", type=_positive, nargs="+", default=[1, 3, 5], help=default)

    add("avs-v3", make_avs_v3, metadata, unseen, shots)
    add("vggss-sub", make_vggss_sub, metadata, annotations, labels, shots)
    sub = add("fractions", make_fractions, metadata)
    sub.add_argument("--benchmark", default="v2", choices=LABELS, help=default)
    sub.add_argument("--fractions", type=float, nargs="+", default=[0.1, 0.3, 0.5], help=default)
    sub = add("vggsound", make_vggsound, annotations)
    sub.add_argument("--table", type=Path, required=True, help="vggsound.csv, all of VGG-Sound")
    sub.add_argument(
        "--heard",
        type=Path,
        default=HERE / "vggss_heard.csv",
        metavar="FILE",
        help="CSV label,group; default: the 110 heard and 110 unheard labels of EZ-VSL's lists",
    )
    sub.add_argument(
        "--clips",
        type=_positive,
        metavar="N",
        help="clips per list, e.g. 144000; heard.txt stays whole if it has fewer; default: all",
    )
    sub = add("audit", make_audit, metadata, unseen, labels, shots)
    sub.add_argument("--annotations", type=Path, help="vggss.json")
    sub.add_argument(
        "--training-list",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="VGG-SS ids that other systems learned from, one per line",
    )
    sub.add_argument(
        "--strict",
        action="store_true",
        help="drop every such test clip, audit what is left, write its lists into DIR/strict",
    )
    return parser


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return int(text)


def _metadata(args: argparse.Namespace):
    metadata, repairs = read_metadata(args.metadata)
    for repair in repairs:
        print(f"repaired {args.metadata.name}: {repair}")
    return metadata


def _v3(args: argparse.Namespace, metadata) -> dict[str, avs_v3.AvsV3]:
    unseen = avs_v3.read_unseen(args.unseen)
    lists = {"V3": avs_v3.split(metadata, *unseen, range(args.draws), args.shots)}
    if args.official:
        released, repairs = avs_v3.official(args.official, metadata, *unseen, args.shots)
        for repair in repairs:
            print(f"repaired {repair}")
        lists["V3 official"] = released
    return lists


def _write_v3(lists: dict[str, avs_v3.AvsV3], folder: Path) -> None:
    for name, split in lists.items():
        avs_v3.write(split, folder / "official" if name.endswith("official") else folder)


def _annotations(args: argparse.Namespace):
    annotations, repairs = read_annotations(args.annotations)
    for repair in repairs:
        print(f"repaired {args.annotations.name}: {repair}")
    return annotations


def _sub(args: argparse.Namespace, metadata, annotations) -> vggss_sub.VggssSub:
    learned = set(videos(metadata[metadata.label == "v2"]))
    classes = {token for a_obj in metadata.a_obj for token in a_obj.split("_")}
    labels = read_table(args.labels, ["label", "class"])
    return vggss_sub.split(
        annotations, labels, learned, range(args.draws), args.shots, args.min_clips, classes
    )


def make_avs_v3(args: argparse.Namespace) -> None:
    """lists of AVS-V3: seen folds, unseen test, k-shot draws"""
    lists = _v3(args, _metadata(args))
    _write_v3(lists, args.out)
    for name, s in lists.items():
        sizes = ", ".join(f"{part} {len(getattr(s, part))}" for part in avs_v3.PARTS)
        print(f"{name}: {sizes}; {len(s.shots)} draw(s) in {args.out}")


def make_vggss_sub(args: argparse.Namespace) -> None:
    """lists of VGG-SS-Sub: novel labels, shots, control, test"""
    sub = _sub(args, _metadata(args), _annotations(args))
    vggss_sub.write(sub, args.out)
    for group, clips in sub.clips.groupby("group"):
        print(f"{group}: {clips.label.nunique()} labels, {len(clips)} clips")
    print(f"{len(sub.shots)} draw(s) in {args.out}")


def make_fractions(args: argparse.Namespace) -> None:
    """nested parts of a training set, for Figure 3"""
    metadata = _metadata(args)
    train = metadata[(metadata.label == args.benchmark) & (metadata["split"] == "train")]
    for draw in range(args.draws):
        for fraction, rows in fractions.split(train, args.fractions, draw).items():
            write_csv(rows, args.out / str(draw) / f"{fraction}.csv")
    print(f"{args.draws} draw(s) of {len(train)} clips in {args.out}")


def make_vggsound(args: argparse.Namespace) -> None:
    """lists of VGG-Sound to learn localising from, without VGG-SS's videos: all and heard"""
    clips = vggsound.read_clips(args.table)
    tests = _annotations(args).file.tolist()
    lists = {
        "train": vggsound.clean_list(clips, tests),
        "heard": vggsound.heard_list(clips, tests, vggsound.read_heard(args.heard)["heard"]),
    }
    for name, files in lists.items():
        # The published counts are for all labels; half of the labels have fewer clips.
        count = min(args.clips, len(files)) if args.clips and name == "heard" else args.clips
        drawn = vggsound.draw(files, count) if count else files
        vggsound.write_list(drawn, args.out / f"{name}.txt")
        print(f"{args.out / name}.txt: {len(drawn)} of {len(files)} clips")


def make_audit(args: argparse.Namespace) -> None:
    """report splits.md: test clips whose video is learned from"""
    metadata = _metadata(args)
    v3 = _v3(args, metadata)
    vggss = _annotations(args) if args.annotations else None
    sub = None if vggss is None else _sub(args, metadata, vggss)
    lists = {path.name: vggsound.read_list(path) for path in args.training_list}
    if args.strict:
        folder = args.out / "strict"
        v3 = {name: avs_v3.strict(split) for name, split in v3.items()}
        if vggss is not None:
            vggss = without_videos(vggss, metadata[metadata.label == "v2"])
            write_csv(vggss[["file", "label"]], folder / "vggss.csv")
        metadata = audit.strict_metadata(metadata)
        write_csv(metadata, folder / "metadata.csv")
        _write_v3(v3, folder / "v3")
    leaks = audit.audit(metadata, v3, vggss, sub, lists)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "splits.md").write_text(audit.markdown(leaks), encoding="utf-8")
    leaking = sum(bool(leak.clips) for leak in leaks)
    print(f"{len(leaks)} pairs, {leaking} with shared videos: {args.out / 'splits.md'}")


if __name__ == "__main__":
    sys.exit(main())
