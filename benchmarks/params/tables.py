"""Block `tables` of params.yaml: the rows of each table."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from benchmarks.common.checks import Distinct
from benchmarks.common.paths import Name
from benchmarks.data.config import Benchmark
from benchmarks.experiments import SPECS, STAGES
from gavs.configs import Config

Rows = Distinct[Name]


class Table1Params(Config):
    """Rows and benchmarks of Table 1."""

    benchmarks: Distinct[Benchmark] = Field(["v1s", "v1m", "v2"], min_length=1)
    published: Rows = [  # track P
        *("avsbench", "avsbench_resnet", "avsegformer", "autr", "auss", "avsc", "av_sam", "sama"),
        *("audio_sam", "sam_fusion"),
    ]
    controlled: Rows = ["tpavi_sam", "avsegformer_sam"]  # track C: on GAVS's frozen SAM embeddings
    gavs: Rows = ["gavs", "gavs_adapters", "gavs_released", "gavs_released_fixed", "gavs_lora"]
    # Track C too: with `gavs` and `sam_fusion` the pairs of prompt and fusion that differ in that
    # alone.
    pairs: Rows = [
        *("gavs_full_decoder", "sam_fusion_full_decoder", "gavs_dice", "sam_fusion_dice"),
        *("gavs_full_decoder_dice", "sam_fusion_full_decoder_dice"),
    ]
    # The paper doesn't name SAM-Fusion's operator: only the range over these is printed.
    operators: Rows = ["sam_fusion_add", "sam_fusion_film", "sam_fusion_tpavi"]
    ceiling: Name = "oracle_click"

    @property
    def rows(self) -> list[str]:
        """All rows, in the table's order."""
        return [*self.methods, *self.operators, self.ceiling]

    @property
    def methods(self) -> list[str]:
        """Rows that stand for themselves, each with its floor: neither operator nor ceiling."""
        return [*self.published, *self.controlled, *self.gavs, *self.pairs]

    @model_validator(mode="after")
    def _one_place(self) -> "Table1Params":
        """Check that each row stands in one list."""
        if twice := sorted({row for row in self.rows if self.rows.count(row) > 1}):
            raise ValueError(f"{', '.join(twice)} stands in more than one list")
        return self


class AblationsParams(Config):
    """Groups of ablations in the table, and their benchmark."""

    benchmark: Benchmark = "v2"  # balanced scenes and silent seconds: where hearing decides
    groups: Rows = ["prompt", "noise", "alignment", "decoder", "input"]


class RowsParams(Config):
    """Rows of one table."""

    rows: Rows  # `tables.rows` if none are named


class Table2Params(RowsParams):
    """Rows of Table 2."""

    # Rows that are also trained and tested in silence, without shots: a floor on unseen classes.
    floor: Rows = []


class Table3Params(RowsParams):
    """Rows of Table 3: `rows` zero-shot, trained on V2; `in_set` trained on VGG-Sound."""

    in_set: Rows = ["hardway", "ez_vsl", "slavc", "margin_nce", "avin"]


class RobustnessParams(RowsParams):
    """Rows of the robustness table, and their benchmark."""

    benchmark: Benchmark = "v2"


class TablesParams(Config):
    """Rows of every table."""

    # Of Tables 2 to 4, Figure 3 and the robustness table, where one names none of its own.
    rows: Rows = [
        *("avsbench", "avsegformer", "audio_sam", "sam_fusion", "tpavi_sam", "avsegformer_sam"),
        *("gavs", "gavs_adapters", "gavs_full_decoder", "sam_fusion_full_decoder"),
    ]
    # Ablations that are also tested on unseen classes (Table 2) and on VGG-SS (Table 3), without
    # shots: what the paper says of its parts, it says of generalisation.
    ablated: Rows = [
        *("gavs_no_cue", "gavs_no_alignment", "gavs_no_noise", "gavs_no_cola", "gavs_decoder_lora")
    ]
    # Pairs of a prompt and a fusion, in Tables 2 to 4 and Figure 3 too but not in their plots.
    paired: Rows = []
    base: Name = "gavs"  # the row that every table's Δ is taken against
    table1: Table1Params = Table1Params()
    ablations: AblationsParams = AblationsParams()
    table2: Table2Params  # AVS-V3, 0 to 5 shots
    table3: Table3Params  # VGG-SS
    table4: RowsParams  # VGG-SS-Sub, 0 to 5 shots
    figure3: RowsParams  # fractions of V2
    robustness: RobustnessParams  # Table 1's models with sound that isn't there

    @model_validator(mode="before")
    @classmethod
    def _common_rows(cls, values: Any) -> Any:
        """Give the common rows to each table that names none."""
        if not isinstance(values, Mapping):
            return values
        rows = values.get("rows", cls.model_fields["rows"].default)
        tables = {name: values.get(name, {}) for name in STAGES}
        return {
            **values,
            **{k: {"rows": rows, **v} if isinstance(v, Mapping) else v for k, v in tables.items()},
        }

    @model_validator(mode="after")
    def _ablations_beside_table1(self) -> "TablesParams":
        """Check that Table 1 trains the base that the ablations are compared with."""
        where, benchmarks = self.ablations.benchmark, self.table1.benchmarks
        if self.ablations.groups and where not in benchmarks:
            raise ValueError(
                f"ablations.benchmark: {where}; expected one of table1.benchmarks "
                f"({', '.join(benchmarks)}), where their base is trained, or groups: []"
            )
        return self

    @model_validator(mode="after")
    def _floors_of_rows(self) -> "TablesParams":
        """Check that Table 2 has the rows that are to have a floor there."""
        if unknown := sorted({*self.table2.floor} - {*self.rows_of("table2")}):
            raise ValueError(f"table2.floor: {', '.join(unknown)} not among the rows of Table 2")
        return self

    def rows_of(self, table: str) -> list[str]:
        """Rows of a table of `STAGES`, less those that are in-set or ablated."""
        rows = getattr(self, table).rows
        paired = self.paired if rows and table in PAIRED else []
        return list(dict.fromkeys([*rows, *paired]))

    def stages_of(self, table: str) -> dict[str, list[str]]:
        """Rows of a table of `STAGES` by the folder of records that they are in."""
        rows = self.rows_of(table)
        stages = {stage: rows for stage in STAGES[table]}
        if rows and table in ABLATED:
            stages["zero_shot"] = list(dict.fromkeys([*rows, *self.ablated]))
        if table == "table3":
            stages["in_set"] = list(self.table3.in_set)
        return stages

    def on(self, vggss: bool, vggsound: bool) -> "TablesParams":
        """Copy without the rows of Tables 3 and 4 that there is no data for."""
        rows = {"table3": self.table3.rows, "table4": self.table4.rows}
        rows = {name: names if vggss else [] for name, names in rows.items()}
        in_set = self.table3.in_set if vggss and vggsound else []
        table3 = self.table3.model_copy(update={"rows": rows["table3"], "in_set": in_set})
        table4 = self.table4.model_copy(update={"rows": rows["table4"]})
        return self.model_copy(update={"table3": table3, "table4": table4})


TABLES = tuple(SPECS)
ABLATED = ("table2", "table3")  # tables whose 0-shot cells include `tables.ablated`
PAIRED = (*ABLATED, "table4", "figure3")  # tables with the rows of `tables.paired`
