"""The study of the budget: which trainings it asks for, and what it says of their scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.grid.fingerprint import fingerprint
from benchmarks.grid.protocol import Cell, training_of
from benchmarks.grid.workbench import Workbench
from benchmarks.params import ParamsError, load
from benchmarks.report.verdicts import read_studies
from benchmarks.scoring.metrics import Terms
from benchmarks.scoring.records import Epoch
from benchmarks.scoring.statistics import sample
from benchmarks.studies import budget, validated
from benchmarks.studies.budget import scaled, study
from benchmarks.studies.budget_page import changes, course, courses
from tests.benchmarks.studies.bench import Bench
from tests.copies import ROOT, small_project


@pytest.fixture
def params(tmp_path, monkeypatch):
    small_project(tmp_path, "miniature")
    monkeypatch.chdir(tmp_path)
    return load()


def test_only_the_updates_differ_and_the_models_lie_with_the_profiles(params):
    rows = ["gavs", "tpavi_sam"]
    double = scaled(params, 2.0, rows, ["v2"])
    for row in rows:
        ours, theirs = params.row(row, "v2"), double.row(row, "v2")
        assert theirs.training.steps == 2 * ours.training.steps
        assert theirs.training.model_dump() | {"steps": ours.training.steps} == (
            ours.training.model_dump()
        )
        assert theirs.config == ours.config
        assert double.row(row, "v1s") == params.row(row, "v1s")
    assert double.shared == params.shared == params.work != double.work
    assert scaled(params, 1.0, rows, ["v2"]) == params


def test_a_row_that_is_never_validated_is_refused_before_any_training(params):
    params.methods["gavs"]["training"]["selection"] = "last"
    with pytest.raises(ParamsError, match="^gavs on v2: training.selection 'last' has no validat"):
        scaled(params, 2.0, ["tpavi_sam", "gavs"], ["v2"])


def test_a_profile_over_another_ones_work_has_that_work_at_every_budget(tmp_path, monkeypatch):
    """Check on `study`, whose folder has records alone."""
    study_params = load(ROOT / "profiles/study.yaml")
    monkeypatch.chdir(tmp_path)
    for times in budget.TIMES:
        assert scaled(study_params, times, ["gavs"], ["v2"]).shared == Path("work/miniature")
    assert scaled(study_params, 1.0, ["gavs"], ["v2"]) == study_params
    assert list(tmp_path.iterdir()) == []


def test_validation_alone_reads_no_test_score_and_names_what_moves(params, monkeypatch, tmp_path):
    gains = {"gavs": 0.02, "sam_fusion": 0.01}

    def trained(bench, model, name):
        steps = training_of(bench.params, model)[1].steps
        times = steps / params.benchmarks["v2"].training["steps"]
        score = 0.4 + gains[model.row] * times
        return None, {"selection": {"validation": score}, "seconds": 1.0}

    monkeypatch.setattr(validated, "trained", trained)
    monkeypatch.setattr(budget, "Workbench", Bench)
    monkeypatch.setattr(budget, "run_cells", None)
    asked = {"rows": list(gains), "benchmarks": ["v2"], "times": [2], "validation_only": True}
    assert study(params, tmp_path, **asked) == []
    assert not list(tmp_path.glob("budget.*"))  # those have test scores
    table = pd.read_csv(tmp_path / "budget_validation.csv").set_index(["row", "times"])
    assert table.validation.round(6).to_dict() == {
        ("gavs", 1): 0.42,
        ("gavs", 2): 0.44,
        ("sam_fusion", 1): 0.41,
        ("sam_fusion", 2): 0.42,
    }
    assert table.miou.isna().all() and not (tmp_path / "budget_pairs.csv").exists()
    text = (tmp_path / "budget_validation.md").read_text()
    assert "(figures/budget_validation.png)" in text
    changed = "| v2 | validation | +1.50 ± 0.50 | – | 1 of 2 | `gavs` +2.00 |"
    assert changed in text  # (2 + 1) / 2, (2 - 1) / 2
    assert "`python -m benchmarks budget --validation-only`" in text  # what printed it
    assert read_studies(tmp_path).pairs == {}


VIDEOS = np.array([f"video{k // 2}" for k in range(40)])


def scored(mean):
    return sample([Terms(VIDEOS, np.full(40, mean), np.ones(40))])


@pytest.fixture
def call(params, monkeypatch, tmp_path):
    """call(rows, gain, times, start=0.4): a call of the study, with scores by the times.

    gain, start: of every row, or by row. meanwhile: another call, while this one trains.
    edited: rows of other runs from then on."""
    scores, code = {}, {}

    def run_of(row, benchmark, times, seed):
        return f"{row} {benchmark} x{times:g} seed {seed} code {code.get(row, 0)}"

    def read(chosen, scale, cells):
        start, gain, seeds, meanwhile = scores["now"]
        if meanwhile and scale == 1:
            meanwhile()
            scores["now"] = (start, gain, seeds, None)
        means = {
            c.row: start + (gain[c.row] if isinstance(gain, dict) else gain) * scale for c in cells
        }
        place = {"alternative": budget.name_of(scale), "times": scale, "updates": 640}
        lines = [
            {"row": row, "benchmark": "v2", "seed": seed, **place}
            | dict.fromkeys([*budget.SCORES, *budget.COURSE], mean)
            | {"run": run_of(row, "v2", scale, seed)}
            for row, mean in means.items()
            for seed in seeds
        ]
        by_row = {row: scored(mean) for row, mean in means.items()}
        return lines, {("v2", budget.name_of(scale)): by_row}

    monkeypatch.setattr(budget, "run_cells", lambda *_: [])
    monkeypatch.setattr(budget, "_read", read)
    monkeypatch.setattr(
        budget,
        "_runs",
        lambda params, lines: [run_of(*place) for place in budget._places(lines, budget.PLACE)],
    )

    def run(rows, gain, times, start=0.4, seeds=(0,), meanwhile=None, edited=()):
        code.update({row: code.get(row, 0) + 1 for row in edited})
        scores["now"] = (start, gain, seeds, meanwhile)
        assert study(params, tmp_path, rows, ["v2"], times) == []
        return pd.read_csv(tmp_path / "budget.csv"), pd.read_csv(tmp_path / "budget_pairs.csv")

    return run


def test_what_a_call_does_not_measure_stays(call, tmp_path):
    call(["sam_fusion", "sam_fusion_film"], 0.01, [4])
    table, pairs = call(["gavs", "sam_fusion"], 0.02, [2], start=0.39)  # at 1 both are .41
    places = list(zip(table.row, table.times, table.miou.round(6), strict=True))
    assert places == [  # as Table 1 has the rows
        *[("sam_fusion", 1, 0.41), ("sam_fusion", 2, 0.43), ("sam_fusion", 4, 0.44)],
        *[("gavs", 1, 0.41), ("gavs", 2, 0.43)],
        *[("sam_fusion_film", 1, 0.41), ("sam_fusion_film", 4, 0.44)],
    ]
    duels = {(d.alternative, *sorted((d.better, d.worse))) for d in pairs.itertuples()}
    assert duels == {
        *(("default", "gavs", "sam_fusion"), ("double", "gavs", "sam_fusion")),
        *((name, "sam_fusion", "sam_fusion_film") for name in ("default", "x4")),
    }
    text = (tmp_path / "budget.md").read_text()
    assert "+2.00 ± 0.00 | – | 2 of 2 | `sam_fusion` +2.00, `gavs` +2.00 |" in text


def test_a_row_whose_runs_are_others_now_keeps_nothing(call, caplog):
    """Whoever is measured: sam_fusion isn't in the second call."""
    call(["sam_fusion", "gavs", "sam_fusion_film"], 0.01, [4])
    table, pairs = call(["gavs"], 0.01, [2], edited=["sam_fusion"])
    assert list(zip(table.row, table.times, strict=True)) == [
        *[("gavs", 1), ("gavs", 2), ("gavs", 4), ("sam_fusion_film", 1), ("sam_fusion_film", 4)]
    ]
    assert {*pairs.better, *pairs.worse} == {"gavs", "sam_fusion_film"} and len(pairs) == 2
    assert "sam_fusion on v2: earlier calls' runs are of other values; left out" in caplog.text


