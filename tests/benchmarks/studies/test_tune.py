"""The search for learning rates: its choice, what it writes, and that params.yaml holds it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from benchmarks.params import ParamsError, load
from benchmarks.params.profile import profile_file
from benchmarks.studies import tune as module
from benchmarks.studies import validated
from benchmarks.studies.tune import LADDER, RATES, at_rate, beyond, choose, tune, tuned_rows
from benchmarks.training.loop import Diverged
from tests.benchmarks.studies.bench import Bench

ROOT = Path(__file__).parents[3]
MINIATURE = profile_file("miniature", ROOT / "params.yaml")


@pytest.fixture
def project(tmp_path):
    """A folder with the miniature's params.yaml."""
    shutil.copy(MINIATURE, tmp_path / "params.yaml")
    return tmp_path


@pytest.fixture
def run(project, monkeypatch):
    """run(score, rows=()): the search with `score(row, benchmark, lr)` for a training."""
    monkeypatch.setattr(module, "Workbench", Bench)

    def search(score, rows=()):
        def trained(bench, model, name):
            training = bench.params.row(model.row, model.benchmark).training
            value = score(model.row, model.benchmark, training.lr)
            if np.isnan(value):
                raise Diverged(f"{name}: loss is nan")
            return None, {"selection": {"validation": value}}

        monkeypatch.setattr(validated, "trained", trained)
        path = project / "params.yaml"
        return tune(load(path), project, [path], rows)

    return search


def best_at(rates):
    """A score that peaks at each row's rate."""
    return lambda row, benchmark, lr: 0.5 - 0.01 * abs(np.log10(lr / rates[row]))


def peaks(params):
    return {row: LADDER[1 + i % 5] for i, row in enumerate(tuned_rows(params))}


def table(**scores):
    """Table of one benchmark: scores by row at the three rates, the largest rate first."""
    lines = [
        {"row": row, "lr": lr, "v1s": value}
        for row, values in scores.items()
        for lr, value in zip(RATES[::-1], values[::-1], strict=True)
    ]
    return pd.DataFrame(lines)


def test_the_best_mean_decides_and_the_smaller_of_equals():
    small, middle, large = RATES
    found = choose(table(a=[0.1, 0.3, 0.2], b=[0.3, 0.3, 0.2], c=[0.1, 0.3, 0.3]), ["v1s"])
    assert found == {"a": middle, "b": small, "c": middle}
    two = table(a=[0.1, 0.2, 0.3]).assign(v2=[0.0, 0.1, 0.9])  # largest rate first
    assert choose(two, ["v1s", "v2"]) == {"a": small}


def test_a_diverged_rate_is_worst_though_its_other_benchmarks_are_best():
    small, middle, _ = RATES
    scores = table(a=[0.0, 0.2, 0.9]).assign(v2=[np.nan, 0.2, 0.0])
    assert choose(scores, ["v1s", "v2"]) == {"a": middle}
    assert choose(table(a=[0.0, np.nan, np.nan]), ["v1s"]) == {"a": small}
    with pytest.raises(ValueError, match=r"b diverged at every rate \(1.0e-3, 3.0e-3, 1.0e-2\)"):
        choose(table(a=[0.1, 0.1, 0.1], b=[np.nan] * 3), ["v1s"])


NAN = float("nan")


@pytest.mark.parametrize(
    "means, added",
    [
        ({1e-3: 0.1, 3e-3: 0.3, 1e-2: 0.2}, []),
        ({1e-3: 0.1, 3e-3: 0.2, 1e-2: 0.3}, [3e-2]),
        ({1e-3: 0.3, 3e-3: 0.2, 1e-2: 0.1}, [3e-4]),
        ({3e-4: 0.3, 1e-3: 0.2, 3e-3: 0.2, 1e-2: 0.1}, [1e-4]),
        ({1e-4: 0.3, 3e-4: 0.2, 1e-3: 0.2}, []),  # the ladder ends
        ({3e-3: 0.1, 1e-2: 0.2, 3e-2: 0.3, 1e-1: 0.4}, []),
        ({1e-3: 0.1, 3e-3: 0.3, 1e-2: NAN}, []),  # beyond it, it diverged
        ({1e-3: NAN, 3e-3: NAN, 1e-2: NAN}, [3e-4]),
        ({1e-3: 0.2, 3e-3: NAN, 1e-2: NAN}, [3e-4]),
        ({1e-3: 0.2, 3e-3: 0.2, 1e-2: 0.2}, [3e-4]),  # the smaller of equals is the best
    ],
)
def test_a_best_rate_at_an_edge_has_the_next_one_tried(means, added):
    assert beyond(means) == added


def test_rates_are_added_until_the_best_is_inside(run, project):
    """A peak at the ladder's second rate takes two more trainings than three."""
    rates = dict.fromkeys(tuned_rows(load(project / "params.yaml")), RATES[1])
    rates |= {"gavs": 3e-4, "sam_fusion": 3e-2}
    assert run(best_at(rates)) == []
    written = pd.read_csv(project / "tuning.csv")
    tried = written.groupby("row").lr.agg(list)
    assert tried["gavs"] == [1e-4, 3e-4, *RATES]
    assert tried["sam_fusion"] == [*RATES, 3e-2, 1e-1]
    assert tried["audio_sam"] == list(RATES)
    assert written[written.chosen].set_index("row").lr.to_dict() == rates
    assert (project / "tuning.md").read_text().endswith("At an edge of the rates tried: none.\n")


