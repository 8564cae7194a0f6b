from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cli, speed
from benchmarks.speed import figure, pipeline, scoring
from benchmarks.speed.compare import Line

LINES = [
    Line("fast", "slow", 2.0, 12.5, (11.0, 13.25), 1e-7, 1e-6, "", (0.02, 0.25)),
    Line("late", "slow", 2.0, 1.5, (1.0, 2.0), 0.0, 0.0, "", (2.0, 3.0)),
    Line("drifts", "slow", None, 3.0, (3.0, 3.0), 0.25, None, "bf16", (1.0, 3.0)),
    Line.not_run("far", "slow", 100.0, "no CUDA here"),
    pipeline.growth("clips", [3.0, 5.0, 9.0]),
]


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(speed, "MODULES", ("scoring",))
    monkeypatch.setattr(scoring, "lines", lambda: iter(LINES))


def test_every_line_is_printed_with_what_became_of_it(measured, tmp_path):
    assert speed.run([], tmp_path) is False  # one is late
    rows = [r for r in (tmp_path / "speed.md").read_text().splitlines() if r.startswith("| ")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
    assert cells[0] == ["fast", "slow", "2.00", "12", "11 to 13", "20 ms", "250 ms", "1e-07",
                        "1e-06", "yes", ""]  # fmt: skip
    assert [row[9] for row in cells] == ["yes", "**no**", "yes", "not run", "yes"]
    assert cells[3][3:] == ["–"] * 6 + ["not run", "no CUDA here"]
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_named_modules_are_printed_and_leave_the_record(measured, tmp_path, capsys):
    assert speed.run(["scoring"], tmp_path) is False
    assert "| fast " in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_another_condition_decides_where_a_line_has_one():
    late = replace(LINES[1], fast=True)  # e.g. a share of the machine's rate in place of the ratio
    assert late.reached and not replace(LINES[0], fast=False).reached
    assert not replace(late, difference=1.0).reached  # but never for a wrong answer


def test_the_record_names_no_host_and_no_path(measured, tmp_path, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "secret-host")
    speed.run([], tmp_path)
    text = (tmp_path / "speed.md").read_text()
    assert "secret-host" not in text and str(tmp_path) not in text
    assert "torch " in text and "thread" in text and "cores" in text


def test_an_unknown_name_is_refused_by_the_command(capsys):
    assert cli.main(["speed", "scorin"]) == 1
    assert "scoring, tpavi" in capsys.readouterr().err


def test_growth_is_a_distance_from_a_line_after_its_start_up():
    straight = pipeline.growth("clips", [7.0, 9.0, 13.0])  # 5 s of start-up, 2 s each
    assert straight.difference < 1e-9 and straight.reached
    assert "5.0 s of start-up and 2.00 s" in straight.remark
    for power in (0.8, 1.2, 2):
        bent = pipeline.growth("clips", [5.0 + x**power for x in pipeline.FACTORS])
        assert bent.difference > 0.1 and bent.reached is False


def test_lines_without_a_ratio_are_left_out_of_the_figure():
    made = figure.draw(LINES)
    ratios, growth = made.axes
    assert [t.get_text() for t in ratios.get_yticklabels()] == ["fast", "late", "drifts"]
    np.testing.assert_allclose(growth.lines[0].get_ydata(), [3.0, 5.0, 9.0])
