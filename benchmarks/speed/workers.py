"""Two workers against one, on V1S cells of Table 1 that take about as long as each other."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common.closure import ROOT
from benchmarks.common.files import read_sealed, write_atomic
from benchmarks.data.index import write_index
from benchmarks.data.read import read_index
from benchmarks.features.extract import extract
from benchmarks.grid.cells import run_cells
from benchmarks.grid.protocol import cells_of
from benchmarks.grid.workbench import Workbench
from benchmarks.miniature.world import build
from benchmarks.params import Params
from benchmarks.params import build as validated
from benchmarks.params.files import read_yaml
from benchmarks.params.profile import profile_file
from benchmarks.speed.compare import Line, compare

ROWS = ("gavs", "audio_sam", "sam_fusion", "sam_fusion_film")
CLIPS = {"train": 64, "val": 8, "test": 32}
STEPS = 200  # of each cell; from the default profile's V1S
WANTED = 1.7


def lines() -> Iterator[Line]:
    """Measure the cells with one worker and with two; nothing is left of either."""
    if len(os.sched_getaffinity(0)) < 2:
        yield Line(_what(), "one", WANTED, remark="needs two cores")
        return
    level = logging.getLogger("benchmarks").level
    logging.getLogger("benchmarks").setLevel(logging.WARNING)
    try:
        with TemporaryDirectory() as folder:
            for name in ("weights", "splits"):
                (Path(folder) / name).symlink_to(ROOT / name)
            with contextlib.chdir(folder):
                params = project()
                yield compare(
                    _what(),
                    "one",
                    lambda: cells(params, 2),
                    lambda: cells(params, 1),
                    wanted=WANTED,
                    bound=0.0,
                    repeats=3,
                    seconds=60,
                    remark="wall time; the same records",
                )
    finally:
        logging.getLogger("benchmarks").setLevel(level)


def _what() -> str:
    return f"two workers, V1S cells of {len(ROWS)} rows"


def project() -> Params:
    """Make the clips and features of a small V1S in this folder; returns its parameters."""
    values = read_yaml(profile_file("quick", ROOT / "params.yaml"))
    values["world"] = {"clips": {"v1s": CLIPS}}
    values["data"]["labels"] = ["v1s"]
    values["training"] |= {"selection": "last"}
    values["benchmarks"]["v1s"]["training"]["steps"] = STEPS
    published, operators = list(ROWS[1:3]), list(ROWS[3:])
    lists = {"published": published, "controlled": [], "gavs": ["gavs"], "operators": operators}
    values["tables"]["table1"] |= {"benchmarks": ["v1s"], **lists}
    params = validated(values)
    assert params.world is not None
    build(params.data.root, params.world, params.workers)
    index = read_index(params.data, params.workers)
    write_atomic(params.work / "index.csv", write_index(index))
    bench, features = Workbench(params), params.features
    extract(
        bench.fingerprints.stores(),
        bench.index,
        params.work / "features",
        bench.encoders,
        features.batch_size,
        params.workers,
    )
    return params


def cells(params: Params, workers: int) -> list[float]:
    """Train and score the cells anew; returns their mIoU.

    Raises:
        RuntimeError: one failed.
    """
    for name in ("models", "runs", "records"):
        shutil.rmtree(params.work / name, ignore_errors=True)
    asked = [c for row in ROWS for c in cells_of(params, "table1", row) if c.setting == "train"]
    if failures := run_cells(params, asked, workers):
        raise RuntimeError("; ".join(failures))
    paths = sorted((params.work / "records").rglob("*.json"))
    return [read_sealed(path)["headline"]["value"] for path in paths]
