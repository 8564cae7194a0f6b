"""`params.yaml`: the one place for knobs, validated as a whole before any work starts."""

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from benchmarks.common.checks import Distinct, Seed, merge, over
from benchmarks.common.paths import Name, below
from benchmarks.data.config import DataParams
from benchmarks.experiments import BENCHMARK_OF, STAGES
from benchmarks.features.config import AudioParams, EncodersParams, FeaturesParams
from benchmarks.miniature.config import WorldConfig
from benchmarks.params.blocks import (
    CLUSTER,
    BenchmarkParams,
    FewShotParams,
    ProtocolParams,
    ReportParams,
)
from benchmarks.params.cluster import ClusterParams
from benchmarks.params.encoders import check_encoders, check_weights
from benchmarks.params.errors import ParamsError, mapping, nearest, validate
from benchmarks.params.files import read_yaml
from benchmarks.params.rows import TABLES, TablesParams
from benchmarks.params.variants import ABLATIONS, VARIANTS, Variant
from benchmarks.scoring.config import ScoringParams
from benchmarks.training.config import TrainingParams
from gavs.method import METHODS, Config, Method

log = logging.getLogger(__name__)
BENCHMARKS = {
    "v1s": "V1S: AVSBench single source (S4), 5 frames, only the first labelled in train",
    "v1m": "V1M: AVSBench multiple sources (MS3), 5 frames",
    "v2": "V2: the 10-second clips of AVSBench-semantic, scored as binary masks",
    "v3": "AVS-V3: V1M and V2 clips split by class, seen for training and unseen for testing",
    "vggss": "VGG-SS: one frame a clip with boxes, for models trained on V2",
    "vggss_sub": "VGG-SS-Sub: the VGG-SS classes that AVSBench lacks, 0 to 5 shots",
    "vggsound": "VGG-Sound: clips without labels, for the localisers of Table 3",
}


DEFAULT_PROFILE = "miniature"  # its tables are results/ itself: what `dvc repro` regenerates


STAGE_BLOCKS = {  # of params.yaml, that a DVC stage depends on; `run` and `report` on all of it
    "data": {"data", "world"},
    "features": {"data", "encoders", "audio", "features"},
    "run": set(),
}


class Row(Config):
    """A table row resolved for one benchmark: what is trained, and how."""

    name: str
    method: str
    config: dict[str, Any]
    training: TrainingParams

    @property
    def cls(self) -> type[Method]:
        return METHODS.get(self.method)

    def method_config(self) -> Config:
        return self.cls.Config(**self.config)

    @property
    def temporal(self) -> bool:
        """Whether it takes whole clips, in batches of `batch_clips`."""
        return self.cls.temporal(self.method_config())

    @property
    def stores(self) -> list[str]:
        """The feature stores that it reads."""
        config = self.method_config()
        return sorted({self.cls.hears(config), *self.cls.inputs(config).values()})


