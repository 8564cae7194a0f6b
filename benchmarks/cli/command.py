"""Commands that need several rooms; those of one room are in its `command.py`."""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.params import Params

RESULTS = Path("results")
PRETRAINED = Path("work/pretrained")


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
    from benchmarks.cli.stages import check_records
    from benchmarks.common.files import write_json
    from benchmarks.grid.fingerprint import stage_values
    from benchmarks.params import STAGE_BLOCKS, load

    params = load(args.params)
    check_records(params.work / "records")
    for stage in STAGE_BLOCKS:
        write_json(params.work / "values" / f"{stage}.json", stage_values(params, stage))


def data(args: argparse.Namespace) -> None:
    from benchmarks.common.files import clear_parts, locked, write_atomic
    from benchmarks.data.index import write_index
    from benchmarks.data.read import read_index
    from benchmarks.params import load

    params = load(args.params)
    workers, path = args.workers or params.workers, params.shared / "index.csv"
    with locked(params.shared / "data.lock", "data"):
        clear_parts(params.shared)
        if params.world is not None:  # real data are read without the extra `train`
            from benchmarks.miniature.vggsound import build_vggsound
            from benchmarks.miniature.vggss import build_vggss
            from benchmarks.miniature.world import build

            build(params.data.root, params.world, workers, path)
            if params.data.vggss is not None:
                build_vggss(params.data.vggss, params.data.root, params.world, workers, path)
            if (sound := params.data.vggsound) is not None:
                build_vggsound(sound.root, params.world, workers, path, params.data.vggss)
        index = read_index(params.data, workers)
        write_atomic(path, write_index(index))
    counts = index.groupby(["benchmark", "split"], sort=False).size()
    log = logging.getLogger(__name__)
    for (benchmark, split), clips in counts.items():
        log.info("%s %s: %d clips", benchmark, split, clips)


def extract_video(args: argparse.Namespace) -> None:
    if args.layout == "lu_avs":
        from benchmarks.data.lu_avs import convert_lu_avs

        if args.annotations is None:
            raise ValueError(
                "--layout lu_avs: say where its lists and masks are: --annotations DIR"
            )
        convert_lu_avs(args.videos, args.annotations, args.out, args.workers, args.first_mask)
        return
    from benchmarks.data.video import extract_videos

    extract_videos(args.videos, args.out, args.layout, args.listed, args.workers)


def check(args: argparse.Namespace) -> int:
    from benchmarks.params import load
    from benchmarks.preflight.check import check

    return 0 if check(load(args.params)) else 1


def estimate(args: argparse.Namespace) -> None:
    from benchmarks.common.files import write_atomic
    from benchmarks.params.files import read_values
    from benchmarks.preflight.estimate import estimate

    text = estimate(read_values(args.params))
    if args.out:
        write_atomic(args.out, text)
    else:
        print(text)


def rehearse(args: argparse.Namespace) -> int:
    from benchmarks.cli import main
    from benchmarks.preflight.rehearse import rehearse

    return 0 if rehearse(args.params, args.folder, args.workers, main) else 1


def run(args: argparse.Namespace) -> int:
    from benchmarks.grid.command import run

    def comments(params, cells):
        from benchmarks.report.expected import published_lines

        lines = published_lines(params, cells)
        return lines if os.environ.get("DVC_STAGE") else [*lines, *_meaning(params)]

    return run(args, comments)


def report(args: argparse.Namespace) -> None:
    from benchmarks.params import load

    params = load(args.params)
    from benchmarks.report.write import write_report

    print("\n".join([str(write_report(params)), *_meaning(params)]))


def _meaning(params: "Params") -> list[str]:
    """What the smoke world's numbers mean: nothing; said once, where the graph ends."""
    from benchmarks.report.page import PROFILES

    return [f"{params.work}: {PROFILES['smoke']}"] if params.profile == "smoke" else []


def stale(args: argparse.Namespace) -> int:
    from benchmarks.common.remedy import spelled
    from benchmarks.params import load
    from benchmarks.report.provenance import stale_rows
    from benchmarks.report.study import MANIFEST

    params = load(args.params)
    path = params.results / MANIFEST
    if not path.exists():
        print(spelled(f"{path}: no tables yet; make them with `dvc repro`"))
        return 1
    rows = stale_rows(params, path)
    for row in rows:
        print(f"{params.results}/ is older than the code or {args.params}: {row}")
    remedy = spelled("; run `dvc repro`") if rows else ""
    print(f"{len(rows)} committed rows are out of date{remedy}")
    return 1 if rows else 0


def spent(args: argparse.Namespace) -> int:
    from benchmarks.grid.spent import spent
    from benchmarks.params import load

    print(spent(load(args.params)))
    return 0


def speed(args: argparse.Namespace) -> int:
    if args.device:
        from benchmarks.speed import gpu

        folder = RESULTS if args.device == "cuda" else Path("work/speed")
        return 0 if gpu.run(args.params, folder, args.device, args.minutes, args.names) else 1
    from benchmarks.speed import run

    return 0 if run(args.names, RESULTS, args.minutes) else 1


def score(args: argparse.Namespace) -> None:
    from benchmarks.common.tables import number
    from benchmarks.scoring.files import score_folders

    scores, headline = score_folders(args.predictions, args.masks, args.workers)
    for name, value in headline.items():
        print(f"{name:<24} {number(value, decimals=0 if isinstance(value, int) else 4)}")
    if args.all_rules:
        from benchmarks.scoring.rosetta import rosetta

        print(rosetta(scores).to_string(index=False))


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
    from benchmarks.common.remedy import spelled
    from benchmarks.params import load
    from benchmarks.preflight.weights import find_weights, weights_text

    files = find_weights(load(args.params))
    print(spelled(weights_text(files)))
    return 0 if all(file.usable for file in files) else 1
