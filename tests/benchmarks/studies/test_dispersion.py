"""Which orderings survive: verdicts on hand-made scores, and alternatives on a small world."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.data.index import load_index
from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.needs import reads
from benchmarks.grid.protocol import Cell, model_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import ParamsError, load
from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.statistics import sample
from benchmarks.studies import dispersion
from benchmarks.studies.dispersion import (
    BENCHMARKS,
    compare,
    compared,
    disperse,
    judged,
    page,
    prepare,
    write_params,
)

ROOT = Path(__file__).parents[3]
VIDEOS = np.array([f"v{i:03}" for i in range(100)])


def scored(mean, noise=0.0, seed=0):
    """Three seeds of a method on 100 videos that are as hard for every method."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(9).uniform(-0.2, 0.2, 100)
    terms = []
    for offset in (-0.001, 0.0, 0.001):
        values = mean + offset + hard - hard.mean() + noise * rng.choice([-1, 1], 100)
        terms.append(Terms(VIDEOS, values, np.ones(100)))
    return sample(terms)


@pytest.fixture
def compared_scores():
    """V1S: a > b > c by default; `aux0` turns a and b round, `balanced` blurs them."""
    return compare(
        {
            ("v1s", "default"): {"b": scored(0.6), "c": scored(0.5), "a": scored(0.7)},
            ("v1s", "aux0"): {"a": scored(0.61), "b": scored(0.64), "c": scored(0.5)},
            ("v1s", "balanced"): {
                "a": scored(0.6, 0.3, 1),
                "b": scored(0.6, 0.3, 2),
                "c": scored(0.1),
            },
        }
    )


def test_verdicts_are_of_the_default_order(compared_scores):
    rows, pairs = compared_scores
    assert list(rows.row) == ["a", "b", "c"] * 3
    first = rows.iloc[0]
    assert first.miou == pytest.approx(0.7) and first["std"] == pytest.approx(0.001)
    assert first.low < 0.7 < first.high and first.seeds == 3
    verdicts = {(p.alternative, p.better + p.worse): p.verdict for p in pairs.itertuples()}
    assert verdicts == {
        ("default", "ab"): "holds",
        ("default", "ac"): "holds",
        ("default", "bc"): "holds",
        ("aux0", "ab"): "reversed",
        ("aux0", "ac"): "holds",
        ("aux0", "bc"): "holds",
        ("balanced", "ab"): "undecided",
        ("balanced", "ac"): "holds",
        ("balanced", "bc"): "holds",
    }
    turned = pairs[(pairs.alternative == "aux0") & (pairs.verdict == "reversed")].iloc[0]
    assert turned.difference == pytest.approx(-0.03)
    assert turned.low < -0.02 and turned.high < 0


def test_the_page_counts_what_became_of_them(compared_scores):
    text = page(*compared_scores, "miniature", "0123456789+")
    assert "at `0123456+`: profile miniature" in text
    assert "| a | 70.00 ± 0.10 | 61.00 ± 0.10 |" in text
    assert "| tau | 1.00 | 0.33 |" in text  # one of three pairs is discordant: (2 - 1) / 3
    assert "| aux0 | 2 | 1 | 0 | 1 | 0 of 0 |" in text  # holds, reversed, undecided, below 0
    assert "| balanced | 2 | 0 | 1 | 1 | 0 of 0 |" in text  # a > b: −0.40 undecided
    assert "| a > b | +10.00 | −3.00 reversed | " in text
    assert "| b > c | +10.00 | +14.00 | " in text
    rows, pairs = compared_scores
    assert "| a | 70.00 | 61.00 |" in page(
        rows.assign(std=float("nan")), pairs, "miniature", "0123456789+"
    )


def test_orderings_of_rows_that_an_alternative_leaves_alone_are_not_counted():
    """Only c moves, so a > b, the same trainings twice, says nothing of what survives."""
    default = {"a": scored(0.6), "b": scored(0.5), "c": scored(0.4)}
    alternative = default | {"c": scored(0.3)}
    rows, pairs = compare({("v1s", "default"): default, ("v1s", "bf16"): alternative})
    assert "| bf16 | 2 | 0 | 0 | 0 | 0 of 0 |" in page(rows, pairs, "miniature", "0123456789+")


def test_pairs_of_a_benchmark_and_alternative_are_one_family():
    """Holm's rule makes .04 and .04 of .02 and .03; what stood there before counts for nothing."""
    lines = pd.DataFrame(
        {
            "benchmark": "v2",
            "alternative": ["half", "half", "double"],
            "difference": [0.1, -0.1, -0.1],
            "p_alone": [0.02, 0.03, 0.06],
            "p": 0.5,
            "verdict": "holds",
        }
    )
    pairs = judged(lines)
    assert pairs.p.tolist() == [0.04, 0.04, 0.06]
    assert pairs.verdict.tolist() == ["holds", "reversed", "undecided"]


