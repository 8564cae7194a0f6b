"""The protocol: the cells of a table, the training of each, the clips of training and test.

A cell names a place in a table; a `Model` names a training. Several cells share one model: the V2
model serves Tables 1, 3 and 4, Figure 3's full set and the robustness columns, and is trained once.
Clip sets have names, such as `v2/train` or `v3/5-shot-0` (draw 0); `clip_sets` finds their rows.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.params import Params, ParamsError, Row
from benchmarks.training.config import TrainingParams

FLOOR = "floor"  # trained and tested with silent audio
VALIDATION = "val"  # scored too, so that the report can choose a threshold by it
NEGATIVES = ("silence", "noise", "off_screen", "other_clip")


@dataclass(frozen=True)
class Cell:
    """A place in a table: which row, on which benchmark, trained how, with which seed and draw."""

    table: str
    stage: str  # of the table, and the folder of records that it owns
    row: str
    benchmark: str
    setting: str  # train, floor, fraction-0.1, 0-shot, 5-shot, 5-shot-control, negatives
    seed: int
    draw: int | str | None = None  # of the shots or of the fraction
    home: str | None = None  # benchmark that is trained on, where the cell's own isn't

    @property
    def file_stem(self) -> str:
        """Name of its record's files, without suffix."""
        draw = "" if self.draw is None else f"-draw{self.draw}"
        stem = f"{self.benchmark}-{self.setting}{draw}-seed{self.seed}"
        return stem if self.row == self.stage else f"{self.row}-{stem}"

    def __str__(self) -> str:
        draw = "" if self.draw is None else f" draw {self.draw}"
        return f"{self.table} {self.row} {self.benchmark} {self.setting}{draw} seed {self.seed}"


def record_stem(params: Params, cell: Cell) -> Path:
    """A cell's record, less its suffixes .json, .npz and .overlays.npz."""
    return params.work / "records" / cell.table / cell.stage / cell.file_stem


@dataclass(frozen=True)
class Model:
    """A training: a row's method on named clips, from scratch or from another model."""

    row: str
    benchmark: str  # whose parameters the row takes
    train: str  # name of a clip set
    val: str | None
    seed: int
    silent: bool = False
    shots: bool = False  # trained as `few_shot` says
    full: str | None = None  # of a fraction: the set whose optimiser steps it gets
    parent: "Model | None" = None


@dataclass(frozen=True)
class Evaluation:
    """An evaluation: its name in the record, its clips and what is heard."""

    name: str
    clips: str
    audio: str = "own"  # own, silence, noise, shuffled, off_screen, other_clip
    rules: tuple[Any, ...] = ()  # against boxes, by these rules of scoring.boxes; else masks
    guided: bool = False  # with the map of objects that `Method.guided` mixes in


def cells_of(params: Params, table: str, stage: str) -> list[Cell]:
    """Every cell that the parameters ask of one stage of a table."""
    stages = params.table_rows(table)
    if stage not in stages:
        raise ParamsError(f"tables.{table} has no '{stage}'; it has {', '.join(stages)}")
    return [
        Cell(table, stage, row, benchmark, setting, seed, draw, _home(params, row, benchmark))
        for row in stages[stage]
        for benchmark in params.table_benchmarks(table)
        for setting, seed, draw in _settings(params, table, stage, row, benchmark)
    ]


def _home(params: Params, row: str, benchmark: str) -> str | None:
    if benchmark not in ("vggss", "vggss_sub"):
        return None
    return "v2" if params.row(row, benchmark).method_config.supervised else "vggsound"


def _settings(
    params: Params, table: str, stage: str, row: str, benchmark: str
) -> list[tuple[str, int, int | str | None]]:
    seeds, scoring = params.seeds_of(row), params.scoring
    draws = params.draws(benchmark, row)
    if stage == "few_shot":
        names = [f"{k}-shot{kind}" for kind in ("", "-control") for k in params.protocol.shots]
        return [(name, seed, draw) for name in names for seed, draw in draws]
    if stage == "zero_shot":
        floors = seeds if table == "table2" and row in params.tables.table2.floor else []
        silent = [(FLOOR, seed, None) for seed in floors if scoring.floors(seed)]
        return [*(("0-shot", seed, None) for seed in seeds), *silent]
    if stage == "in_set":
        return [("in-set", seed, None) for seed in seeds]
    if stage == "fractions":
        shares = params.protocol.fractions
        return [(f"fraction-{f}", seed, draw) for f in shares for seed, draw in draws]
    if stage == "negatives":
        return [("negatives", seed, None) for seed in seeds if scoring.shuffles(seed)]
    if params.row(row, benchmark).method_config.oracle:
        return [("train", seeds[0], None)]
    settings: list[tuple[str, int, int | str | None]] = [("train", seed, None) for seed in seeds]
    if table == "table1" and row not in params.tables.table1.operators:
        settings += [(FLOOR, seed, None) for seed in seeds if scoring.floors(seed)]
    return settings


