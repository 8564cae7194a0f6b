"""CONTRIBUTING.md followed in a copy of the project: a method, a table and an ablation."""

import json
import sys
from pathlib import Path

import pytest

from tests.copies import ROOT, copy_project, run_in

METHOD = '''\
"""Half-SAM: Audio-SAM with its logits halved (a test's own)."""

from dataclasses import replace

from baselines.audio_sam import AudioSam
from baselines.configs.half_sam import HalfSamConfig
from gavs.method import METHODS, Batch, Prediction


@METHODS.register_module(name="half_sam")
class HalfSam(AudioSam):
    Config = HalfSamConfig

    def forward(self, batch: Batch) -> Prediction:
        prediction = super().forward(batch)
        return replace(prediction, logits=self.config.factor * prediction.logits)
'''
CONFIG = '''\
"""Parameter block of Half-SAM."""

from baselines.configs.audio_sam import AudioSamConfig
from gavs.configs import method_config


@method_config("half_sam", "baselines.half_sam")
class HalfSamConfig(AudioSamConfig):
    factor: float = 0.5
'''
TABLE = '''\
"""Table 5: what Table 1's models light in silence."""

from benchmarks.common.tables import markdown
from benchmarks.report.layout import Layout, Section
from benchmarks.report.ledger import Ledger, Part, Source
from benchmarks.report.measure import Block, Column, measure
from benchmarks.report.plan import Plan


def section(plan: Plan, ledger: Ledger) -> Section:
    part = Part(Source("v1m", "negatives", "silence"), "lit")
    columns = [Column("v1m", "lit", (part,), plan.runs[:1])]
    table = measure("table5", ledger, [Block(plan.tables.table5.rows, columns)], plan.base)
    layout = Layout(plan, table)
    grid = layout.grid(table.rows, [layout.method(), layout.plain("lit (%)", "v1m lit")])
    return layout.section("Table 5: silence", [markdown(grid)], grid)
'''
FILES = {
    "baselines/half_sam.py": METHOD,
    "baselines/configs/half_sam.py": CONFIG,
    "benchmarks/report/table5.py": TABLE,
    "benchmarks/experiments/table5_silence/README.md": "# Table 5: silence\n",
}
LINES = {  # by file: below the first line that begins with this, these
    "params.yaml": [
        ("methods:", "  half_sam: {hidden: 64, training: {lr: 2.0e-3}}"),
        ("    published:", "    - half_sam"),
        (
            "  decoder:",
            "    gavs_cola_tiny:\n"
            "      base: gavs\n"
            "      set: {cola.width: 4}\n"
            "      note: an eighth of the width",
        ),
    ],
    "benchmarks/params/tables.py": [("    robustness: RobustnessParams", "    table5: RowsParams")],
    "benchmarks/experiments/__init__.py": [
        (
            '        Spec("robustness"',
            '        Spec("table5", "table5_silence", ("negatives",), "v1m"),',
        ),
    ],
    "dvc.yaml": [("      robustness:", "      table5: {after: records/table1}")],
}
CELLS = """\
import json
from benchmarks.grid.fingerprint import recipe_checksum
from benchmarks.grid.protocol import cells_of, model_of
from benchmarks.params import TABLES, load

params = load()
cells = [c for t in TABLES for s in params.table_rows(t) for c in cells_of(params, t, s)]
cells = [cell for cell in cells if cell.seed == params.seeds[0]]
found = {"cells": {str(cell): recipe_checksum(params, cell) for cell in cells}}
"""
REST = """\
from pathlib import Path
from dvc.repo import Repo
from benchmarks import cli
from benchmarks.report.ledger import Ledger
from benchmarks.report.page import table_page
from benchmarks.report.plan import plan_of
from benchmarks.report.write import lay_out, read
from tests.benchmarks.report.conftest import Desk, frames
from tests.test_methods import CASES

found["laws"] = [case for case in CASES if "half_sam" in case]
stages = Repo(".").index.stages
found["stages"] = {s.addressing: [[d.def_path for d in s.deps], [o.def_path for o in s.outs]]
                   for s in stages}
by_name = {str(cell): cell for cell in cells}
models = [model_of(by_name[f"{name} seed 0"])
          for name in ("table1 gavs v1m train", "table5 gavs v1m negatives")]
found["shared"] = models[0] == models[1]
desk, plan = Desk(Path(".")), plan_of(params)
desk.put("half_sam", [5, 4], benchmark="v2")  # 100 and 80 %
desk.put("gavs_cola_tiny", [3, 2], benchmark="v2", folder="ablations/decoder")
lit = {"silence": frames([2, 4])}
desk.write("table5/negatives", "gavs", "v1m", "negatives", lit)
ledger = Ledger(read(desk.records, plan))
found["page"] = "".join(table_page(section) for section in lay_out(plan, ledger))
"""
SHOW = "print(json.dumps(found))"


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    copy_project(folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name, additions in LINES.items():
        lines = (folder / name).read_text().splitlines()
        for above, added in additions:
            place = next(i for i, line in enumerate(lines) if line.startswith(above))
            lines[place + 1 : place + 1] = added.splitlines()
        (folder / name).write_text("\n".join([*lines, ""]))
    return folder


@pytest.fixture(scope="module")
def facts(extended) -> tuple[dict, dict]:
    """What the project as it stands, and the extended one, say of themselves."""
    before = run_in(ROOT, sys.executable, "-c", CELLS + SHOW).stdout
    after = run_in(extended, sys.executable, "-c", CELLS + REST + SHOW).stdout
    return json.loads(before), json.loads(after)


def row_of(page: str, row: str, heading: str) -> list[str]:
    """Cells of a row's first line below the heading that has this word."""
    lines = page.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("#") and heading in line)
    line = next(line for line in lines[start:] if f"| `{row}` |" in line)
    return [cell.strip(" *") for cell in line.split("|")[1:-1]]


