"""dvc.yaml against the fingerprints: whatever changes one makes its stage run."""

import copy
import shutil
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo

from benchmarks.common import closure
from benchmarks.features.pretrained import ProfileEncoders
from benchmarks.grid import fingerprint
from benchmarks.grid.protocol import cells_of
from benchmarks.params import STAGE_BLOCKS, TABLES, Params, load
from benchmarks.params.files import read_yaml

ROOT = Path(__file__).parents[1]
STORES = ("vggish", "logmel", "spectrogram", "sam_rgb", "tokens2_bgr", "pixels64")


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def deps() -> dict[str, list[str]]:
    """Paths that each stage depends on, as DVC resolves them."""
    stages = Repo(str(ROOT)).index.stages
    return {s.addressing: [d.def_path for d in s.deps] for s in stages}


def test_plots_name_columns_that_the_report_writes(params):
    rows, benchmarks = {*params.tables.figure3.rows}, {*params.tables.table1.benchmarks}
    columns = {
        "table1": {"row", *benchmarks},
        "classes": {"class", *benchmarks},
        "figure3": {"share", *rows},
        "training": {"updates", *rows},
    }
    drawn = read_yaml(ROOT / "dvc.yaml")["plots"]
    assert len(drawn) == 5
    for plot in drawn:
        ((_, spec),) = plot.items()
        ((path, fields),) = spec["y"].items()
        name = path.removeprefix("${results}/plots/").removesuffix(".csv")
        fields = [fields] if isinstance(fields, str) else fields
        assert {spec["x"], *fields} <= columns[name]


def test_the_stages_are_the_tables(deps):
    runs = {f"run@{table}" for table in TABLES}
    assert set(deps) == {"values", "data", "features", "report"} | runs
    for stage, paths in deps.items():
        kind = stage.split("@")[0]
        if kind in STAGE_BLOCKS:
            assert f"work/miniature/values/{kind}.json" in paths
        if kind not in ("data", "features"):
            assert "params.yaml" in paths
    for stage in sorted(runs):
        assert {"work/miniature/index.csv", "work/miniature/features/manifest.json"} < {
            *deps[stage]
        }
        assert stage == "run@table1" or "work/miniature/records/table1" in deps[stage]
    assert "work/miniature/records" in deps["report"]


def test_an_edit_of_the_code_makes_the_stages_run_whose_fingerprints_it_changes(
    params, deps, tmp_path, monkeypatch
):
    """An edit makes `values` run, and what it notes for a stage is another."""
    monkeypatch.chdir(ROOT)
    asked = set()

    def note(*roots: str, stops=()) -> str:
        asked.add((roots, tuple(stops)))
        return ""

    def closures(call, *arguments) -> set:
        asked.clear()
        call(*arguments)
        return set(asked)

    monkeypatch.setattr(fingerprint, "_checksum", note)
    cells = [c for t in TABLES for s in params.table_rows(t) for c in cells_of(params, t, s)]
    makers = [f"benchmarks.miniature.{name}" for name in fingerprint.WORLD]
    made = {  # by each stage: what its fingerprints ask for
        "data": {(("benchmarks.data.read", *makers), fingerprint.NO_NUMBER)},
        "features": {c for name in STORES for c in closures(fingerprint.store_code, name)},
        "run": set(),
    }
    for cell in cells:
        if cell.seed == params.seeds[0]:
            made["run"] |= closures(fingerprint.recipe_checksum, params, cell)
    noted = {stage: closures(fingerprint.stage_code, params, stage) for stage in STAGE_BLOCKS}
    for package in closure.PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    before = closure.Sources(tmp_path)
    changed = defaultdict(set)
    for path in before.paths.values():
        text, file = path.read_text(), path.relative_to(tmp_path).as_posix()
        path.write_text(f"{text}\nflipped = 1\n")
        after = closure.Sources(tmp_path)
        path.write_text(text)

        def differ(asked: set, after=after) -> bool:
            return any(before.checksum(*c) != after.checksum(*c) for c in asked)

        assert any(file.startswith(f"{dep}/") for dep in deps["values"]), file
        for stage in made:
            if differ(made[stage]):
                changed[file].add(stage)
                assert differ(noted[stage]), f"{stage}.json doesn't know of {file}"
    assert changed["gavs/sam.py"] == {"features", "run"}
    assert changed["baselines/slavc.py"] == changed["benchmarks/grid/budget.py"] == {"run"}
    assert changed["benchmarks/miniature/sounds.py"] == {"data", "run"}
    assert not {"gavs/predict.py", "benchmarks/cli/parser.py", "benchmarks/launch/jobs.py"} & {
        *changed
    }


def _leaves(values, path=()):
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, values


def _other(value):
    """A value that stands a fair chance of being valid in its place."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if value >= 1 else value / 2 or 1
    if isinstance(value, str) and value.endswith("pvt.safetensors"):
        return "weights/miniature/sam.safetensors"
    if isinstance(value, str) and value.endswith(".safetensors"):
        return "weights/miniature/pvt.safetensors"
    return value[:-1] if isinstance(value, list) and value else f"{value}_other"


def test_an_edit_of_a_parameter_makes_the_stages_run_whose_fingerprints_it_changes(
    params, monkeypatch
):
    """`run` and `report` depend on params.yaml; `data` and `features` on what `values` notes."""
    monkeypatch.chdir(ROOT)
    index = pd.DataFrame({"uid": ["a"], "second": [0], "frames": [10], "digest": ["b"]})

    def identities(params: Params) -> dict[str, object]:
        encoders, asked = ProfileEncoders(params.encoders, params.audio), params.features
        return {
            "data": [params.data, params.world],
            "features": [
                fingerprint.header(name, index, encoders, asked.rows_per_shard, asked.precision)
                for cover in sorted(params.stores)
                for name in params.stores[cover]
            ],
        }

    raw = params.model_dump(mode="json")
    first, tried = identities(params), set()
    for path, value in _leaves(raw):
        if path[0] in ("methods", "variants", "ablations", "cluster"):  # no store's, nor data's
            continue
        edited = copy.deepcopy(raw)
        block = edited
        for key in path[:-1]:
            block = block[key]
        block[path[-1]] = _other(value)
        try:
            other = Params.model_validate(edited)
            after = identities(other)
        except (ValueError, KeyError):  # no valid value was found
            continue
        tried.add(path)
        for stage in first:
            if after[stage] != first[stage]:
                noted = [fingerprint.stage_values(p, stage) for p in (other, params)]
                assert noted[0] != noted[1], f"{stage}: {path}"
    assert len(tried) > 60
    for path in (
        ("data", "vggsound", "seed"),
        ("world", "clips", "v2", "train"),
        ("encoders", "sam", "weights"),
        ("encoders", "vggish", "weights"),
        ("audio", "spectrogram_hop"),
        ("features", "rows_per_shard"),
        ("features", "stores", "avs"),
    ):
        assert path in tried