def model_of(cell: Cell) -> Model:
    """The training that a cell's scores come from."""
    home = cell.home or cell.benchmark
    train = f"{home}/train"
    model = Model(cell.row, home, train, f"{home}/val", cell.seed, silent=cell.setting == FLOOR)
    if cell.setting.startswith("fraction-"):
        return replace(model, train=f"{home}/{cell.setting}-{cell.draw}", full=train)
    if cell.stage == "few_shot":
        shots = f"{cell.benchmark}/{cell.setting}-{cell.draw}"
        return replace(model, train=shots, val=None, shots=True, parent=model)
    return model


def evaluations_of(params: Params, cell: Cell) -> list[Evaluation]:
    """Evaluations that a cell is scored on: its tests, then its validation clips."""
    return [*_tests_of(params, cell), *_validations_of(params, cell)]


def _validations_of(params: Params, cell: Cell) -> list[Evaluation]:
    """The benchmark's validation clips, heard as the test's, for models scored against its masks.

    Few shots leave nothing to validate on: their 0-shot model's serve. The release's AVS-V3 leaves
    none where it is strict (`avs_v3.strict`).
    """
    audio = "silence" if cell.setting == FLOOR else "own"
    if cell.benchmark == "v3":
        none_left = params.protocol.official and params.protocol.strict
        if cell.stage == "few_shot" or none_left:
            return []
        return [Evaluation(VALIDATION, "v3/val", audio)]
    trained = cell.setting in ("train", FLOOR) or cell.setting.startswith("fraction-")
    if not trained or params.row(cell.row, cell.benchmark).method_config.oracle:
        return []
    return [Evaluation(VALIDATION, f"{cell.benchmark}/val", audio)]


def _tests_of(params: Params, cell: Cell) -> list[Evaluation]:
    few, draw = cell.stage == "few_shot", cell.draw
    if cell.benchmark == "v3":
        unseen = f"v3/test-{draw}" if few else "v3/unseen"
        sets = {"unseen": unseen, "seen": "v3/seen_test"}
        if cell.setting == FLOOR:
            return [Evaluation(name, tested, "silence") for name, tested in sets.items()]
        tests = [Evaluation(name, tested) for name, tested in sets.items()]
        if not few and params.scoring.shuffles(cell.seed):
            tests += [Evaluation(f"{n}_shuffled", tested, "shuffled") for n, tested in sets.items()]
        return tests
    if cell.benchmark == "vggss":
        rules = ("fixed", "median", "oracle")
        tests = [Evaluation("vggss", "vggss/all", rules=rules)]
        if params.row(cell.row, cell.home or cell.benchmark).method_config.guidable:
            tests.append(Evaluation("vggss_guided", "vggss/all", rules=rules, guided=True))
        if params.scoring.shuffles(cell.seed):
            wrong = ("shuffled", "silence", "noise")
            tests += [Evaluation(f"vggss_{a}", "vggss/all", a, ("fixed",)) for a in wrong]
        return tests
    if cell.benchmark == "vggss_sub":
        novel = f"vggss_sub/test-{draw}" if few else "vggss_sub/novel"
        tests = [Evaluation("novel", novel, rules=("fixed",))]
        if not cell.setting.endswith("-control"):
            tests.append(Evaluation("mapped", "vggss_sub/seen", rules=("fixed",)))
        return tests
    clips = f"{cell.benchmark}/test"
    if cell.setting == "negatives":
        return [Evaluation(name, clips, name) for name in NEGATIVES]
    if cell.setting == FLOOR:
        return [Evaluation("test", clips, "silence")]
    tests = [Evaluation("test", clips)]
    oracle = params.row(cell.row, cell.benchmark).method_config.oracle
    shuffled = params.scoring.shuffles(cell.seed) and not cell.setting.startswith("fraction")
    if shuffled and not oracle and cell.row not in params.tables.table1.operators:
        tests.append(Evaluation("test_shuffled", clips, "shuffled"))
    return tests


def training_of(params: Params, model: Model) -> tuple[Row, TrainingParams]:
    """The row of a model and how it is trained."""
    row = params.row(model.row, model.benchmark)
    if not model.shots:
        return row, row.training
    return row, params.few_shot_training(row.training, model.train.split("/")[0])


def supervision_of(params: Params, model: Model) -> str:
    """Source of a model's masks: the data set's own, or boxes."""
    boxes = model.shots and model.train.startswith("vggss_sub/")
    return params.few_shot.supervision if boxes else "masks"
