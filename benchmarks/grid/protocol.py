"""Which cells a table has, which training each needs, which clips it learns and is tested on.

A cell names a place in a table; a `Model` names a training. Several cells share one model: the V2
model serves Tables 1, 3 and 4, Figure 3's full set and the robustness columns, and is trained once.
Clip sets have names, such as `v2/train` or `v3/5-shot-0` (draw 0); `ClipSets` finds their rows.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from benchmarks.data.avsbench import indexed_metadata
from benchmarks.data.index import DataError
from benchmarks.data.vggss import indexed_annotations
from benchmarks.params import Params, Row
from benchmarks.training.config import TrainingParams
from splits import audit, avs_v3, fractions, vggss_sub
from splits.files import read_table
from splits.vggsound import read_heard

FLOOR = "floor"  # trained and tested with silent audio
log = logging.getLogger(__name__)
NEGATIVES = ("silence", "noise", "off_screen", "other_clip")


@dataclass(frozen=True)
class Cell:
    """A place in a table: which row, on which benchmark, trained how, with which seed and draw."""

    table: str
    stage: str  # the DVC stage, and the folder of records that it owns
    row: str
    benchmark: str
    setting: str  # train, floor, fraction-0.1, 0-shot, 5-shot, 5-shot-control, negatives
    seed: int
    draw: int | str | None = None  # of the shots or of the fraction
    home: str | None = None  # benchmark that is trained on, where the cell's own isn't

    @property
    def file_stem(self) -> str:
        draw = "" if self.draw is None else f"-draw{self.draw}"
        stem = f"{self.benchmark}-{self.setting}{draw}-seed{self.seed}"
        return stem if self.row == self.stage else f"{self.row}-{stem}"

    def __str__(self) -> str:
        draw = "" if self.draw is None else f" draw {self.draw}"
        return f"{self.table} {self.row} {self.benchmark} {self.setting}{draw} seed {self.seed}"


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
    rules: tuple[str, ...] = ()  # against boxes, by these rules of scoring.vggss; else masks
    guided: bool = False  # with the map of objects that `Method.guided` mixes in


def cells_of(params: Params, table: str, stage: str) -> list[Cell]:
    """Every cell that the parameters ask of one stage of a table."""
    stages = params.table_rows(table)
    if stage not in stages:
        raise KeyError(f"tables.{table} has no '{stage}'; it has {', '.join(stages)}")
    return [
        Cell(table, stage, row, benchmark, setting, seed, draw, _home(params, row, benchmark))
        for row in stages[stage]
        for benchmark in params.table_benchmarks(table)
        for setting, seed, draw in _settings(params, table, stage, row, benchmark)
    ]


def _home(params: Params, row: str, benchmark: str) -> str | None:
    if benchmark not in ("vggss", "vggss_sub"):
        return None
    return "v2" if params.row(row, benchmark).cls.supervised else "vggsound"


def _settings(
    params: Params, table: str, stage: str, row: str, benchmark: str
) -> list[tuple[str, int, int | str | None]]:
    seeds = params.seeds
    if stage == "few_shot":
        names = [f"{k}-shot" for k in params.protocol.shots]
        if table == "table4":
            names += [f"{k}-shot-control" for k in params.protocol.shots]
        return [(name, seed, draw) for name in names for seed, draw in params.draws(benchmark)]
    if stage == "zero_shot":
        return [("0-shot", seed, None) for seed in seeds]
    if stage == "in_set":
        return [("in-set", seed, None) for seed in seeds]
    if stage == "fractions":
        shares = params.protocol.fractions
        return [
            (f"fraction-{f}", seed, draw) for f in shares for seed, draw in params.draws(benchmark)
        ]
    if stage == "negatives":
        return [("negatives", seed, None) for seed in params.scoring.shuffle_seeds if seed in seeds]
    if params.row(row, benchmark).cls.oracle:
        return [("train", seeds[0], None)]
    found = [("train", seed, None) for seed in seeds]
    if table == "table1" and row not in params.tables.table1.operators:
        found += [(FLOOR, seed, None) for seed in params.scoring.floor_seeds if seed in seeds]
    return found


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
    """What a cell is scored on."""
    few, draw = cell.stage == "few_shot", cell.draw
    if cell.benchmark == "v3":
        unseen = f"v3/test-{draw}" if few else "v3/unseen"
        return [Evaluation("unseen", unseen), Evaluation("seen", "v3/seen_test")]
    if cell.benchmark == "vggss":
        rules = ("fixed", "median", "oracle")
        tests = [Evaluation("vggss", "vggss/all", rules=rules)]
        if params.row(cell.row, cell.home).cls.guidable:
            tests.append(Evaluation("vggss_guided", "vggss/all", rules=rules, guided=True))
        if cell.seed in params.scoring.shuffle_seeds:
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
    oracle = params.row(cell.row, cell.benchmark).cls.oracle
    shuffled = cell.seed in params.scoring.shuffle_seeds and not cell.setting.startswith("fraction")
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
    """What a model's masks are made of: the data set's own, or boxes."""
    boxes = model.shots and model.train.startswith("vggss_sub/")
    return params.few_shot.supervision if boxes else "masks"


class ClipSets:
    """Rows of the clip index by the name of a set; the protocol's splits are drawn when needed."""

    def __init__(self, params: Params, index: pd.DataFrame) -> None:
        self.params, self.index = params, index
        self._found: dict[str, pd.DataFrame] = {}  # a table asks for each a hundred times

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Rows in the index's order, not to be changed.

        Raises:
            DataError: there are none, or the name stands for no set.
        """
        if name not in self._found:
            self._found[name] = self._rows(name)
        return self._found[name]

    def _rows(self, name: str) -> pd.DataFrame:
        benchmark, part = name.split("/")
        if benchmark == "v3":
            chosen = self.index.uid.isin(self._v3(part))
        elif benchmark == "vggss":
            chosen = self.index.benchmark == "vggss"
        elif benchmark == "vggss_sub":
            chosen = (self.index.benchmark == "vggss") & self.index.uid.isin(self._sub(part))
        elif part.startswith("fraction-"):
            chosen = self.index.uid.isin(self._fraction(benchmark, part))
        else:
            chosen = (self.index.benchmark == benchmark) & (self.index.split == part)
        if not chosen.any():
            raise DataError([f"no clips in {name}: the index has none, or the split is empty"])
        return self.index[chosen].reset_index(drop=True)

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """metadata.csv of the indexed AVSBench clips with the index's splits."""
        return indexed_metadata(self.params.data.root, self.index)

    @cached_property
    def v3(self) -> avs_v3.AvsV3:
        protocol = self.params.protocol
        strings, classes = avs_v3.read_unseen(protocol.unseen)
        if protocol.official:
            folder, shots = protocol.official, protocol.shots
            excluded = self.params.data.exclude
            found, repairs = avs_v3.official(
                folder, self.metadata, strings, classes, shots, excluded
            )
            for repair in repairs:
                log.info("%s", repair)
        else:
            draws = self._draws("v3")
            found = avs_v3.split(
                self.metadata,
                strings,
                classes,
                draws,
                protocol.shots,
                test_folds=protocol.seen_test_folds,
            )
        return avs_v3.strict(found) if protocol.strict else found

    @cached_property
    def annotations(self) -> pd.DataFrame:
        """file, label, boxes, empty of the indexed VGG-SS clips."""
        root = self.params.data.vggss
        if root is None:
            raise DataError(["data.vggss is null: VGG-SS needs vggss.json, frames and audio"])
        return indexed_annotations(root, self.index)

    @cached_property
    def sub(self) -> vggss_sub.VggssSub:
        annotations = self.annotations
        labels = read_table(self.params.protocol.vggss_labels, ["label", "class"])
        v2 = set(self.metadata.vid[self.metadata.label == "v2"].str[:11])
        draws, shots = self._draws("vggss_sub"), self.params.protocol.shots
        return vggss_sub.split(annotations, labels, v2, draws, shots)

    def _draws(self, benchmark: str) -> list[int | str]:
        return sorted({draw for _, draw in self.params.draws(benchmark)})

    def _v3(self, part: str) -> Sequence[str]:
        if part in ("train", "val"):
            return getattr(self.v3, f"seen_{part}").uid
        if part in ("seen_test", "unseen", "pool"):
            return getattr(self.v3, part).uid
        kind, draw = part.rsplit("-", 1)
        draw = draw if draw == avs_v3.OFFICIAL else int(draw)
        if kind == "test":
            return self.v3.test[draw].uid
        return self.v3.shots[draw][int(kind.removesuffix("-shot"))].uid

    def _sub(self, part: str) -> Sequence[str]:
        clips = self.sub.clips
        if part == "novel":
            return clips.file[clips.group == "novel"]
        if part == "seen":  # mapped classes, without any clip that a control trains on
            most = max(self.params.protocol.shots)
            used = pd.concat([by_shots[most].file for by_shots in self.sub.control.values()])
            return clips.file[(clips.group == "mapped") & ~clips.file.isin(used)]
        kind, draw = part.rsplit("-", 1)
        if kind == "test":
            return self.sub.test[int(draw)].file
        drawn = self.sub.control if kind.endswith("-control") else self.sub.shots
        return drawn[int(draw)][int(kind.split("-")[0])].file

    def _fraction(self, benchmark: str, part: str) -> Sequence[str]:
        _, share, draw = part.split("-")
        rows = self.metadata[(self.metadata.label == benchmark) & (self.metadata.split == "train")]
        drawn = fractions.split(rows, self.params.protocol.fractions, int(draw))
        return drawn[float(share)].uid

    def leaks(self) -> str:
        """The leakage audit of every set that the tables use, as Markdown."""
        if self.params.data.vggss is None:
            return audit.markdown(audit.audit(self.metadata, {"AVS-V3": self.v3}))
        found = audit.audit(self.metadata, {"AVS-V3": self.v3}, self.annotations, self.sub)
        return audit.markdown(found)

    def subsets(self, cell: Cell) -> dict[str, list[str]]:
        """Parts of a cell's clips by name: those that few-shot cells are tested on, and whether
        the localisers' training clips sound their class."""
        if cell.benchmark == "vggss" and self.params.protocol.vggss_heard:
            groups = read_heard(self.params.protocol.vggss_heard)
            clips = self["vggss/all"]
            return {
                name: sorted(clips.uid[clips.classes.isin(labels)])
                for name, labels in groups.items()
            }
        if cell.stage != "zero_shot" or cell.benchmark not in ("v3", "vggss_sub"):
            return {}
        draws = self._draws(cell.benchmark)
        if cell.benchmark == "vggss_sub":
            return {f"test-{d}": sorted(self.sub.test[d].file) for d in draws}
        found = {f"test-{d}": sorted(self.v3.test[d].uid) for d in draws}
        return {"pool": sorted(self.v3.pool.uid), **found}