def test_the_chosen_rates_are_written_and_used(run, project):
    before = load(project / "params.yaml")
    wanted = peaks(before)
    assert run(best_at(wanted)) == []
    after = load(project / "params.yaml")
    for row, rate in wanted.items():
        for benchmark in before.tables.table1.benchmarks:
            # Equal rows have equal fingerprints: the search's models are Table 1's.
            assert after.row(row, benchmark) == at_rate(before, [row], rate).row(row, benchmark)
    assert after.row("gavs_adapters", "v2").training.lr == wanted["gavs"]

    def comments(path):
        return [line.split(" #")[1] for line in path.read_text().splitlines() if " #" in line]

    assert comments(project / "params.yaml") == comments(MINIATURE)
    written = pd.read_csv(project / "tuning.csv")
    assert written[written.chosen].set_index("row").lr.to_dict() == wanted
    assert set(written.seed) == {before.seeds[0]}
    contents = [path.read_bytes() for path in sorted(project.iterdir())]
    assert run(best_at(wanted)) == []  # from the rates that it has chosen
    assert [path.read_bytes() for path in sorted(project.iterdir())] == contents


def test_some_rows_alone_leave_the_others(run, project):
    wanted = peaks(load(project / "params.yaml"))
    run(best_at(wanted))
    order = list(pd.read_csv(project / "tuning.csv").row.unique())
    score = best_at({"gavs": RATES[1]})  # a KeyError for another row
    assert run(score, ["gavs"]) == []
    written = pd.read_csv(project / "tuning.csv")
    chosen = written[written.chosen].set_index("row").lr.to_dict()
    assert chosen == {**wanted, "gavs": RATES[1]}
    assert list(written.row.unique()) == order
    with pytest.raises(ParamsError, match=r"not tuned: \['gavs_adapters'\]; tuned are gavs, "):
        run(score, ["gavs_adapters"])


def test_a_divergence_is_named_and_the_rest_goes_on(run, project):
    rates = dict.fromkeys(tuned_rows(load(project / "params.yaml")), RATES[2])

    def score(row, benchmark, lr):
        lost = row == "gavs" and benchmark == "v2" and lr == RATES[2]
        return np.nan if lost else best_at(rates)(row, benchmark, lr)

    assert run(score) == []
    assert load(project / "params.yaml").row("gavs", "v2").training.lr == RATES[1]
    lines = (project / "tuning.md").read_text().splitlines()
    (line,) = [line for line in lines if "| diverged" in line]
    assert line.startswith("| gavs | 1.0e-2 | 50.00 | 50.00 | diverged | diverged |")
    assert lines[-1] == "At an edge of the rates tried: none."


def spoil(column, value):
    def change(path):
        pd.read_csv(path).assign(**{column: value}).to_csv(path, index=False)

    return change


def swap(before, after):
    return lambda path: path.write_text(path.read_text().replace(before, after))


@pytest.mark.parametrize(
    "damage, reason",
    [
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "can't be read as a search"),
        (lambda path: path.write_text("row,lr\n"), "no column"),
        (spoil("profile", "smoke"), "profile .'smoke'., expected .'miniature'."),
        (swap(",0.003,", ",0.004,"), "lr .0.004., expected"),
        (swap(",0.003,", ",fast,"), "line .*: lr 'fast', expected a number"),
        (swap("gavs,0.003,0", "gavs,0.003,x0"), "line .*: v1s 'x0.*', expected a number"),
        (spoil("row", "gavs"), "line .*: row gavs, lr .* again, as in line 3"),
    ],
)
def test_an_earlier_search_that_cannot_be_kept_is_not_written_over(run, project, damage, reason):
    rates = peaks(load(project / "params.yaml"))
    run(best_at(rates))
    damage(project / "tuning.csv")
    before = (project / "tuning.csv").read_bytes()
    with pytest.raises(ParamsError, match=f"tuning.csv: .*{reason}.*; search all rows"):
        run(lambda *_: pytest.fail("trained"), ["gavs"])
    assert (project / "tuning.csv").read_bytes() == before


def test_a_failure_writes_nothing(run, project):
    def score(row, benchmark, lr):
        if row == "gavs" and benchmark == "v2":
            raise OSError("disk full")
        return 0.5

    before = (project / "params.yaml").read_bytes()
    failures = run(score)
    assert len(failures) == 3
    assert "tune lr 1.0e-03 gavs v2 seed 0: disk full" in failures
    assert not (project / "tuning.csv").exists()
    assert (project / "params.yaml").read_bytes() == before


def test_a_rate_that_would_not_be_used_is_refused(project):
    yaml, path = YAML(), project / "params.yaml"
    text = yaml.load(path)
    text["methods"]["avsbench"]["benchmarks"]["v2"] = {"training": {"lr": 0.1}}
    yaml.dump(text, path)
    with pytest.raises(ParamsError, match="avsbench: its own learning rate on v2"):
        at_rate(load(project / "params.yaml"), ["avsbench"], 0.5)


def test_rows_of_the_released_code_keep_its_rate():
    params = load(ROOT / "params.yaml")
    tuned = at_rate(params, tuned_rows(params), 3.0e-3)
    for row in ("gavs_released", "gavs_released_fixed"):
        assert tuned.row(row, "v1s").training.lr == 1.0e-3


def test_params_hold_what_the_committed_search_chose():
    params, path = load(ROOT / "params.yaml"), ROOT / "results/tuning.csv"
    if not path.is_file() or set(pd.read_csv(path).profile) != {params.profile}:
        pytest.skip("no search of this profile is committed")
    chosen = choose(pd.read_csv(path), params.tables.table1.benchmarks)
    assert set(chosen) == set(tuned_rows(params)), "run `python -m benchmarks tune`"
    for row, rate in chosen.items():
        for benchmark in params.tables.table1.benchmarks:
            assert params.row(row, benchmark).training.lr == rate
