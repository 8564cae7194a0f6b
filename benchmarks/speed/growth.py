"""Growth of what is done per clip, in one process without a model: is twice as much twice the cost?

The clips are synthetic: a tenth are of one video, the others two per video, as splits and audits
must bear. `PARTS` makes the inputs of a part for so many clips and returns what is measured.
"""

import gc
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.data.index import load_index, write_index
from benchmarks.features.layout import frames_checksum
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, measure
from benchmarks.scoring.counts import FrameScores
from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.records import Key
from benchmarks.scoring.statistics import interval, sample
from benchmarks.speed.clock import seconds_of
from benchmarks.speed.compare import Line
from benchmarks.training.audio import audio_from
from splits import audit, avs_v3, fractions

CLIPS, FACTORS = 4_000, (1, 4, 16)
MOST = 1.1  # exponent
ROWS, SEEDS = 20, 5  # of scores
CLASSES, UNSEEN = 60, 8


def lines() -> Iterator[Line]:
    """Measure each part at three sizes in turn, in CPU seconds: the least of each, as in timeit."""
    for name, prepare in PARTS.items():
        calls = [prepare(CLIPS * factor) for factor in FACTORS]
        for call in calls:
            call()  # memory is taken, and what is needed once is there
        gc.collect()
        gc.disable()  # it walks all that the process holds
        try:
            rounds = [[seconds_of(call, time.process_time) for call in calls] for _ in range(3)]
        finally:
            gc.enable()
        yield growth(name, [min(column) for column in zip(*rounds, strict=True)])


def growth(what: str, costs: list[float]) -> Line:
    """Compare CPU seconds at FACTORS with a straight line, whatever the start.

    start + slope * x ** exponent goes through three points whose factors are in proportion.
    """
    first, second = np.diff(costs)
    ratio = FACTORS[1] / FACTORS[0]
    exponent = math.log(second / first, ratio) if min(first, second) > 0 else math.inf
    remark = f"the difference is the exponent; {costs[-1]:.2f} s for {CLIPS * FACTORS[-1]:,} clips"
    return Line(
        *(f"growth, {what}", "a straight line", None),
        difference=exponent,
        bound=MOST,
        remark=remark,
        points=tuple(zip(map(float, FACTORS), costs, strict=True)),
    )


def clips(n: int) -> pd.DataFrame:
    """Rows of metadata.csv, V2's split, of n clips in a shuffled order."""
    rng = np.random.default_rng(0)
    numbers = np.arange(n)
    video = np.where(numbers < n // 10, 0, numbers // 2 + 1)
    start = 10 * np.where(numbers < n // 10, numbers, numbers % 2)
    first, second = rng.integers(CLASSES, size=(2, n))
    pairs = zip(first.tolist(), second.tolist(), rng.random(n).tolist(), strict=True)
    return pd.DataFrame(
        {
            "vid": [f"{v:011}" for v in video.tolist()],
            "uid": [
                f"{v:011}_{1000 * s}_{1000 * s + 10000}"
                for v, s in zip(video.tolist(), start.tolist(), strict=True)
            ],
            "s_min": (start // 60).astype(str),
            "s_sec": (start % 60).astype(str),
            "a_obj": [f"c{a}_c{b}" if a != b and x < 0.3 else f"c{a}" for a, b, x in pairs],
            "split": rng.choice(["train", "val", "test"], n, p=[0.7, 0.1, 0.2]),
            "label": "v2",
        }
    ).sample(frac=1, random_state=0, ignore_index=True)


def index_of(n: int) -> pd.DataFrame:
    """A clip index of n clips, none of whose files exist."""
    rows = clips(n)
    return pd.DataFrame(
        {
            "uid": rows.uid,
            "video": rows.vid,
            "benchmark": "v2",
            "split": rows["split"],
            "classes": rows.a_obj,
            "frames": 10,
            "height": 720,
            "width": 1280,
            "second": 0.0,
            "frame_path": "v2/" + rows.uid + "/frames/{}.jpg",
            "mask_path": "v2/" + rows.uid + "/labels_rgb/{}.png",
            "audio_path": "v2/" + rows.uid + "/audio.wav",
            "boxes": "",
            "supervision": "all",
            "digest": rows.uid + "-" * 32,
            "checksums": rows.uid + "-" * 160,
        }
    )


def _index(n: int) -> Callable[[], Any]:
    index = index_of(n)

    def written_and_read() -> pd.DataFrame:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index.csv"
            path.write_bytes(write_index(index))
            return load_index(path)

    return written_and_read


def _splits(n: int) -> Callable[[], Any]:
    rows = clips(n)
    train = rows[rows["split"] == "train"]
    unseen = [f"c{i}" for i in range(UNSEEN)]
    return lambda: (
        avs_v3.split(rows, None, unseen, [0]),
        fractions.split(train, [0.1, 0.5, 1.0], 0),
    )


def _audit(n: int) -> Callable[[], Any]:
    rows = clips(n)
    return lambda: audit.audit(rows)


def _partners(n: int) -> Callable[[], Any]:
    index = index_of(n)
    return lambda: [audio_from(kind, index) for kind in ("shuffled", "off_screen", "other_clip")]


def _checksums(n: int) -> Callable[[], Any]:
    index = index_of(n)
    return lambda: frames_checksum(index)


def _intervals(n: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    video, ones = np.array([f"{i:011}" for i in range(n)]), np.ones(n)
    scores = [[Terms(video, rng.random(n), ones) for _ in range(SEEDS)] for _ in range(ROWS)]
    return lambda: [interval(sample(by_seed)) for by_seed in scores]


def _report(n: int) -> Callable[[], Any]:
    rows, runs = [f"row{i}" for i in range(4)], ((0, None), (1, None))
    source = Source("v2", "train", "test")
    column = Column("v2", "miou", (Part(source, "miou"),), runs, judged=True)
    stored: dict[Key, Any] = {}
    for number, (row, run) in enumerate((row, run) for row in rows for run in runs):
        scores = _scores(n, number)
        stored[source.key(row, run)] = SimpleNamespace(
            record=SimpleNamespace(evaluations=["test"]),
            scores=lambda scores=scores: {"test": scores},
        )
    return lambda: measure("figure3", Ledger(stored), [Block(rows, [column])], rows[0])


def _scores(n: int, seed: int) -> FrameScores:
    rng = np.random.default_rng(seed)
    names = np.array([f"{i:011}" for i in range(n)])
    union = rng.integers(1, 1000, size=(n, 1))
    hits = (union * rng.random((n, 1))).astype(int)
    full, whole = np.full(n, 10), np.full(n, 4096)
    none = np.broadcast_to(np.uint8(0), (n, 256))
    return FrameScores(
        **{"uid": names, "video": names, "frame": np.zeros(n, int), "classes": names},
        **{"thresholds": np.array([0.5]), "intersection": hits, "union": union},
        **{"predicted": union, "target": full, "pixels": whole},
        **{"foreground": none, "background": none, "squash_intersection": hits},
        **{"squash_union": union, "squash_target": full, "squash_pixels": whole},
    )


PARTS: Mapping[str, Callable[[int], Callable[[], Any]]] = {
    "the index written and read": _index,
    "splits": _splits,
    "audit": _audit,
    "partners in sound": _partners,
    "checksums": _checksums,
    f"intervals of {ROWS} rows, {SEEDS} seeds": _intervals,
    "numbers of a table": _report,
}
