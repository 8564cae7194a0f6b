"""Records small enough to score by hand.

A frame has ten pixels in a row, the first five of which sound. A prediction is a number k: its
first k pixels are lit, with probability 1. So IoU = k/5, precision 1, recall k/5, and at any
threshold above 0 F = 1.3 r / (0.3 + r): 1 for k = 5, 0.9455 for 4, 0.8667 for 3, 0.7429 for 2. For
k = 1 threshold 0, which lights everything, does better: 0.5652. Each clip has one frame and a video
of its own.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.report.write import write_report
from benchmarks.scoring.counts import FrameScores, save_scores, score_frames

TABLES = {
    "table1": {
        "benchmarks": ["v1s"],
        "baselines": ["avsbench"],
        "gavs": ["gavs", "gavs_released"],
        "ceiling": "oracle_click",
    },
    "ablations": {"benchmark": "v1s", "base": "gavs", "groups": ["prompt"]},
}
NOTES = {
    "gavs_no_cue": "no cue | nothing to align",
    "gavs_released": "trained on noise",
    "gavs": "",
}


def scores_of(lit: Sequence[int]) -> FrameScores:
    pixels = torch.arange(10)
    predicted = torch.stack([(pixels < k)[None].float() for k in lit])  # (N, 1, 10)
    target = (pixels < 5)[None].expand(len(lit), 1, 10)
    names = [f"clip{i}" for i in range(len(lit))]
    return score_frames(
        predicted,
        target,
        uid=names,
        video=names,
        frame=[0] * len(lit),
        classes=["dog"] * len(lit),
        squash=10,
    )


class Desk:
    """A folder of records, and the report on it."""

    tables = TABLES

    def __init__(self, root: Path) -> None:
        self.records, self.results = root / "records", root / "results"

    def put(
        self,
        row: str,
        lit: Sequence[int],
        seed: int = 0,
        shuffled: Sequence[int] | None = None,
        setting: str = "train",
        benchmark: str = "v1s",
        folder: str | None = None,
        trains: bool = True,
        **changes: Any,
    ) -> Path:
        """Write a record and its scores; the path of the JSON."""
        evaluations = {"test": scores_of(lit)}
        if shuffled is not None:
            evaluations["test_shuffled"] = scores_of(shuffled)
        counts = {"trainable_parameters": 1234, "total_parameters": 5678}
        if trains:
            counts |= {"train_clips": 30, "train_videos": 20, "train_frames": 30, "updates": 60}
        history = [
            {"epoch": 0, "loss": 1.0 + seed, "terms": {}, "val_miou": None, "lr": 0.1},
            {"epoch": 1, "loss": 0.5, "terms": {}, "val_miou": 0.5 + 0.1 * seed, "lr": 0.1},
        ]
        record = {
            "schema": 1,
            "profile": "miniature",
            "method": "gavs",
            "variant": row,
            "benchmark": benchmark,
            "setting": setting,
            "seed": seed,
            "fingerprint": "f" * 64,
            "parameters": {},
            "checksums": {"index": "d" * 64, "stores": {}, "weights": {}, "code": "c" * 64},
            "counts": counts,
            "selection": None,
            "history": history if trains else [],
            "evaluations": sorted(evaluations),
            "run": {"host": "elsewhere", "started": "2001-01-01"},
        } | changes
        path = self.records / (folder or f"table1/{row}") / f"{benchmark}-{setting}-seed{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
        save_scores(path.with_suffix(".npz"), evaluations)
        return path

    def report(self, tables: dict = TABLES, seeds: Sequence[int] = (0, 1)) -> str:
        """Write the report; the text of tables.md."""
        write_report(
            self.records,
            self.results,
            profile="miniature",
            seeds=seeds,
            tables=tables,
            ablations={"prompt": ["gavs_no_cue"]},
            notes=NOTES,
            floor_seeds=[0],
            draws=2000,
        )
        return (self.results / "tables.md").read_text(encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def full_desk(desk: Desk) -> Desk:
    """Two seeds of each row. By seed, mIoU: gavs 80 and 60, avsbench 20 points less, gavs_released
    20 and 0 less, gavs_no_cue equal, the ceiling 100."""
    desk.put("gavs", [5, 3], 0, shuffled=[2, 1])
    desk.put("gavs", [4, 2], 1)
    desk.put("gavs", [1, 1], setting="floor")
    desk.put("avsbench", [4, 2], 0, shuffled=[2, 1])
    desk.put("avsbench", [3, 1], 1)
    desk.put("avsbench", [1, 1], setting="floor")
    desk.put("gavs_released", [4, 2], 0, shuffled=[4, 2])
    desk.put("gavs_released", [4, 2], 1)
    desk.put("gavs_released", [4, 2], setting="floor")
    desk.put("gavs_no_cue", [5, 3], 0, folder="ablations/prompt")
    desk.put("gavs_no_cue", [4, 2], 1, folder="ablations/prompt")
    desk.put("oracle_click", [5, 5], trains=False)
    return desk