class Params(Config):
    """Every knob. The defaults are the paper profile's; a file holds what it sets apart from them,
    and in any case `profile`, `results`, `data` and `encoders`."""

    profile: Name  # also the folder below work/ that its index, stores, models and records are in
    results: Path  # folder of its tables, figures and studies: no two profiles share one
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")  # auto: cuda if there is one
    # Processes side by side, one thread each; never changes a result.
    workers: int = Field(2, gt=0, le=4096)
    seeds: Distinct[Seed] = Field([0, 1, 2], min_length=1)  # ours; the papers give one run
    data: DataParams
    protocol: ProtocolParams = ProtocolParams()
    world: WorldConfig | None = None  # the miniature's (docs/miniature.md); None with real data
    encoders: EncodersParams  # frozen, but for the backbones of the fusion baselines
    audio: AudioParams = AudioParams()
    features: FeaturesParams = FeaturesParams()
    training: TrainingParams = TrainingParams()
    # Nothing is selected on AVS-V3: seen_val is the loop's.
    benchmarks: Annotated[
        dict[str, BenchmarkParams], over({"v3": {"training": {"selection": "last"}}})
    ] = Field({}, validate_default=True)
    few_shot: FewShotParams = FewShotParams()
    scoring: ScoringParams = ScoringParams()
    # Of each method its own keys, `training` and `benchmarks`, which hold both for one benchmark.
    methods: dict[str, dict[str, Any]] = Field({}, validate_default=True)
    variants: Annotated[dict[Name, Variant], over(VARIANTS)] = Field({}, validate_default=True)
    ablations: Annotated[dict[Name, dict[Name, Variant]], over(ABLATIONS)] = Field(
        {}, validate_default=True
    )
    tables: TablesParams = Field(default_factory=dict, validate_default=True)
    report: ReportParams = ReportParams()
    cluster: Annotated[ClusterParams, over(CLUSTER)] = Field(
        default_factory=dict, validate_default=True
    )

    @field_validator("methods")
    @classmethod
    def _every_method(cls, blocks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """A method without a block is one with its defaults."""
        return blocks | {name: {} for name in method_names() if name not in blocks}

    @model_validator(mode="after")
    def _seeds_that_are_run(self) -> "Params":
        for key in ("shuffle_seeds", "floor_seeds"):
            if unknown := [s for s in getattr(self.scoring, key) if s not in self.seeds]:
                raise ValueError(f"scoring.{key}: {unknown} not among seeds {self.seeds}")
        return self

    @model_validator(mode="after")
    def _results_of_its_own(self) -> "Params":
        """No profile writes over the tables of another."""
        expected = [f"results/{self.profile}", f"work/{self.profile}/results"]
        if self.profile == DEFAULT_PROFILE:
            expected = ["results", expected[1]]
        elif self.profile in ("tables", "figures"):
            raise ValueError(f"profile: '{self.profile}' is a folder of results/")
        if str(self.results) not in expected:
            raise ValueError(
                f"results: {self.results}, but profile {self.profile} writes to "
                f"{' or '.join(expected)}"
            )
        return self

    @property
    def work(self) -> Path:
        return below(Path("work"), self.profile)

    @property
    def stores(self) -> dict[str, list[str]]:
        """`features.stores`, but for those of clips that the data don't have."""
        there = {"avs": True, "vgg": self.data.vggsound is not None}
        return {cover: names for cover, names in self.features.stores.items() if there[cover]}

    def values(self, stage: str) -> dict[str, Any]:
        """The parameters of a stage of `STAGE_BLOCKS`, defaults included."""
        return self.model_dump(mode="json", include=STAGE_BLOCKS[stage])

    def draws(self, benchmark: str) -> list[tuple[int, int | str]]:
        """(seed, draw) of every few-shot and fraction cell: draw i with seed i, or the cross."""
        seeds = self.seeds
        draws = self.protocol.fraction_draws if benchmark == "v2" else self.protocol.draws
        if benchmark == "v3" and self.protocol.official:
            return [(seed, "official") for seed in seeds]
        if self.protocol.cross:
            return [(seed, draw) for draw in draws for seed in seeds]
        return [(seeds[i % len(seeds)], draw) for i, draw in enumerate(draws)]

    def few_shot_training(self, training: TrainingParams, benchmark: str) -> TrainingParams:
        """The training of a few-shot cell: the row's, with the overrides of `few_shot`.

        A row's `steps` are for the set that it names them for, never for a few clips.
        """
        values = merge(training.model_dump() | {"steps": None}, self.few_shot.training)
        if benchmark == "vggss_sub":
            values = merge(values, self.few_shot.vggss_sub)
        found = validate(TrainingParams, values, "few_shot.training")
        if found.selection != "last":
            raise ParamsError(
                f"few_shot.training.selection: {found.selection}, but few shots leave nothing to "
                "validate on; expected last"
            )
        return found

    @cached_property
    def _variants(self) -> dict[str, Variant]:
        groups = [self.variants, *self.ablations.values()]
        return {name: variant for group in groups for name, variant in group.items()}

    def row(self, name: str, benchmark: str) -> Row:
        """Resolve a method or variant for a benchmark.

        A block of `methods` holds the method's own keys, `training` (overrides of the common
        block) and `benchmarks` (overrides of both for one benchmark). A variant sets dotted keys.
        """
        chain: list[tuple[str, dict[str, Any]]] = []
        base = name
        while base in self._variants and base not in self.methods:
            variant = self._variants[base]
            chain.append((base, variant.set))
            if len(chain) > len(self._variants):
                raise ParamsError(f"variants.{name}: its chain of bases goes round in a circle")
            base = variant.base
        if base not in self.methods:
            known = [*self.methods, *self._variants]
            raise ParamsError(f"{name}: no method or variant '{base}'{nearest(base, known)}")
        block = dict(self.methods[base])
        overrides = mapping(block.pop("benchmarks", {}), f"methods.{base}.benchmarks")
        for key in overrides:
            where = f"methods.{base}.benchmarks.{key}"
            if key not in BENCHMARKS:
                raise ParamsError(f"{where}: no such benchmark{nearest(key, list(BENCHMARKS))}")
            mapping(overrides[key], where)
        block = merge(block, overrides.get(benchmark, {}))
        for _, changes in reversed(chain):
            for dotted, value in changes.items():
                nested: Any = value
                for key in reversed(dotted.split(".")):
                    nested = {key: nested}
                block = merge(block, nested)
        where = f"methods.{base}" if base == name else f"variants.{name} ({base})"
        training = self.training.model_dump()
        if benchmark in self.benchmarks:
            training |= self.benchmarks[benchmark].training
        training |= mapping(block.pop("training", {}), f"{where}.training")
        cls = METHODS.get(base)
        if cls is None:
            raise ParamsError(f"methods.{base}: no such method{nearest(base, method_names())}")
        return Row(
            name=name,
            method=base,
            config=validate(cls.Config, block, where).model_dump(mode="json"),
            training=validate(TrainingParams, training, f"{where}.training"),
        )

    def table_rows(self, table: str) -> dict[str, list[str]]:
        """Rows of a table by the name of the DVC stage (and record folder) that makes them."""
        tables = self.tables
        if table == "table1":
            return {name: [name] for name in tables.table1.rows}
        if table == "ablations":
            return {g: list(self.ablations[g]) for g in tables.ablations.groups}
        if table not in STAGES:
            raise ParamsError(f"no table '{table}'{nearest(table, list(TABLES))}")
        without = BENCHMARK_OF.get(table, "").startswith("vggss") and self.data.vggss is None
        if without:
            return {stage: [] for stage in STAGES[table]}
        rows = {stage: list(getattr(tables, table).rows) for stage in STAGES[table]}
        if table == "table3":
            rows["in_set"] = list(tables.table3.in_set) if self.data.vggsound else []
        return rows

    def table_benchmarks(self, table: str) -> list[str]:
        if table == "table1":
            return list(self.tables.table1.benchmarks)
        return [BENCHMARK_OF.get(table) or getattr(self.tables, table).benchmark]

    def rows_in_use(self) -> list[Row]:
        """Every row of every table, once a benchmark: what features and checks are needed for."""
        return [
            self.row(name, benchmark)
            for table in TABLES
            for names in self.table_rows(table).values()
            for name in names
            for benchmark in self.table_benchmarks(table)
        ]

    def check_weights(self) -> None:
        """Before hours of work: the weight files of every encoder in use are there.

        Raises:
            ParamsError: naming each that isn't.
        """
        held = {name for r in self.rows_in_use() for name in r.cls.encoders(r.method_config())}
        check_weights(self.encoders, sorted({"sam", "vggish", *held}))


def method_names() -> list[str]:
    import baselines  # registers
    import gavs

    assert baselines and gavs
    return sorted(METHODS.module_dict)


def load(path: Path | str = "params.yaml") -> Params:
    """Read and validate a parameter file.

    Raises:
        ParamsError: naming each wrong key with its path, and the nearest known key to an unknown.
    """
    path = Path(path)
    values = read_yaml(path)
    try:
        params = build(values)
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from None
    for name in _unlisted(params):
        log.warning("%s: no table lists the variant '%s': nothing measures it", path, name)
    return params


def build(values: Mapping[str, Any]) -> Params:
    """Parameters of nested values, checked as a whole.

    Raises:
        ParamsError: as `load`.
    """
    params = validate(Params, values, "")
    _check(params)
    return params


def _check(params: Params) -> None:
    """What concerns several blocks.

    Raises:
        ParamsError: a name that stands for nothing, a row that can't be built, a store that no
            encoder can fill.
    """
    for group in params.tables.ablations.groups:
        if group not in params.ablations:
            known = nearest(group, list(params.ablations))
            raise ParamsError(f"tables.ablations.groups: no group '{group}'{known}")
    names = [n for group in (params.variants, *params.ablations.values()) for n in group]
    for name in {n for n in names if names.count(n) > 1}:
        raise ParamsError(f"variants and ablations: '{name}' is defined twice")
    for benchmark in params.benchmarks:
        if benchmark not in BENCHMARKS:
            known = nearest(benchmark, list(BENCHMARKS))
            raise ParamsError(f"benchmarks.{benchmark}: no such benchmark{known}")
    for name in [*params.methods, *names]:
        for benchmark in BENCHMARKS:
            params.few_shot_training(params.row(name, benchmark).training, benchmark)
    params.row(params.tables.base, "v2")
    stores: dict[Any, list[str]] = params.features.stores
    check_encoders(params.encoders, stores)
    for row in params.rows_in_use():
        cover = row.cls.cover()
        for store in row.stores:
            if store not in stores.get(cover, []):
                raise ParamsError(f"{row.name} reads '{store}': add it to features.stores.{cover}")


def _unlisted(params: Params) -> list[str]:
    """Variants beside the suite's own that no table lists, nor a listed row builds on."""
    used = {name for table in TABLES for rows in params.table_rows(table).values() for name in rows}
    variants = params._variants
    for name in list(used):
        while name in variants and variants[name].base not in used:
            name = variants[name].base
            used.add(name)
    ours = {*VARIANTS, *(name for group in ABLATIONS.values() for name in group)}
    return [name for name in variants if name not in used | ours]
