"""Records small enough to score by hand.

A frame has ten pixels in a row, the first five of which sound. A prediction is a number k: its
first k pixels are lit, with probability 1. So IoU = k/5 and the lit area k/10; precision 1, recall
k/5, and at any threshold above 0 F = 1.3 r / (0.3 + r): 1 for k = 5, 0.9455 for 4, 0.8667 for 3,
0.7429 for 2. For k = 1 threshold 0, which lights everything, does better: 0.5652. Of boxed images k
is the IoU in tenths. Each clip has one frame and a video of its own.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from benchmarks.common.files import sha256, write_sealed
from benchmarks.common.publish import publish
from benchmarks.params import TablesParams
from benchmarks.report.layout import Section
from benchmarks.report.plan import Plan
from benchmarks.report.write import lay_out, read, tables
from benchmarks.scoring.boxes import BoxScores
from benchmarks.scoring.counts import FrameScores, score_frames
from benchmarks.scoring.npz import Scores, save_scores

RULES = ("fixed", "median", "oracle")
TABLES = {
    "table1": {
        "benchmarks": ["v1s"],
        "published": ["avsbench", "sam_fusion"],
        "controlled": ["tpavi_sam"],
        "gavs": ["gavs", "gavs_released"],
        "pairs": [],
        "operators": ["sam_fusion_add"],
        "ceiling": "oracle_click",
    },
    "ablations": {"benchmark": "v1s", "groups": ["prompt"]},
    "table2": {"rows": ["avsbench", "gavs"]},
    "table3": {"rows": ["avsbench", "gavs"], "in_set": ["ez_vsl"]},
    "table4": {"rows": ["avsbench", "gavs"]},
    "figure3": {"rows": ["avsbench", "gavs"]},
    "robustness": {"benchmark": "v2", "rows": ["avsbench", "gavs"]},
}
NOTES = {"gavs_no_cue": "no cue | nothing to align", "gavs_released": "trained on noise"}
PROMPT = ("gavs", "gavs_released")
FUSION = ("avsbench", "sam_fusion", "sam_fusion_add", "tpavi_sam")


def plan_with(**tables: Any) -> Plan:
    """A small plan; keyword arguments replace keys of a table."""
    values: dict[str, Any] = {n: block | tables.get(n, {}) for n, block in TABLES.items()}
    values |= {"ablated": tables.get("ablated", [])}
    if values["ablations"]["benchmark"] not in (known := values["table1"]["benchmarks"]):
        values["ablations"] |= {"benchmark": known[0]}
    draws = {name: ((0, 0), (1, 1)) for name in ("v2", "v3", "vggss_sub")}
    return Plan(
        profile="miniature",
        seeds=(0, 1),
        draws=draws,
        tables=TablesParams.model_validate(values),
        groups={"prompt": ["gavs_no_cue"]},
        floor_seeds=[0],
        shuffle_seeds=[0],
        shots=[1],
        fractions=[0.1],
        notes=NOTES,
        paradigms={**dict.fromkeys(PROMPT, "prompt"), **dict.fromkeys(FUSION, "fusion")},
    )


def frames(lit: Sequence[int], prefix: str = "clip", start: int = 0, p: float = 1.0) -> FrameScores:
    pixels = torch.arange(10)
    predicted = torch.stack([p * (pixels < k)[None].float() for k in lit])  # (N, 1, 10)
    target = (pixels < 5)[None].expand(len(lit), 1, 10)
    names = [f"{prefix}{start + i}" for i in range(len(lit))]
    return score_frames(
        predicted,
        target,
        uid=names,
        video=names,
        frame=[0] * len(lit),
        classes=["dog"] * len(lit),
        squash=10,
    )


def boxes(tenths: Sequence[int], start: int = 0, rules: Sequence[str] = ("fixed",)) -> BoxScores:
    names = np.array([f"file{start + i}" for i in range(len(tenths))])
    lit = np.repeat(100 * np.array(tenths), 2 * len(rules)).reshape(len(tenths), len(rules), 2)
    return BoxScores(
        uid=names,
        video=names,
        classes=np.array(["dog"] * len(tenths)),
        rules=np.array(rules),
        target=np.full(len(tenths), 1000),
        intersection=lit,
        lit=lit,
        confidence=np.array(tenths) / 10,
    )


class Desk:
    """A folder of records, and the report on it."""

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
        """Write a record of Table 1; the path of the JSON."""
        evaluations = {"test": frames(lit)}
        if shuffled is not None:
            evaluations["test_shuffled"] = frames(shuffled)
        folder = folder or f"table1/{row}"
        return self.write(
            folder, row, benchmark, setting, evaluations, seed, trains=trains, **changes
        )

    def write(
        self,
        folder: str,
        row: str,
        benchmark: str,
        setting: str,
        evaluations: Mapping[str, Scores],
        seed: int = 0,
        draw: int | None = None,
        trains: bool = True,
        **changes: Any,
    ) -> Path:
        counts = {"trainable_parameters": 1234, "total_parameters": 5678}
        if trains:
            counts |= {"train_clips": 30, "train_videos": 20, "train_frames": 30, "updates": 60}
        history = [
            {
                "epoch": 0,
                "step": 30,
                "loss": 1.0 + seed,
                "terms": {},
                "validation": None,
                "lr": 0.1,
            },
            {
                "epoch": 1,
                "step": 60,
                "loss": 0.5,
                "terms": {},
                "validation": 0.5 + 0.1 * seed,
                "lr": 0.1,
            },
        ]
        record = {
            "schema": 3,
            "profile": "miniature",
            "variant": row,
            "benchmark": benchmark,
            "setting": setting,
            "seed": seed,
            "draw": draw,
            "fingerprint": "f" * 64,
            "checksums": {"index": "d" * 64, "code": "c" * 64},
            "counts": counts,
            "selection": None,
            "history": history if trains else [],
            "subsets": {},
            "evaluations": sorted(evaluations),
            "run": {"host": "elsewhere", "started": "2001-01-01"},
        } | changes
        stem = f"{row}-{benchmark}-{setting}-draw{draw}-seed{seed}"
        path = self.records / folder / f"{stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_scores(path.with_suffix(".npz"), evaluations)
        files = {"scores.npz": sha256(path.with_suffix(".npz"))}
        write_sealed(path, record | {"files": files})
        return path

    def report(
        self,
        plan: Plan | None = None,
        draw: bool = False,
        strata: Mapping[str, Collection[str]] | None = None,
        all_judged: bool = False,
        **changes: Any,
    ) -> str:
        """Write the tables, with their figures if asked; the text of tables.md, then that of each
        table's page with its headings a level lower.

        all_judged: rows that aren't above all dark or their floor take part in verdicts too.
        """
        plan = replace(plan or plan_with(), **changes)

        def undrawn(*arguments: Any) -> list[Section]:
            return [replace(section, figures={}) for section in lay_out(*arguments)]

        with ExitStack() as stack:
            stack.enter_context(
                patch("benchmarks.report.write.lay_out", lay_out if draw else undrawn)
            )
            if all_judged:
                stack.enter_context(patch("benchmarks.report.write.standings", lambda *_: {}))
            publish(self.results, tables(read(self.records, plan), plan, strata=strata))
        front = (self.results / "tables.md").read_text(encoding="utf-8")
        names = re.findall(r"^- \[.*\]\(tables/(\w+)\.md\)$", front, re.MULTILINE)
        pages = [(self.results / f"tables/{name}.md").read_text(encoding="utf-8") for name in names]
        return "\n".join([front, *(re.sub("^#", "##", page, flags=re.M) for page in pages)])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def full_desk(desk: Desk) -> Desk:
    """The desk of `filled`."""
    return filled(desk)


def filled(desk: Desk) -> Desk:
    """Put two seeds of Table 1's rows on a desk.

    By seed, mIoU: gavs 80 and 60, avsbench 20 points less, gavs_released 20 and 0 less, gavs_no_cue
    equal, the ceiling 100.
    """
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


def section(text: str, heading: str) -> str:
    """The part of the pages below a heading, up to the next of its level."""
    level = heading.split(" ")[0]
    rest = text[text.index(f"\n{heading}") + 1 :]
    stop = rest.find(f"\n{level} ", 1)
    return rest if stop < 0 else rest[:stop]


def line_of(text: str, row: str, heading: str = "## Table 1", bold: bool = False) -> list[str]:
    """Cells of a row's first line below a heading, with or without what makes them bold."""
    line = next(x for x in section(text, heading).splitlines() if x.startswith(f"| `{row}`"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    return cells if bold else [cell.replace("**", "") for cell in cells]


def rows_of(text: str, heading: str) -> list[str]:
    """Rows of the first grid below a heading, in order."""
    lines = [x for x in section(text, heading).splitlines() if x.startswith(("| `", "| :--"))]
    stop = next((i for i, x in enumerate(lines) if i and x.startswith("| :--")), len(lines))
    return [x.split("`")[1] for x in lines[1:stop]]


def verdicts_of(text: str, heading: str) -> dict[tuple[str, str, str], list[str]]:
    """Cells of a table's verdicts by claim, ordering (a > b) and place."""
    lines = section(section(text, heading), "### Verdicts").splitlines()[4:]
    cells = ([c.strip() for c in x.split("|")[1:-1]] for x in lines if x.startswith("| "))
    return {(c[0], c[1].replace("`", ""), c[2]): c[3:] for c in cells}