def new_cells(facts, start: str) -> set[str]:
    before, after = facts
    return {name for name in after["cells"] if name not in before["cells"] and start in name}


def test_nothing_else_is_trained_again(facts):
    before, after = facts
    assert len(before["cells"]) > 100
    assert {name: after["cells"].get(name) for name in before["cells"]} == before["cells"]


def test_a_method_has_its_cells_and_its_row(facts, extended):
    after = facts[1]
    settings = ("train", "floor")
    assert new_cells(facts, " half_sam ") == {
        f"table1 half_sam {b} {s} seed 0" for b in ("v1s", "v1m", "v2") for s in settings
    }
    checksums = {
        after["cells"][f"table1 {row} v2 train seed 0"] for row in ("half_sam", "audio_sam")
    }
    assert len(checksums) == 2
    assert row_of(after["page"], "half_sam", "V2, profile")[2] == "90.00"
    listed = run_in(extended, sys.executable, "-m", "benchmarks", "list").stdout
    assert "half_sam" in listed and "Half-SAM: Audio-SAM with its logits halved" in listed


def test_the_laws_are_tried_on_a_method_without_a_line_of_test(facts):
    assert facts[1]["laws"] == ["half_sam"]


@pytest.mark.slow
def test_a_method_obeys_the_laws(extended):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "half_sam"]
    done = run_in(extended, *command, "tests/test_methods.py")
    assert " passed" in done.stdout


def test_a_table_has_its_cells_its_stage_and_its_section(facts):
    after = facts[1]
    rows = [name.split()[1] for name in after["cells"] if name.startswith("robustness ")]
    assert new_cells(facts, "table5 ") == {f"table5 {row} v1m negatives seed 0" for row in {*rows}}
    assert after["shared"]  # nothing is trained for it
    deps, outs = after["stages"]["run@table5"]
    assert "work/miniature/records/table1" in deps
    assert outs == ["work/miniature/records/table5"]
    assert row_of(after["page"], "gavs", "# Table 5")[1] == "30.00"
    assert row_of(after["page"], "gavs_adapters", "# Table 5")[1] == "–"


def test_an_ablation_of_four_lines_has_its_cells_and_its_row(facts):
    after = facts[1]
    assert new_cells(facts, " gavs_cola_tiny ") == {"ablations gavs_cola_tiny v2 train seed 0"}
    shown = row_of(after["page"], "gavs_cola_tiny", "Ablations")
    assert (shown[2], shown[-1]) == ("50.00", "an eighth of the width")
