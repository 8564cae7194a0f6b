"""Parameters of params.yaml, the one place for knobs, validated as a whole before work starts."""

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

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
    MoreSeeds,
    ProtocolParams,
    ReportParams,
)
from benchmarks.params.cluster import ClusterParams
from benchmarks.params.encoders import check_encoders, check_weights
from benchmarks.params.errors import ParamsError, nearest, validate
from benchmarks.params.files import read_values
from benchmarks.params.one_budget import check_one_budget
from benchmarks.params.row import BENCHMARKS, Row, method_names, resolve
from benchmarks.params.tables import TABLES, TablesParams
from benchmarks.params.tiers import tiered
from benchmarks.params.variants import ABLATIONS, VARIANTS, Variant
from benchmarks.scoring.config import ScoringParams
from benchmarks.training.config import TrainingParams
from gavs.configs import Config

log = logging.getLogger(__name__)
DEFAULT_PROFILE = "miniature"  # its tables are results/ itself: what `dvc repro` regenerates
STAGE_BLOCKS = {  # blocks that a DVC stage depends on; `run` and `report` depend on all
    "data": {"data", "world"},
    "features": {"data", "encoders", "audio", "features"},
    "run": set(),
}


class Params(Config):
    """All knobs. The defaults are the paper profile's; a file holds what differs from them, and in
    any case `profile`, `results`, `data` and `encoders`."""

    # How much of the tables is asked for (params/tiers.py); what a tier sets goes over the file.
    tier: Literal["first", "core", "full"] = "full"
    profile: Name  # also the folder below work/ that its index, stores, models and records are in
    # Profile whose index, features, models and runs this one uses, by fingerprint; None: its own.
    work_of: Name | None = None
    results: Path  # folder of its tables, figures and studies: no two profiles share one
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")  # auto: cuda if there is one
    # Processes side by side, one thread each; never changes a result.
    workers: int = Field(2, gt=0, le=4096)
    seeds: Distinct[Seed] = Field([0, 1, 2], min_length=1)  # ours; the papers give one run
    more_seeds: MoreSeeds = MoreSeeds()  # beside these, of some rows
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
    # Per method: its keys, `training`, and `benchmarks` with both of these for one benchmark.
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
        """Add an empty block for each method without one: it has its defaults."""
        return blocks | {name: {} for name in method_names() if name not in blocks}

    @model_validator(mode="after")
    def _seeds_that_are_run(self) -> "Params":
        """Check that the seeds of the controls are among `seeds`."""
        for key in ("shuffle_seeds", "floor_seeds"):
            if unknown := [s for s in getattr(self.scoring, key) or () if s not in self.seeds]:
                raise ValueError(f"scoring.{key}: {unknown} not among seeds {self.seeds}")
        return self

    @model_validator(mode="after")
    def _every_regime(self) -> "Params":
        """Check that all clips that the world draws have a regime."""
        if self.world is None:
            return self
        drawn = [name for name, counts in self.world.clips.items() if any(counts.values())]
        if missing := [name for name in drawn if name not in self.world.regime]:
            raise ValueError(
                f"world.regime: nothing for {', '.join(missing)}; it replaces the default, so name "
                "every benchmark with clips: natural or balanced"
            )
        return self

    @model_validator(mode="after")
    def _results_of_its_own(self) -> "Params":
        """Check that no profile writes over the tables of another."""
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
        """Folder of all that a profile makes but its results."""
        return below(Path("work"), self.profile)

    @property
    def shared(self) -> Path:
        """Folder of the index, features, models and runs: `work`, or another profile's."""
        return below(Path("work"), self.work_of or self.profile)

    @property
    def stores(self) -> dict[str, list[str]]:
        """Names of stores on disk by cover, without the covers that the data have no clips for."""
        covers = {"avs": True, "vgg": self.data.vggsound is not None}
        return {
            cover: [name for name in names if name not in self.features.live]
            for cover, names in self.features.stores.items()
            if covers[cover]
        }

    def values(self, stage: str) -> dict[str, Any]:
        """Parameters of a stage of `STAGE_BLOCKS`, defaults included."""
        return self.model_dump(mode="json", include=STAGE_BLOCKS[stage])

    def seeds_of(self, row: str) -> list[int]:
        """List the seeds that a row is trained with."""
        more = self.more_seeds
        groups = (group for group, names in self.ablations.items() if row in names)
        return [*self.seeds, *more.seeds] if {row, *groups} & {*more.rows} else self.seeds

    def all_seeds(self) -> list[int]:
        """List the seeds of all rows together, those of some rows alone last."""
        return [*self.seeds, *self.more_seeds.seeds]

    def draws(self, benchmark: str, row: str | None = None) -> list[tuple[int, int | str]]:
        """List (seed, draw) of a row's few-shot or fraction cells, or of all rows' together.

        Draw i goes with seed i, or every draw with every seed (`protocol.cross`). Draws beyond
        the seeds, and seeds beyond the draws, are not run.
        """
        seeds = self.all_seeds() if row is None else self.seeds_of(row)
        draws = self.protocol.fraction_draws if benchmark == "v2" else self.protocol.draws
        if benchmark == "v3" and self.protocol.official:
            return [(seed, "official") for seed in seeds]
        if self.protocol.cross:
            return [(seed, draw) for draw in draws for seed in seeds]
        return list(zip(seeds, draws, strict=False))

    def few_shot_training(self, training: TrainingParams, benchmark: str) -> TrainingParams:
        """Build the training of a few-shot cell: the row's, with the overrides of `few_shot`.

        A row's `steps` are for its whole training set, never for a few clips.

        Raises:
            ParamsError: a value that can't be, or a selection other than last.
        """
        values = merge(training.model_dump() | {"steps": None}, self.few_shot.training)
        if benchmark == "vggss_sub":
            values = merge(values, self.few_shot.vggss_sub)
        few_shot = validate(TrainingParams, values, "few_shot.training")
        if few_shot.selection != "last":
            raise ParamsError(
                f"few_shot.training.selection: {few_shot.selection}, but few shots leave nothing "
                "to validate on; expected last"
            )
        return few_shot

    @cached_property
    def _variants(self) -> dict[str, Variant]:
        """Variants and ablations, by name."""
        groups = [self.variants, *self.ablations.values()]
        return {name: variant for group in groups for name, variant in group.items()}

    def base_of(self, variant: str) -> str:
        """Name of what a variant builds on."""
        return self._variants[variant].base

    def row(self, name: str, benchmark: str) -> Row:
        """Resolve a method or variant for a benchmark.

        Raises:
            ParamsError: as `resolve`.
        """
        training = self.training.model_dump()
        if benchmark in self.benchmarks:
            training |= self.benchmarks[benchmark].training
        return resolve(name, benchmark, self.methods, self._variants, training)

    @property
    def asked(self) -> TablesParams:
        """Tables with the rows that there is data for."""
        return self.tables.on(self.data.vggss is not None, self.data.vggsound is not None)

    def table_rows(self, table: str) -> dict[str, list[str]]:
        """List the rows of a table by the folder of records that they are in.

        Raises:
            ParamsError: no such table.
        """
        tables = self.asked
        if table == "table1":
            return {name: [name] for name in tables.table1.rows}
        if table == "ablations":
            return {  # one that Table 1 measures is read from there
                group: [name for name in self.ablations[group] if name not in tables.table1.rows]
                for group in tables.ablations.groups
            }
        if table not in STAGES:
            raise ParamsError(f"no table '{table}'{nearest(table, list(TABLES))}")
        return tables.stages_of(table)

    def table_benchmarks(self, table: str) -> list[str]:
        """List the benchmarks of a table's columns."""
        if table == "table1":
            return list(self.tables.table1.benchmarks)
        return [BENCHMARK_OF.get(table) or getattr(self.tables, table).benchmark]

    def rows_in_use(self) -> list[Row]:
        """Resolve every row of every table, once per benchmark."""
        return [
            self.row(name, benchmark)
            for table in TABLES
            for names in self.table_rows(table).values()
            for name in names
            for benchmark in self.table_benchmarks(table)
        ]

    def check_weights(self) -> None:
        """Check, before hours of work, that the weight files of the encoders in use are there.

        Raises:
            ParamsError: naming each that isn't.
        """
        used = {name for r in self.rows_in_use() for name in r.method_config.encoders()}
        check_weights(self.encoders, sorted({"sam", "vggish", *used}))


