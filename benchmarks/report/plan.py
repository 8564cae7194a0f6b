"""Plan of the report: what the parameters ask it to show; there may be more records, or fewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.experiments import BENCHMARK_OF, EXPERIMENTS, SPECS, STAGES, csv_lines
from benchmarks.params import DEFAULT_PROFILE, Params, TablesParams
from benchmarks.report.study import FOLDER, Study, read_study
from benchmarks.scoring.statistics import Run

RECREATED = "re-created: no code was released"
# Rows of track P that are on the frozen SAM embeddings of track C as they stand.
REFERENCES = ("sam_fusion", "audio_sam", "gavs")


@dataclass(frozen=True)
class Plan:
    """Rows, runs and notes that the tables and figures have."""

    profile: str
    seeds: Sequence[int]  # of all rows
    draws: Mapping[str, Sequence[Run]]  # of few-shot and fraction cells, by benchmark
    tables: TablesParams
    more_seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)  # further ones, by row
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of ablations
    frames_per_clip: int | None = None  # scored; None: all
    floor_seeds: Sequence[int] | None = ()  # None: every one that a row runs
    shuffle_seeds: Sequence[int] | None = ()
    shots: Sequence[int] = ()
    fractions: Sequence[float] = ()
    notes: Mapping[str, str] = field(default_factory=dict)  # a line on a row
    paradigms: Mapping[str, str] = field(default_factory=dict)  # prompt or fusion, by row
    bases: Mapping[str, str] = field(default_factory=dict)  # the row that a variant changes
    annotations: Path | None = None  # vggss.json
    mute: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by benchmark: mIoU of
    # rules that know outlines and don't hear
    study: Study = Study()  # beside the default's
    by_heard: bool = False  # VGG-SS's classes by whether they sound in the localisers' list

    @property
    def base(self) -> str:
        """Row that differences are taken to."""
        return self.tables.base

    @property
    def runs(self) -> tuple[Run, ...]:
        """Runs of Table 1, one per training seed; those of some rows alone come last."""
        further = (seed for seeds in self.more_seeds.values() for seed in seeds)
        return tuple((seed, None) for seed in dict.fromkeys([*self.seeds, *further]))

    @property
    def trainings(self) -> str:
        """Number of seeds of a row, in words: 3, or 3 to 5."""
        return self.number(self.runs)

    def number(self, runs: Sequence[Run]) -> str:
        """Number of those of some runs that a row has, in words: 3, or 3 to 5."""
        return " to ".join(map(str, dict.fromkeys([self.usual(runs), len(runs)])))

    def planned(self, row: str, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Those of some runs that a row has."""
        seeds = {*self.seeds, *self.more_seeds.get(row, ())}
        return tuple(run for run in runs if run[0] in seeds)

    def usual(self, runs: Sequence[Run]) -> int:
        """Number of runs that every row has."""
        return sum(run[0] in self.seeds for run in runs)

    @property
    def floor_runs(self) -> tuple[Run, ...]:
        """Those of `runs` with a silent floor."""
        return self._of(self.floor_seeds)

    @property
    def shuffle_runs(self) -> tuple[Run, ...]:
        """Those of `runs` that are scored with wrong sound too."""
        return self._of(self.shuffle_seeds)

    def _of(self, seeds: Sequence[int] | None) -> tuple[Run, ...]:
        return tuple(run for run in self.runs if seeds is None or run[0] in seeds)

    @property
    def shot_settings(self) -> list[str]:
        """Settings of Tables 2 and 4, by number of shots."""
        return ["0-shot", *(f"{k}-shot" for k in self.shots)]

    @property
    def published(self) -> list[str]:
        """Rows of track P: the published systems."""
        return [*self.tables.table1.published, *self.tables.table1.gavs]

    @property
    def controlled(self) -> list[str]:
        """Rows of track C: heads on GAVS's frozen embeddings, the matched pairs, and rows that
        stand on these embeddings anyway."""
        heads = [*self.tables.table1.controlled, *self.tables.table1.pairs]
        return [*heads, *(row for row in REFERENCES if row in self.published)] if heads else []

    @property
    def methods(self) -> list[str]:
        """Rows of all figures, first those that several figures share."""
        tables = self.tables
        shared = [*tables.figure3.rows, *tables.table2.rows, *tables.table3.rows]
        rows = [*shared, *self.published, *self.controlled, *tables.table3.in_set]
        rows += [row for table in STAGES for row in tables.rows_of(table)]
        return list(dict.fromkeys(rows))

    @property
    def families(self) -> dict[str, str]:
        """Family of each row, for its colour: how sound enters, or in-set, or re-created; a
        variant is of its base's."""
        families = dict(self.paradigms) | dict.fromkeys(self.tables.table3.in_set, "in-set")
        families |= {row: "re-created" for row, n in self.notes.items() if n == RECREATED}
        for row in self.bases:
            root = row
            while root in self.bases:
                root = self.bases[root]
            if row in families and root in families:
                families[row] = families[root]
        return families

    def folders(self, root: Path) -> dict[Path, list[str]]:
        """Folders of records below `root`, with the rows of each that the lists name."""
        tables = self.tables
        rows = dict.fromkeys([*tables.table1.rows, self.base])  # the base is a row of Table 1
        folders = {root / "table1" / row: [row] for row in rows}
        for group, names in self.groups.items():  # what Table 1 measures is read from there
            folders[root / "ablations" / group] = [name for name in names if name not in rows]
        for table in STAGES:
            stages = tables.stages_of(table).items()
            folders |= {root / table / stage: part for stage, part in stages}
        return folders

    def shows(self, table: str) -> bool:
        """Whether the parameters ask for any row of a table beside Table 1's."""
        if table in STAGES:
            return any(self.tables.stages_of(table).values())
        return table != "ablations" or bool(self.groups)

    def label(self, row: str) -> str:
        """Name of a row in the tables."""
        return f"`{row}`" + " (ceiling)" * (row == self.tables.table1.ceiling)

    def track(self, row: str) -> str:
        """Tracks of a row: "P", "C", "P, C" or none."""
        tracks = {"P": self.published, "C": self.controlled}
        return ", ".join(name for name, rows in tracks.items() if row in rows)


