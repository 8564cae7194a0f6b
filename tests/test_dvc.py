"""dvc.yaml against the fingerprints: whatever changes one makes its stage run."""

import copy
import shutil
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from benchmarks.common import closure
from benchmarks.features.encoders import ProfileEncoders
from benchmarks.grid import fingerprint
from benchmarks.grid.protocol import cells_of
from benchmarks.params import STAGE_BLOCKS, TABLES, Params, load

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def params() -> Params:
    return load(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def deps() -> dict[str, list[str]]:
    """Paths that each stage depends on, as DVC resolves them."""
    stages = Repo(str(ROOT)).index.stages
    return {s.addressing: [d.def_path for d in s.deps] for s in stages}


def _runs_after(stage: str, deps: dict[str, list[str]], file: str) -> bool:
    return any(file == path or file.startswith(f"{path}/") for path in deps[stage])


def test_the_stages_are_the_tables(deps):
    runs = {stage.removeprefix("run@") for stage in deps if stage.startswith("run@")}
    assert runs == set(TABLES)
    assert set(deps) == {"values", "data", "features", "report"} | {f"run@{t}" for t in TABLES}


def test_an_edit_of_the_code_makes_the_stages_run_whose_fingerprints_it_changes(
    params, deps, tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    asked = defaultdict(set)  # the closures that a stage's fingerprints ask for
    stage = "features"

    def note(*roots: str, stops=()) -> str:
        asked[stage].add((roots, tuple(stops)))
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "_checksum", note)
        for name in {name for names in params.stores.values() for name in names}:
            fingerprint.store_code(name)
        for table in TABLES:
            stage = f"run@{table}"
            for cell in (c for s in params.table_rows(table) for c in cells_of(params, table, s)):
                if cell.seed == params.seeds[0]:
                    fingerprint.recipe_checksum(params, cell)
    makers = [f"benchmarks.miniature.{name}" for name in fingerprint.WORLD]
    stops = ("benchmarks.common", "benchmarks.params")
    asked["data"] = {(("benchmarks.data.read", *makers), stops)}

    for package in closure.PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    before = closure.Sources(tmp_path)
    changed = defaultdict(list)
    for path in before.paths.values():
        text, file = path.read_text(), path.relative_to(tmp_path).as_posix()
        path.write_text(f"{text}\nflipped = 1\n")
        after = closure.Sources(tmp_path)
        path.write_text(text)
        for stage, closures in asked.items():
            if any(before.checksum(*c) != after.checksum(*c) for c in closures):
                changed[file].append(stage)
                assert _runs_after(stage, deps, file), f"{stage} doesn't depend on {file}"
    runs = {f"run@{table}" for table in TABLES}
    assert set(changed["gavs/sam.py"]) == {"features", *runs}
    assert set(changed["benchmarks/grid/budget.py"]) == {"run@figure3"}
    assert set(changed["baselines/slavc.py"]) == {"run@table3"}
    assert set(changed["benchmarks/miniature/sounds.py"]) == {"data", *runs}
    assert not {"gavs/predict.py", "benchmarks/cli.py", "benchmarks/launch/plan.py"} & set(changed)


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
    params, deps, monkeypatch
):
    """`run` and `report` depend on params.yaml; `data` and `features` on their blocks."""
    monkeypatch.chdir(ROOT)
    for stage, paths in deps.items():
        own = (
            f"work/{params.profile}/values/{stage}.json" if stage in STAGE_BLOCKS else "params.yaml"
        )
        assert own in paths
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

    raw = YAML(typ="safe").load(ROOT / "params.yaml")
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
        for stage in STAGE_BLOCKS:
            if after[stage] != first[stage]:
                assert other.values(stage) != params.values(stage), f"{stage}: {path}"
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
    assert other.values("features").keys() == STAGE_BLOCKS["features"]
