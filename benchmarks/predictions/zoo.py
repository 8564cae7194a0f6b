"""The zoo: rows of Table 1 as checkpoints with cards, and each card counted again from its file."""

from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.grid.cells import run_cells
from benchmarks.grid.export import export
from benchmarks.grid.models import pick_device
from benchmarks.grid.needs import cells_in
from benchmarks.grid.protocol import Cell, record_stem
from benchmarks.grid.workbench import Workbench
from benchmarks.params import Params
from benchmarks.params.errors import ParamsError
from benchmarks.predictions.card import (
    SCHEMA,
    ResultCard,
    card_of,
    frame_clips,
    read_card,
    write_card,
)
from benchmarks.predictions.submission import TESTS
from benchmarks.scoring.metrics import fscore
from benchmarks.scoring.records import Stored, read_record
from benchmarks.training.evaluate import evaluate
from gavs.predictor import Predictor

WHO = "the suite's own row"


def write_zoo(params: Params, seed: int, folder: Path, failures: list[str]) -> Iterator[Path]:
    """Write every row of Table 1 on each of its benchmarks, `{row}-{benchmark}.safetensors`, and
    its card beside it; trained and scored first if need be.

    Args:
        failures: gets the reasons of those that failed, whose files aren't written.

    Raises:
        ParamsError: no row has this seed.
    """
    cells = [
        cell for cell in cells_in(params, "table1") if (cell.setting, cell.seed) == ("train", seed)
    ]
    cells = [c for c in cells if not params.row(c.row, c.benchmark).method_config.oracle]
    if not cells:
        raise ParamsError(f"--seed {seed}: no row of Table 1 has it in params.yaml")
    failures += run_cells(params, cells, params.workers)
    bench = Workbench(params)
    for cell in cells:
        if not any(failure.startswith(f"{cell}:") for failure in failures):
            yield _write(bench, cell, folder)


def _write(bench: Workbench, cell: Cell, folder: Path) -> Path:
    path = folder / f"{cell.row}-{cell.benchmark}.safetensors"
    export(bench, cell.row, cell.benchmark, cell.seed, path)
    record = record_stem(bench.params, cell)
    record = record.with_name(f"{record.name}.json")
    learned = f"{cell.benchmark}/train of profile {bench.params.profile}, seed {cell.seed}"
    said = ResultCard(schema=SCHEMA, name=path.stem, who=WHO, trained_on=learned)
    stored = Stored(read_record(record), record)
    write_card(path.with_suffix(".json"), card_of(path.stem, [stored], said))
    return path


def differences(params: Params, card: Path) -> list[str]:
    """What the checkpoint beside a card predicts otherwise than the card counts, to the last pixel.

    Raises:
        CheckpointError, FileNotFoundError: the checkpoint or an encoder can't be used.
        DataError, StoreError: the test's clips or features aren't here.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)  # as it was scored
    method, bench, problems = (
        Predictor(card.with_suffix(".safetensors")).method,
        Workbench(params),
        [],
    )
    for result in read_card(card).results:
        where = f"{result.benchmark} {result.setting} seed {result.seed}"
        if result.profile != params.profile:
            problems.append(f"{where}: of profile {result.profile}; params.yaml has another's test")
            continue
        clips = bench.clips(method, TESTS[result.benchmark].clips)
        scores = evaluate(method, clips, pick_device(params.device), params.scoring)
        again = frame_clips(scores)
        if len(again) != len(result.clips):
            problems.append(f"{where}: {len(result.clips)} clips; the test here has {len(again)}")
            continue
        other = sum(a != b for a, b in zip(again, result.clips, strict=True))
        if other:
            problems.append(
                f"{where}: {other} of {len(again)} clips have other counts than its checkpoint's"
            )
        elif fscore(scores) != result.fscore:
            problems.append(
                f"{where}: fscore is {result.fscore}, its checkpoint's {fscore(scores)}"
            )
    return problems