def plan_of(params: Params) -> Plan:
    """Make the plan that a parameter file asks for."""
    tables = params.asked
    groups = {group: list(params.ablations[group]) for group in tables.ablations.groups}
    methods = {row.name: row.method_config for row in params.rows_in_use()}
    notes = {name: RECREATED for name, config in methods.items() if config.recreated}
    groups_of_variants = (params.variants, *params.ablations.values())
    variants = {name: variant for group in groups_of_variants for name, variant in group.items()}
    notes |= {name: variant.note for name, variant in variants.items() if variant.note}
    root, common = params.data.vggss, len(params.seeds)
    return Plan(
        profile=params.profile,
        seeds=params.seeds,
        draws={b: tuple(params.draws(b)) for b in BENCHMARK_OF.values()},
        tables=tables,
        more_seeds={row: more for row in methods if (more := params.seeds_of(row)[common:])},
        groups=groups,
        frames_per_clip=params.scoring.frames_per_clip,
        floor_seeds=params.scoring.floor_seeds,
        shuffle_seeds=params.scoring.shuffle_seeds,
        shots=params.protocol.shots,
        fractions=params.protocol.fractions,
        notes=notes,
        paradigms={name: c.paradigm for name, c in methods.items() if not c.oracle},
        bases={name: v.base for name, v in variants.items() if v.base != name},
        annotations=root / "vggss.json" if root else None,
        mute=_mute(params),
        study=read_study(params.results / FOLDER) if params.profile == DEFAULT_PROFILE else Study(),
        by_heard=params.protocol.vggss_heard is not None,
    )


def _mute(params: Params) -> dict[str, dict[str, float]]:
    """Read what rules without ears score on this version of the world (docs/miniature.md)."""
    rules: dict[str, dict[str, float]] = {}
    if params.world is None:
        return rules
    version, regimes = params.world.version, {str(b): r for b, r in params.world.regime.items()}
    path = EXPERIMENTS / SPECS["table1"].folder / "without_ears.csv"
    for line in csv_lines(path):
        if (line["world"], line["regime"]) == (version, regimes.get(line["benchmark"])):
            rules.setdefault(line["benchmark"], {})[line["rule"]] = float(line["miou"])
    return rules