def test_an_alternative_without_scores_of_a_benchmark_has_no_column():
    two = {"a": scored(0.6), "b": scored(0.5)}
    rows, pairs = compare({("v1s", "default"): two, ("v2", "default"): two, ("v1s", "aux0"): two})
    text = page(rows, pairs, "miniature", "0123456789+").split("## v2")[1]
    assert "aux0" not in text and "| row | default |" in text


@pytest.mark.parametrize("name", ["bf16", "aux0", "balanced"])
def test_an_alternative_changes_what_it_says_and_nothing_else(name, tmp_path, monkeypatch):
    params = load(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    chosen = write_params(params, name)
    assert chosen == load(chosen.work / "params.yaml")
    assert chosen.profile == f"miniature_{name}"
    changed = {key for key, value in params if getattr(chosen, key) != value}
    common = {"profile", "results", "data", "features", "tables"}
    assert changed == common | {"aux0": {"encoders"}, "balanced": {"world"}}.get(name, set())
    assert chosen.features.precision == ("bf16" if name == "bf16" else params.features.precision)
    assert chosen.encoders.vggish == params.encoders.vggish
    assert compared(chosen) == compared(params)
    sets = {clips.split("/")[0] for read in reads(chosen).values() for clips, _ in read}
    assert sets == set(BENCHMARKS[name])  # `balanced` has no clips of any other
    assert "gavs_released" in params.tables.table1.gavs
    assert "gavs_released" not in compared(params)
    for row in compared(params):
        assert chosen.row(row, "v1s") == params.row(row, "v1s")
    if name == "balanced":
        assert chosen.world.regime == {**params.world.regime, "v1s": "balanced"}
        assert chosen.world.clips == {"v1s": params.world.clips["v1s"]}
        assert chosen.data.root != params.data.root


def test_a_profile_with_floors_on_unseen_classes_has_alternatives(tmp_path, monkeypatch):
    params = load(ROOT / "profiles/unseen.yaml")
    monkeypatch.chdir(tmp_path)
    chosen = write_params(params, "bf16")
    assert params.tables.table2.floor and not chosen.tables.table2.floor


def _fingerprint(params, row):
    model = model_of(Cell("table1", row, row, "v1s", "train", 0))
    return fingerprint(Workbench(params).fingerprints.model(model))


def test_what_another_sam_leaves_as_it_is_is_not_trained_again(project):
    params = load()
    chosen = prepare(params, "aux0")
    index = (project / params.work / "index.csv").read_bytes()
    assert (project / chosen.work / "index.csv").read_bytes() == index
    assert _fingerprint(chosen, "avsbench") == _fingerprint(params, "avsbench")
    assert _fingerprint(chosen, "gavs") != _fingerprint(params, "gavs")
    for shared in ("models", "runs", "features/avs/vggish", "features/avs/pixels64"):
        assert (project / chosen.work / shared).samefile(project / params.work / shared)
    manifests = [
        json.loads((p.work / "features/manifest.json").read_text()) for p in (params, chosen)
    ]
    assert manifests[0]["avs/pixels64"] == manifests[1]["avs/pixels64"]
    assert manifests[0]["avs/sam_rgb"] != manifests[1]["avs/sam_rgb"]
    prepare(params, "aux0")  # again: nothing to do


def test_another_world_is_built_beside_the_first(project):
    params = load()
    chosen = prepare(params, "balanced")
    index = load_index(chosen.work / "index.csv")
    assert set(index.benchmark) == {"v1s"} and set(index.regime) == {"balanced"}
    assert index.n_objects[~index.off_screen].min() >= 2
    assert _fingerprint(chosen, "avsbench") != _fingerprint(params, "avsbench")


def test_failed_cells_leave_the_tables_alone(monkeypatch, tmp_path):
    params = load(ROOT / "params.yaml")
    monkeypatch.setattr(dispersion, "run_cells", lambda params, cells, workers: ["x: diverged"])
    monkeypatch.setattr(dispersion, "prepare", lambda params, name: params)
    failures = disperse(params, tmp_path)
    assert failures == [f"{n}: x: diverged" for n in ("default", "bf16", "aux0", "balanced")]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ParamsError, match="world is null"):
        disperse(params.model_copy(update={"world": None}), tmp_path)
