from dataclasses import replace

import numpy as np
import pytest

from benchmarks import cli, speed
from benchmarks.speed import figure, growth, machine, scoring
from benchmarks.speed.compare import Line

LINES = [
    Line("fast", "slow", 2.0, 12.5, (11.0, 13.25), 1e-7, 1e-6, "", (0.02, 0.25)),
    Line("late", "slow", 2.0, 1.5, (1.0, 2.0), 0.0, 0.0, "", (2.0, 3.0)),
    Line("drifts", "slow", None, 3.0, (3.0, 3.0), 0.25, None, "bf16", (1.0, 3.0)),
    Line("far", "slow", 100.0, remark="needs AMX-BF16"),
    growth.growth("index", [3.0, 9.0, 33.0]),
]


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(speed, "MODULES", ("scoring",))
    monkeypatch.setattr(scoring, "lines", lambda: iter(LINES))


def test_every_line_is_printed_with_what_became_of_it(measured, tmp_path):
    assert speed.run([], tmp_path, 1) is False  # one is late
    rows = [r for r in (tmp_path / "speed.md").read_text().splitlines() if r.startswith("| ")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
    assert cells[0] == ["fast", "slow", "2.00", "12", "11 to 13", "20 ms", "250 ms", "1e-07",
                        "1e-06", "yes", ""]  # fmt: skip
    assert [row[9] for row in cells] == ["yes", "**no**", "yes", "not run", "yes"]
    assert cells[3][3:] == ["–"] * 6 + ["not run", "needs AMX-BF16"]
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_named_modules_are_printed_and_leave_the_record(measured, tmp_path, capsys):
    assert speed.run(["scoring"], tmp_path, 1) is False
    assert "| fast " in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_another_condition_decides_where_a_line_has_one():
    late = replace(LINES[1], fast=True)  # e.g. a share of the machine's rate in place of the ratio
    assert late.reached and not replace(LINES[0], fast=False).reached
    assert not replace(late, difference=1.0).reached  # but never for a wrong answer


def test_the_record_names_no_host_and_no_path(measured, tmp_path, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "secret-host")
    speed.run([], tmp_path, 1)
    text = (tmp_path / "speed.md").read_text()
    assert "secret-host" not in text and str(tmp_path) not in text
    assert "torch " in text and "thread" in text and "cores" in text


def test_an_unknown_name_is_refused_by_the_command(capsys):
    assert cli.main(["speed", "scorin"]) == 1
    assert "scoring, audio" in capsys.readouterr().err


def test_what_a_machine_lacks_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "MODULES", ("scoring",))
    monkeypatch.setattr(scoring, "lines", lambda: iter([LINES[0], LINES[3]]))
    assert speed.run([], tmp_path, 1) is True


def test_a_line_that_fails_is_said_and_the_page_goes_on(monkeypatch, tmp_path):
    def broken():
        yield LINES[0]
        raise RuntimeError("no disk")

    monkeypatch.setattr(speed, "MODULES", ("scoring", "growth"))
    monkeypatch.setattr(scoring, "lines", broken)
    monkeypatch.setattr(growth, "lines", lambda: iter([LINES[2]]))
    assert speed.run([], tmp_path, 1) is False
    text = (tmp_path / "speed.md").read_text()
    assert "failed: RuntimeError: no disk" in text and "| fast " in text and "| drifts " in text


def test_each_line_is_on_the_page_before_the_next_is_begun(monkeypatch, tmp_path):
    def lines():
        yield LINES[0]
        assert "| fast " in (tmp_path / "speed.md").read_text()
        yield LINES[2]

    monkeypatch.setattr(speed, "MODULES", ("scoring",))
    monkeypatch.setattr(scoring, "lines", lines)
    assert speed.run([], tmp_path, 1) is True


def test_no_line_is_begun_after_the_minutes(monkeypatch, tmp_path):
    now = iter([0.0, 10.0, 59.0, 61.0, 62.0])  # the start, then before each line
    monkeypatch.setattr(speed, "MODULES", ("scoring", "growth"))
    for module in (scoring, growth):
        monkeypatch.setattr(module, "lines", lambda: iter(LINES[:3]))
    assert speed.run([], tmp_path, 1, clock=lambda: next(now)) is False
    text = (tmp_path / "speed.md").read_text()
    assert text.count("| fast ") == 1 and text.count("| drifts ") == 0
    assert text.count("no time left") == 2


@pytest.mark.parametrize("wrong", ["0", "-1", "nan"])
def test_minutes_must_be_positive(capsys, wrong):
    assert cli.main(["speed", "--minutes", wrong]) == 1
    assert "--minutes" in capsys.readouterr().err


def test_instruction_sets_are_those_of_the_first_cpu(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f\n\nflags\t: amx_bf16\n")
    monkeypatch.setattr(machine, "_INFO", info)
    assert machine.instruction_sets() == ["AVX2", "AVX-512"]
    assert machine.cpu().startswith("Some CPU, ") and machine.cpu().endswith("AVX2, AVX-512")
    info.unlink()
    assert machine.instruction_sets() == []


def test_lines_without_a_ratio_are_left_out_of_the_figure():
    made = figure.draw(LINES)
    ratios, growth = made.axes
    assert [t.get_text() for t in ratios.get_yticklabels()] == ["fast", "late", "drifts"]
    np.testing.assert_allclose(growth.lines[0].get_ydata(), [3.0, 9.0, 33.0])