def test_the_runs_are_those_that_the_parameters_ask_for(project, edit):
    places = [("gavs", "v2", 1.0, 0), ("gavs", "v2", 2.0, 0), ("sam_fusion", "v2", 1.0, 0)]
    lines = pd.DataFrame([*places, ("gone", "v2", 1.0, 0)], columns=budget.PLACE)
    edit("benchmarks.v2.training.steps", 4)
    before = budget._runs(load(), lines)
    cell = Cell("table1", "gavs", "gavs", "v2", "train", 0)
    assert before[0] == fingerprint(Workbench(load()).fingerprints.record(cell))[:16]
    assert before[3] is None and len({*before}) == 4
    edit("methods.gavs.training.lr", 1.0e-4)
    after = budget._runs(load(), lines)
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True, True]
    edit("benchmarks.v2.training.steps", 5)
    assert not {*before[:3]} & {*budget._runs(load(), lines)}


def test_fewer_seeds_than_a_row_had_are_refused_before_any_training(call, params, tmp_path):
    """Else its pairs would be of these alone, beside means over all."""
    call(["gavs", "sam_fusion"], 0.01, [2], seeds=(0, 1))
    with pytest.raises(ParamsError, match="^seeds 0: .*budget_seeds.csv has seeds 1 of these rows"):
        study(params, tmp_path, ["gavs"], ["v2"], [2], [0])
    call(["sam_fusion_film"], 0.01, [2])  # another row may have others


