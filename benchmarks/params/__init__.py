"""`params.yaml`: the one place for knobs, validated as a whole before any work starts."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmarks.common.paths import Name, below
from benchmarks.data.config import Benchmark, DataParams
from benchmarks.features.config import AudioParams, EncodersParams, FeaturesParams
from benchmarks.miniature.config import WorldConfig
from benchmarks.params.cluster import ClusterParams
from benchmarks.params.errors import ParamsError, merge, nearest, validate
from benchmarks.scoring.config import ScoringParams
from benchmarks.training.config import TrainingParams
from gavs.method import METHODS, Config, Method

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


class ProtocolParams(Config):
    unseen: Path  # AVS-V3's unseen classes
    vggss_labels: Path  # VGG-SS label -> AVSBench class
    vggss_heard: Path | None  # VGG-SS label -> heard or unheard in data.vggsound's list
    official: Path | None  # the released AVS-V3 CSVs, in place of our own draws
    strict: bool  # AVS-V3 without test clips that share a video with what was learned
    seen_test_folds: int = Field(ge=1, le=8)  # of AVS-V3's ten folds of seen videos
    shots: list[Annotated[int, Field(gt=0)]] = Field(min_length=1)
    draws: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    cross: bool
    fractions: list[Annotated[float, Field(gt=0, lt=1)]]
    fraction_draws: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    fraction_budget: Literal["steps", "epochs"]


class FewShotParams(Config):
    supervision: Literal["box_fill", "box_projection", "sam_mask"]  # of VGG-SS-Sub
    training: dict[str, Any]
    vggss_sub: dict[str, Any]  # over `training`


class Variant(Config):
    base: str
    set: dict[str, Any] = {}
    note: str = ""


class Table1Params(Config):
    benchmarks: list[Benchmark]
    published: list[str]
    controlled: list[str]
    gavs: list[str]
    operators: list[str]
    ceiling: str

    @property
    def rows(self) -> list[str]:
        return [*self.published, *self.controlled, *self.gavs, *self.operators, self.ceiling]


class AblationsParams(Config):
    benchmark: Benchmark
    base: str
    groups: list[str]


class RowsParams(Config):
    rows: list[str]


class Table3Params(Config):
    rows: list[str]  # zero-shot, trained on V2
    in_set: list[str]  # trained on unlabelled VGG-Sound


class RobustnessParams(Config):
    benchmark: Benchmark
    rows: list[str]


class TablesParams(Config):
    table1: Table1Params
    ablations: AblationsParams
    table2: RowsParams
    table3: Table3Params
    table4: RowsParams
    figure3: RowsParams
    robustness: RobustnessParams


class ReportParams(Config):
    bootstrap_draws: int = Field(gt=0)
    overlay_clips: int = Field(ge=0)


TABLES = tuple(TablesParams.model_fields)
STAGES = {  # beside Table 1's rows and the ablations' groups
    "table2": ("zero_shot", "few_shot"),
    "table3": ("zero_shot", "in_set"),
    "table4": ("zero_shot", "few_shot"),
    "figure3": ("fractions",),
    "robustness": ("negatives",),
}
BENCHMARK_OF = {"table2": "v3", "table3": "vggss", "table4": "vggss_sub", "figure3": "v2"}


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
    def stores(self) -> list[str]:
        """The feature stores that it reads."""
        config = self.method_config()
        return sorted({self.cls.hears(config), *self.cls.inputs(config).values()})


class Params(Config):
    profile: Name  # also the folder below work/ that its index, stores, models and records are in
    results: Path  # folder of its tables, figures and studies: no two profiles share one
    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    workers: int = Field(gt=0)
    seeds: list[int] = Field(min_length=1)
    data: DataParams
    protocol: ProtocolParams
    world: WorldConfig | None
    encoders: EncodersParams
    audio: AudioParams
    features: FeaturesParams
    training: TrainingParams
    benchmarks: dict[str, dict[str, Any]]  # for every method, on one benchmark
    few_shot: FewShotParams
    scoring: ScoringParams
    methods: dict[str, dict[str, Any]]
    variants: dict[str, Variant]
    ablations: dict[str, dict[str, Variant]]
    tables: TablesParams
    report: ReportParams
    cluster: ClusterParams

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
        block = merge({}, self.methods[base])
        overrides = block.pop("benchmarks", {})
        for key in overrides:
            if key not in BENCHMARKS:
                where = f"methods.{base}.benchmarks.{key}"
                raise ParamsError(f"{where}: no such benchmark{nearest(key, list(BENCHMARKS))}")
        block = merge(block, overrides.get(benchmark, {}))
        for _, changes in reversed(chain):
            for dotted, value in changes.items():
                nested: Any = value
                for key in reversed(dotted.split(".")):
                    nested = {key: nested}
                block = merge(block, nested)
        common = self.benchmarks.get(benchmark, {}).get("training", {})
        training = merge(self.training.model_dump(), common)
        training = merge(training, block.pop("training", {}))
        where = f"methods.{base}" if base == name else f"variants.{name} ({base})"
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
        own = getattr(self.tables, table)
        return [BENCHMARK_OF.get(table) or own.benchmark]

    def rows_in_use(self) -> list[Row]:
        """Every row of every table, once a benchmark: what features and checks are needed for."""
        return [
            self.row(name, benchmark)
            for table in TABLES
            for names in self.table_rows(table).values()
            for name in names
            for benchmark in self.table_benchmarks(table)
        ]


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
    if not path.is_file():
        raise ParamsError(f"{path}: no such file; run from the project's root")
    try:
        raw = YAML(typ="safe").load(path.read_text())
    except YAMLError as error:
        raise ParamsError(f"{path}: {error}") from None
    try:
        method_names()
        params = validate(Params, raw, "")
        for group in params.tables.ablations.groups:
            if group not in params.ablations:
                known = nearest(group, list(params.ablations))
                raise ParamsError(f"tables.ablations.groups: no group '{group}'{known}")
        names = [n for group in (params.variants, *params.ablations.values()) for n in group]
        for name in {n for n in names if names.count(n) > 1}:
            raise ParamsError(f"variants and ablations: '{name}' is defined twice")
        for name in [*params.methods, *names]:
            for benchmark in BENCHMARKS:
                params.few_shot_training(params.row(name, benchmark).training, benchmark)
        for where in set(params.benchmarks) - set(BENCHMARKS):
            known = nearest(where, list(BENCHMARKS))
            raise ParamsError(f"benchmarks.{where}: no such benchmark{known}")
        for row in params.rows_in_use():
            cover = row.cls.cover()
            for store in row.stores:
                if store not in params.features.stores.get(cover, []):
                    wanted = f"add it to features.stores.{cover}"
                    raise ParamsError(f"{row.name} reads '{store}': {wanted}")
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from None
    return params
