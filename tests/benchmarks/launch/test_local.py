"""Jobs on this machine: order, limits, failures, interruptions."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.launch import local
from benchmarks.launch.command import status_page
from benchmarks.launch.job import LaunchError
from benchmarks.launch.jobs import Job
from benchmarks.launch.local import run
from benchmarks.launch.state import State

fork = multiprocessing.get_context("fork")


@pytest.fixture
def start(tmp_path, cluster, monkeypatch):
    """start(lines, needs={}, at_once=2, gpus="", gpus_each=0): run jobs, a shell line each."""

    def launch(lines: dict[str, str], needs=None, at_once=2, gpus="", gpus_each=0) -> list[str]:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        jobs = [Job(n, "train", (), needs=tuple((needs or {}).get(n, ()))) for n in lines]
        commands = {name: ["sh", "-c", f"cd {tmp_path}; {line}"] for name, line in lines.items()}
        state = State(tmp_path)
        return run(cluster(gpus=gpus_each), jobs, commands, at_once, tmp_path / "logs", state.note)

    return launch


def _line(name: str, middle: str = "true") -> str:
    return f"echo start {name} >> events; {middle}; echo end {name} >> events"


def _events(folder: Path) -> list[tuple[str, str]]:
    """(start or end, job) as it happened."""
    return [tuple(line.split()) for line in (folder / "events").read_text().splitlines()]


def _ended(pid: int) -> bool:
    """Whether a process ends soon; an orphan that nobody has reaped yet is a zombie."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False


def test_needs_first_and_never_more_than_the_limit(start, tmp_path):
    names = ["few", "model", "other", "third"]
    both = "until [ $(grep -c start events) -ge 2 ]; do sleep 0.1; done"  # at the same time
    assert start({n: _line(n, both) for n in names}, {"few": ["model"]}) == []
    events, at_once, most = _events(tmp_path), 0, 0
    for what, _ in events:
        at_once += 1 if what == "start" else -1
        most = max(most, at_once)
    assert most == 2
    assert events.index(("end", "model")) < events.index(("start", "few"))


def test_each_gpu_has_one_job_at_a_time(start, tmp_path):
    lines = {n: _line(n, "echo $CUDA_VISIBLE_DEVICES >> gpus; sleep 0.1") for n in "abc"}
    assert start(lines, at_once=3, gpus="5", gpus_each=1) == []
    assert [what for what, _ in _events(tmp_path)] == ["start", "end"] * 3
    assert (tmp_path / "gpus").read_text().split() == ["5"] * 3


def test_two_jobs_have_other_gpus(start, tmp_path):
    both = "echo $CUDA_VISIBLE_DEVICES >> gpus; until [ $(wc -l < gpus) -ge 2 ]; do sleep 0.1; done"
    assert start({"a": both, "b": both}, gpus="2,3,6,7", gpus_each=2) == []
    assert sorted((tmp_path / "gpus").read_text().split()) == ["2,3", "6,7"]


def test_a_job_without_gpus_sees_none(start, tmp_path):
    assert start({"a": "echo gpus:$CUDA_VISIBLE_DEVICES > gpus"}, gpus="0,1") == []
    assert (tmp_path / "gpus").read_text() == "gpus:\n"


def test_more_gpus_than_there_are_are_refused(start):
    with pytest.raises(LaunchError, match=r"cluster\.stages\.train\.gpus: 2, and 1 are here"):
        start({"a": "touch ran"}, gpus="0", gpus_each=2)


def test_a_failing_job_takes_along_those_that_need_it_and_no_other(start, tmp_path):
    lines = {"bad": "echo error: loss is nan; exit 1", **{n: _line(n) for n in ("few", "good")}}
    failures = start(lines | {"fewer": _line("fewer")}, {"few": ["bad"], "fewer": ["few"]})
    assert _events(tmp_path) == [("start", "good"), ("end", "good")]
    assert sorted(failures) == [
        f"bad: status 1: error: loss is nan ({tmp_path}/logs/bad.log)",
        "few: it needs bad, which failed",
        "fewer: it needs few, which failed",
    ]


def test_a_failure_is_on_file_until_the_job_starts_again(start, tmp_path):
    """`bad` fails and takes `few` along; then all is well but for `few`, which fails by itself."""
    state, jobs = State(tmp_path), [Job("bad", "train", ()), Job("few", "few_shot", ())]
    why = f"status 1: error: loss is nan ({tmp_path}/logs/bad.log)"
    start({"bad": "echo error: loss is nan; exit 1", "few": "true"}, {"few": ["bad"]})
    page = status_page(jobs, SimpleNamespace(finished=lambda job: False), state).splitlines()
    assert [line.split() for line in page[1:3]] == [
        ["train", *"–––1–"],
        ["few_shot", *"–––1–"],
    ]
    assert page[3:5] == [f"failed: bad: {why}", "failed: few: it needs bad, which failed"]
    start({"bad": "cp failures.json then", "few": "exit 3"}, {"few": ["bad"]})
    assert json.loads((tmp_path / "then").read_text()) == {"few": "it needs bad, which failed"}
    assert state.failures == {"few": f"status 3: (empty log) ({tmp_path}/logs/few.log)"}
    start({"few": "true"})
    assert state.failures == {} and state.failure("few") == ""


def test_a_killed_process_gets_another_go(start, tmp_path):
    assert start({"a": "echo go >> goes; [ -e lost ] || { touch lost; kill -9 $$; }"}) == []
    assert (tmp_path / "goes").read_text().split() == ["go", "go"]


def test_a_job_that_is_killed_every_time_fails_in_the_end(start, tmp_path):
    (failure,) = start({"a": "echo go >> goes; kill -9 $$"})
    assert (tmp_path / "goes").read_text().split() == ["go"] * 3
    assert "for the 3. time" in failure and "memory_gb" in failure


def test_a_launch_that_is_ended_while_it_starts_a_job_ends_it_too(start, monkeypatch):
    children, started = [], local._start

    def ended_meanwhile(*arguments):
        children.append(started(*arguments))
        signal.raise_signal(signal.SIGTERM)
        return children[0]

    monkeypatch.setattr(local, "_start", ended_meanwhile)
    with pytest.raises(KeyboardInterrupt):
        start({"a": "sleep 60"})
    assert children[0].poll() == -signal.SIGTERM


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_an_ended_launch_leaves_no_process(start, tmp_path, monkeypatch, how):
    """Ctrl-C, `launch --cancel`, or killed; a worker of the job included, a stopped one too."""
    monkeypatch.setattr(local, "PATIENCE", 1)
    line = "sleep 60 & echo $! > worker; echo $$ > pid; wait"
    stops = "echo $$ > stopped; kill -STOP $$"
    lines = {"a": line} if how == "SIGKILL" else {"a": line, "stops": stops}
    process = fork.Process(target=start, args=(lines,), daemon=True)
    process.start()
    files = [tmp_path / name for name in ("worker", "pid", "stopped")[: 1 + len(lines)]]
    while not all(file.exists() and file.read_text() for file in files):
        assert process.is_alive()
        time.sleep(0.1)
    os.kill(process.pid, signal.Signals[how])
    process.join()
    pids = [int(file.read_text()) for file in files]
    if how == "SIGKILL":  # a worker leaves with its parent by itself: benchmarks.common.workers
        os.kill(pids.pop(0), signal.SIGKILL)
    assert all(_ended(pid) for pid in pids)
