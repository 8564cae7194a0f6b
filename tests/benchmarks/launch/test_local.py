"""This machine as a scheduler: order, limits, failures, interruptions."""

import multiprocessing
import os
import signal
import time

import pytest

from benchmarks.launch import local
from benchmarks.launch.ledger import LaunchError
from benchmarks.launch.local import Machine, run

fork = multiprocessing.get_context("fork")


def _events(folder) -> list[tuple[str, str]]:
    """(start or end, job) as it happened."""
    return [tuple(line.split()) for line in (folder / "events").read_text().splitlines()]


def _line(folder, name: str, middle: str = "true") -> str:
    return f"cd {folder}; echo start {name} >> events; {middle}; echo end {name} >> events"


def test_needs_first_and_never_more_than_the_limit(ledger, cluster, add, tmp_path):
    names = ["few", "model", "other", "third"]
    both = "until [ $(grep -c start events) -ge 2 ]; do sleep 0.1; done"  # at the same time
    jobs = add({n: _line(tmp_path, n, both) for n in names}, {"few": ["model"]})
    assert run(cluster(), jobs, Machine(2, (), 1.0), ledger, "a") == []
    events, at_once, most = _events(tmp_path), 0, 0
    for what, _ in events:
        at_once += 1 if what == "start" else -1
        most = max(most, at_once)
    assert most == 2
    assert events.index(("end", "model")) < events.index(("start", "few"))
    assert {ledger.outcome(n)["state"] for n in names} == {"done"}


@pytest.mark.parametrize(("memory", "gpus"), [(0.6, 0), (0.1, 1)])
def test_memory_and_gpus_are_limits_too(ledger, cluster, add, tmp_path, memory, gpus):
    names = ["a1", "a2", "a3"]
    said = "echo gpu$CUDA_VISIBLE_DEVICES >> gpus; sleep 0.1"
    jobs = add({n: _line(tmp_path, n, said) for n in names})
    machine = Machine(3, ("5",), 1.0)
    assert run(cluster(memory_gb=memory, gpus=gpus), jobs, machine, ledger, "a") == []
    assert [what for what, _ in _events(tmp_path)] == ["start", "end"] * 3
    assert (tmp_path / "gpus").read_text().split() == [f"gpu{'5' if gpus else ''}"] * 3


def test_more_than_the_machine_has_is_refused(cluster, add):
    jobs = add({"a": "true"})
    machine = Machine(2, ("0",), 4.0)
    local.check(cluster(memory_gb=4, gpus=1), jobs, machine)
    wrong = r"cluster\.stages\.train\.gpus: 2, and 1 are here; train\.memory_gb: 9, and 4 are here"
    with pytest.raises(LaunchError, match=wrong):
        local.check(cluster(memory_gb=9, gpus=2), jobs, machine)


def test_a_failing_job_takes_along_those_that_need_it_and_no_other(ledger, cluster, add, tmp_path):
    jobs = add(
        {
            "bad": "echo error: loss is nan; exit 1",
            "few": _line(tmp_path, "few"),
            "fewer": _line(tmp_path, "fewer"),
            "good": _line(tmp_path, "good"),
        },
        {"few": ["bad"], "fewer": ["few"]},
    )
    failures = run(cluster(), jobs, Machine(2, (), 1.0), ledger, "a")
    assert _events(tmp_path) == [("start", "good"), ("end", "good")]
    reasons = dict(sorted(failure.split(": ", 1) for failure in failures))
    assert list(reasons) == ["bad", "few", "fewer"]
    assert "error: loss is nan" in reasons["bad"] and "a-0.log" in reasons["bad"]
    assert "it needs bad, which failed" in reasons["few"]


def test_a_killed_process_gets_another_go(ledger, cluster, add, tmp_path):
    once = f"cd {tmp_path}; echo go >> goes; [ -e killed ] || {{ touch killed; kill -9 $$; }}"
    jobs = add({"a": once})
    assert run(cluster(), jobs, Machine(2, (), 1.0), ledger, "a") == []
    assert (tmp_path / "goes").read_text().split() == ["go", "go"]
    assert ledger.outcome("a")["tries"] == 1


def test_an_interrupted_launch_leaves_no_process(ledger, cluster, add, tmp_path):
    jobs = add({"a": f"echo $$ > {tmp_path / 'pid'}; exec sleep 60", "b": "true"})
    process = fork.Process(
        target=run, args=(cluster(), jobs, Machine(1, (), 1.0), ledger, "a"), daemon=True
    )
    process.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert process.is_alive()
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert ledger.outcome("a")["state"] == "stopped"
    assert ledger.outcome("b") == {}