def test_a_pair_stands_once_whichever_row_is_ahead(call):
    """First gavs is .01 ahead at 1, then sam_fusion is: the same pair, its sides exchanged."""
    call(["gavs", "sam_fusion"], {"gavs": 0.02, "sam_fusion": 0.01}, [2])
    _, pairs = call(["gavs", "sam_fusion"], {"gavs": 0.01, "sam_fusion": 0.02}, [2])
    sides = [(d.alternative, d.better, d.worse) for d in pairs.itertuples()]
    assert sides == [(name, "sam_fusion", "gavs") for name in ("default", "double")]


def test_a_pair_of_fewer_seeds_than_a_row_has_now_goes(call, caplog):
    call(["gavs", "sam_fusion"], 0.1, [2])
    lines, pairs = call(["gavs"], 0.1, [2], seeds=(0, 1))
    assert len(lines) == 4 and pairs.empty


def test_a_part_that_ends_while_another_trains_keeps_its_lines(call):
    table, _ = call(["gavs"], 0.01, [2], meanwhile=lambda: call(["sam_fusion"], 0.01, [2]))
    assert set(table.row) == {"gavs", "sam_fusion"}


@pytest.mark.parametrize("times", [0, -1, float("nan"), float("inf"), 1 / 3, 1000])
def test_times_that_say_no_number_of_updates_are_refused(params, tmp_path, times):
    with pytest.raises(ParamsError, match="times .*: expected numbers above 0, at most 100"):
        study(params, tmp_path, times=[times])


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("seeds", lambda lines: ["row,benchmark,times,seed"], "no column alternative, .*revision"),
        ("seeds", lambda lines: [], "no column row"),
        (
            "seeds",
            lambda lines: [*lines, lines[1]],
            "line 6: row sam_fusion, .* again, as in line 2",
        ),
        ("pairs", lambda lines: [s.replace(",0.", ",a") for s in lines], "line 2: difference 'a"),
        ("seeds", lambda lines: [s.replace(",0.", ",a") for s in lines], "line 2: .* 'a"),
    ],
)
def test_a_file_of_another_form_is_refused_before_any_training(
    call, tmp_path, monkeypatch, name, edit, message
):
    call(["gavs", "sam_fusion"], {"gavs": 0.02, "sam_fusion": 0.01}, [2])
    path = tmp_path / f"budget_{name}.csv"
    path.write_text("".join(f"{line}\n" for line in edit(path.read_text().splitlines())))
    monkeypatch.setattr(budget, "run_cells", lambda *_: pytest.fail("trained"))
    with pytest.raises(ParamsError, match=f"{path.name}: .*{message}.*delete it: all begins anew"):
        call(["gavs"], 0.01, [2])


def test_changes_are_of_the_seeds_that_have_both():
    """Row a: +3, +1 and, at 1 alone, none; b: -1. The means are +2 and -1.

    Of a's two changes the variance is 2 points squared, on one degree of freedom; of a mean over
    two seeds it is 1, over b's one seed 2.
    """
    lines = [("a", 1, 0, 0.40), ("a", 2, 0, 0.43), ("a", 1, 1, 0.50), ("a", 2, 1, 0.51)]
    lines += [("a", 1, 2, 0.9), ("b", 1, 0, 0.30), ("b", 2, 0, 0.29)]
    table = pd.DataFrame(lines, columns=["row", "times", "seed", "miou"]).assign(benchmark="v2")
    table = table.assign(miou_chosen=table.miou / 2)
    text = changes(table, "miou")
    assert "| v2 | test, 0.5 | +0.50 ± 1.50 | 1.22 | 1 of 2 | `a` +2.00 |" in text
    assert "| v2 | at validation's threshold | +0.25 ± 0.75 | 0.61 | 0 of 2 | none |" in text
    nothing = changes(table[table.times == 1], "miou")
    assert "| v2 | test, 0.5 | – ± – | – | 0 of 0 | none |" in nothing


def test_how_trainings_go_on_is_told_from_the_first_validation_to_the_last():
    """Row a: loss from 2 to 1, validation from .4 by .6 to .5; b, its best last: to 1.2, by .5."""
    entries = {
        "a": [(9.0, None), (2.0, 0.4), (1.5, None), (1.4, 0.6), (1.0, 0.5)],
        "b": [(2.0, 0.2), (1.2, 0.5)],
    }
    lines = []
    for row, run in entries.items():
        history = [Epoch(epoch=0, step=1, loss=loss, validation=val) for loss, val in run]
        lines.append({"row": row, "benchmark": "v2", "times": 1.0} | course(history))
    table = pd.DataFrame(lines)
    assert table.validation.tolist() == [0.6, 0.5]
    line = "| v2 | 1 | 2 | −45.00 ± 5.00 | +20.00 ± 10.00 | −5.00 ± 5.00 | 1 of 2 |"
    assert line in courses(table)


def test_a_row_or_a_benchmark_that_is_not_the_profiles_is_named(params, tmp_path):
    with pytest.raises(ParamsError, match="rows gvas: expected of avsbench, "):
        study(params, tmp_path, ["gvas"])
    with pytest.raises(ParamsError, match="benchmarks v9: expected of v1s, v1m, v2"):
        study(params, tmp_path, benchmarks=["v9"])