def load(path: Path | str = "params.yaml") -> Params:
    """Read and validate a parameter file.

    Raises:
        ParamsError: naming each wrong key with its path, and the nearest known key to an unknown.
    """
    path = Path(path)
    values = read_values(path)
    try:
        params = build(values)
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from None
    for name in _unlisted(params):
        log.warning("%s: no table lists the variant '%s': nothing measures it", path, name)
    return params


def build(values: Mapping[str, Any]) -> Params:
    """Build parameters from nested values, checked as a whole.

    Raises:
        ParamsError: as `load`.
    """
    params = validate(Params, tiered(values), "")
    _check(params)
    return params


def _check(params: Params) -> None:
    """Check what concerns several blocks.

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
    rows_or_groups = [*params.methods, *names, *params.ablations]
    for name in params.more_seeds.rows:
        if name not in rows_or_groups:
            known = nearest(name, rows_or_groups)
            raise ParamsError(f"more_seeds.rows: no row or group of ablations '{name}'{known}")
    if twice := {*params.more_seeds.seeds} & {*params.seeds}:
        raise ParamsError(f"more_seeds.seeds: {sorted(twice)} among `seeds` already")
    for benchmark in params.benchmarks:
        if benchmark not in BENCHMARKS:
            known = nearest(benchmark, list(BENCHMARKS))
            raise ParamsError(f"benchmarks.{benchmark}: no such benchmark{known}")
    for name in [*params.methods, *names]:
        for benchmark in BENCHMARKS:
            params.few_shot_training(params.row(name, benchmark).training, benchmark)
    params.row(params.tables.base, "v2")
    check_one_budget(params)
    stores: dict[Any, list[str]] = params.features.stores
    check_encoders(params.encoders, stores)
    for row in params.rows_in_use():
        _check_phases(row, row.training, row.name)
        cover = row.method_config.cover()
        for store in row.stores:
            if store not in stores.get(cover, []):
                raise ParamsError(f"{row.name} reads '{store}': add it to features.stores.{cover}")
    for table in TABLES:
        for name in params.table_rows(table).get("few_shot", []):
            benchmark = BENCHMARK_OF[table]
            row = params.row(name, "v2" if benchmark == "vggss_sub" else benchmark)
            few = params.few_shot_training(row.training, benchmark)
            _check_phases(row, few, f"few_shot.training: {name}")


def _check_phases(row: Row, training: TrainingParams, name: str) -> None:
    """Check that the phase in which the whole method is trained begins before the last epoch."""
    for key, epochs in row.method_config.partial_epochs().items():
        if epochs >= training.epochs:
            raise ParamsError(
                f"{name}: {key} {epochs} of {training.epochs} epochs: the whole of it would never "
                "train"
            )


def _unlisted(params: Params) -> list[str]:
    """List the user's variants that no table lists and no listed row builds on."""
    used = {name for table in TABLES for rows in params.table_rows(table).values() for name in rows}
    variants = params._variants
    for name in list(used):
        while name in variants and variants[name].base not in used:
            name = variants[name].base
            used.add(name)
    predefined = {*VARIANTS, *(name for group in ABLATIONS.values() for name in group)}
    return [name for name in variants if name not in used | predefined]
