"""The command line: `python -m gavs --help`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gavs.extras import missing_extra
from gavs.reading import shown

N = TypeVar("N", int, float)
EPILOG = """\
what goes in:
  A checkpoint is one file: the trained part of a method, and which SAM and VGGish it needs. It is
  made from a trained row of the benchmark, any of them:
    python -m benchmarks export gavs v2 --seed 0 --out gavs.safetensors
  --method NAME --benchmark B means NAME-B.safetensors in --folder.
  The encoders' weights are read from the paths that the checkpoint recorded, from beside it, or
  from --sam and --vggish; they must be the very files that it was trained with.

  A video is taken as AVSBench takes one: a frame a second, 15/16 into it, with the sound of that
  second. --fps takes more or fewer frames. Any rate and number of channels of sound will do.
  A video's default tracks are taken, and named where there are several. A name that begins with
  "-" is taken where there is such a file; else write --image=-ID.jpg.
  Several images are frames of consecutive seconds of the sound, by the numbers that end their
  names, without a gap, or as they are given if none has one; the first one lies in --second.
  --clips is a folder of clips: videos, or folders with frames/ and one sound, as AVSBench's. All
  are read before the first is predicted; what is no clip is passed over and named.

what comes out, in DIR:
  masks/NAME.png          white where something sounds, at the frame's own size
  overlays/NAME.png       the frame with the mask in colour
  probabilities/NAME.png  of 16 bits, or .npy, with --probabilities: what `python -m benchmarks
                          score` reads
  VIDEO.mp4               for --video: all frames with the masks in colour, and its sound
  NAME is the image's, or the frame's number, from 00000; with --clips, CLIP/NAME.
  The same command may be run again into DIR; masks of other inputs there are an error.

examples:
  python -m gavs predict --checkpoint gavs.safetensors --video dog.mp4 --out out
  python -m gavs predict --method avsegformer_sam --benchmark v2 --clips DIR --out out
  python -m gavs predict --checkpoint gavs.safetensors --out out \\
      --image CLIP/frames/*.jpg --audio CLIP/audio.wav
"""


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    words = sys.argv[1:] if arguments is None else arguments
    # VGG-Sound's ids may begin with "-": what names a file is no option.
    args = parser.parse_args([f"./{a}" if a[:1] == "-" and Path(a).exists() else a for a in words])
    if (args.image is None) != (args.audio is None):
        parser.error("--image and --audio go together")
    if (args.method is None) != (args.benchmark is None):
        parser.error("--method and --benchmark go together")
    if args.folder and not args.method:
        parser.error("--folder is where the file of --method is looked for; --checkpoint is a path")
    if args.second and not args.image:
        parser.error(
            "--second says where an image lies in --audio; a video or clip knows that itself"
        )
    try:
        predict(args)
    except (OSError, ValueError) as error:
        lines = f"error: {error}".split("\n")
        print("\n".join(map(shown, lines)), file=sys.stderr)
        return 1
    except ImportError as error:
        if (line := missing_extra(error)) is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what is written is whole", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gavs", description="Which pixels of a picture make the sound."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "masks of what sounds in a video, in images with a sound, or in a folder of clips"
    sub = commands.add_parser(
        "predict",
        help=text,
        description=text,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    model = sub.add_mutually_exclusive_group(required=True)
    model.add_argument("--checkpoint", type=Path, metavar="FILE")
    model.add_argument("--method", metavar="NAME", help="row of a table, e.g. gavs")
    sub.add_argument("--benchmark", metavar="B", help="that --method learned from, e.g. v1m")
    sub.add_argument("--folder", type=Path, metavar="DIR", help="default: weights/models")
    source = sub.add_mutually_exclusive_group(required=True)
    source.add_argument("--video", type=Path, metavar="FILE")
    source.add_argument(
        "--image",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="frames of consecutive seconds, by the numbers that end their names, without a gap",
    )
    source.add_argument("--clips", type=Path, metavar="DIR", help="a folder of clips")
    sub.add_argument("--audio", type=Path, metavar="FILE", help="the sound of the images")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub.add_argument("--sam", type=Path, metavar="FILE", help="default: as the checkpoint says")
    sub.add_argument("--vggish", type=Path, metavar="FILE", help="default: as the checkpoint says")
    sub.add_argument(
        "--threshold",
        type=_share,
        default=0.5,
        metavar="P",
        help="a pixel is lit above this probability; default: %(default)s",
    )
    sub.add_argument(
        "--probabilities",
        choices=["png", "npy"],
        help="write these too, in 16 bits or as floats of 32",
    )
    sub.add_argument(
        "--fps", type=_rate, default=1, help="frames a second of a video; default: %(default)s"
    )
    sub.add_argument(
        "--second",
        type=_count,
        default=0,
        metavar="N",
        help="of the sound, in which the first image lies; default: %(default)s",
    )
    sub.add_argument("--device", default="auto", help="cpu, cuda, or auto: cuda where there is one")
    return parser


def predict(args: argparse.Namespace) -> None:
    import torch

    from gavs.predict import Output, predict_clips, predict_images, predict_video
    from gavs.predictor import FOLDER, Predictor, model_file

    torch.backends.cudnn.allow_tf32 = False  # float32 is float32 on a GPU too
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {device}: no GPU that torch can use; cpu and auto will do")
    try:
        torch.empty(0, device=device)
    except RuntimeError as error:  # no such kind, or no such number of it
        raise ValueError(f"--device {device}: {f'{error}'.splitlines()[0]}") from None
    path = args.checkpoint or model_file(args.method, args.benchmark, args.folder or FOLDER)
    predictor = Predictor(path, args.sam, args.vggish, device)
    origin = ", ".join(f"{key} {value}" for key, value in predictor.header.origin.items())
    print(shown(f"{path}: {origin or 'no word on its training'}"))
    output = Output(args.out, args.threshold, args.probabilities)
    where = ""
    if args.video:
        masks, empty = predict_video(predictor, args.video, output, args.fps)
    elif args.clips:
        clips, masks, empty = predict_clips(predictor, args.clips, output, args.fps)
        where = f" of {clips} clips"
    else:
        masks = len(args.image)
        empty = predict_images(predictor, args.image, args.audio, output, args.second)
    print(f"{masks} masks{where} in {args.out / 'masks'}, {empty} of them empty")
    if args.video:
        print(args.out / f"{args.video.stem}.mp4")


def _share(text: str) -> float:
    return _number(text, float, lambda value: 0 <= value < 1, "a number from 0 to 1, below 1")


def _count(text: str) -> int:
    return _number(text, int, lambda value: value >= 0, "a whole number, 0 or more")


def _rate(text: str) -> float:
    return _number(text, float, lambda value: 0 < value < float("inf"), "a number above 0")


def _number(text: str, kind: type[N], fits: Callable[[N], bool], expected: str) -> N:
    """Number of an option.

    Raises:
        ArgumentTypeError: no number, or one that doesn't fit; argparse itself would name our
            function.
    """
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"{text}: expected {expected}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
