"""The command line: `python -m splits --help`."""

import argparse
import sys
from pathlib import Path

from splits import audit, avs_v3, fractions, vggss_sub
from splits._shared import SplitError, read_metadata, read_table, videos, without_videos, write_csv
from splits.vggss_boxes import read_annotations

HERE = Path(__file__).parent
EPILOG = """\
the lists of a paper, from public files alone:
  python -m splits avs-v3 --metadata metadata.csv --out lists/v3
  python -m splits vggss-sub --annotations vggss.json --metadata metadata.csv --out lists/sub
  python -m splits fractions --metadata metadata.csv --out lists/fractions
  python -m splits audit --metadata metadata.csv --annotations vggss.json --out lists/audit

the released AVS-V3 lists, repaired, beside ours (lists/v3/official):
  python -m splits avs-v3 --metadata metadata.csv --official DIR --out lists/v3

the same lists without a test clip whose video was learned from:
  python -m splits audit --metadata metadata.csv --out lists/audit --strict

metadata.csv is AVSBench-semantic's; label2idx.json beside it, if there, tells unknown classes.
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
        description="The lists of clips behind Tables 2 and 4 and Figure 3, and their leaks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("--metadata", type=Path, required=True, help="AVSBench-semantic's CSV")
        sub.add_argument("--out", type=Path, required=True, metavar="DIR")
        sub.add_argument(
            "--draws", type=_positive, default=10, metavar="N", help="default: %(default)s"
        )
        return sub

    def with_unseen(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--unseen",
            type=Path,
            default=HERE / "avs_v3_unseen.csv",
            metavar="FILE",
            help="CSV with a column a_obj (strings) or class; default: the release's 15 strings",
        )
        sub.add_argument("--official", type=Path, metavar="DIR", help="the released CSVs")

    def with_sub(sub: argparse.ArgumentParser, required: bool) -> None:
        sub.add_argument("--annotations", type=Path, required=required, help="vggss.json")
        sub.add_argument(
            "--labels",
            type=Path,
            default=HERE / "vggss_labels.csv",
            metavar="FILE",
            help="CSV label,class; default: the hand-checked map of all 221 labels",
        )
        sub.add_argument("--min-clips", type=_positive, default=15, help="default: %(default)s")

    def with_shots(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--shots", type=_positive, nargs="+", default=[1, 3, 5], help="default: 1 3 5"
        )

    sub = add("avs-v3", make_avs_v3, "AVS-V3: seen folds, unseen test, k-shot draws")
    with_unseen(sub)
    with_shots(sub)
    sub = add("vggss-sub", make_vggss_sub, "VGG-SS-Sub: novel labels, shots, control, test")
    with_sub(sub, required=True)
    with_shots(sub)
    sub = add("fractions", make_fractions, "nested parts of a training set, for Figure 3")
    sub.add_argument("--benchmark", default="v2", choices=["v1s", "v1m", "v2"], help="default: v2")
    sub.add_argument(
        "--fractions", type=float, nargs="+", default=[0.1, 0.3, 0.5], help="default: 0.1 0.3 0.5"
    )
    sub = add("audit", make_audit, "splits.md: what is tested after its video was learned from")
    with_unseen(sub)
    with_sub(sub, required=False)
    with_shots(sub)
    sub.add_argument(
        "--training-list",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="VGG-SS ids that other systems learned from, one a line",
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
    found = {"V3": avs_v3.split(metadata, *unseen, range(args.draws), args.shots)}
    if args.official:
        released, repairs = avs_v3.official(args.official, metadata, *unseen, args.shots)
        for repair in repairs:
            print(f"repaired {repair}")
        found["V3 official"] = released
    return found


def _write_v3(found: dict[str, avs_v3.AvsV3], folder: Path) -> None:
    for name, split in found.items():
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
    found = _v3(args, _metadata(args))
    _write_v3(found, args.out)
    for name, s in found.items():
        sizes = ", ".join(f"{part} {len(getattr(s, part))}" for part in avs_v3.PARTS)
        print(f"{name}: {sizes}; {len(s.shots)} draw(s) in {args.out}")


def make_vggss_sub(args: argparse.Namespace) -> None:
    sub = _sub(args, _metadata(args), _annotations(args))
    vggss_sub.write(sub, args.out)
    for group, clips in sub.clips.groupby("group"):
        print(f"{group}: {clips.label.nunique()} labels, {len(clips)} clips")
    print(f"{len(sub.shots)} draw(s) in {args.out}")


def make_fractions(args: argparse.Namespace) -> None:
    metadata = _metadata(args)
    train = metadata[(metadata.label == args.benchmark) & (metadata["split"] == "train")]
    for draw in range(args.draws):
        for fraction, rows in fractions.split(train, args.fractions, draw).items():
            write_csv(rows, args.out / str(draw) / f"{fraction}.csv")
    print(f"{args.draws} draw(s) of {len(train)} clips in {args.out}")


def make_audit(args: argparse.Namespace) -> None:
    metadata = _metadata(args)
    v3 = _v3(args, metadata)
    vggss = _annotations(args) if args.annotations else None
    sub = None if vggss is None else _sub(args, metadata, vggss)
    lists = {path.name: audit.read_list(path) for path in args.training_list}
    if args.strict:
        folder = args.out / "strict"
        v3 = {name: avs_v3.strict(split) for name, split in v3.items()}
        if vggss is not None:
            vggss = without_videos(vggss, metadata[metadata.label == "v2"])
            write_csv(vggss[["file", "label"]], folder / "vggss.csv")
        metadata = audit.strict_metadata(metadata)
        write_csv(metadata, folder / "metadata.csv")
        _write_v3(v3, folder / "v3")
    found = audit.audit(metadata, v3, vggss, sub, lists)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "splits.md").write_text(audit.markdown(found), encoding="utf-8")
    leaking = sum(bool(finding.clips) for finding in found)
    print(f"{len(found)} pairs, {leaking} with shared videos: {args.out / 'splits.md'}")


if __name__ == "__main__":
    sys.exit(main())
