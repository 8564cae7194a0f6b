"""Locks that name their holder, parts of killed writers, JSON that carries its checksum."""

import errno
import json
import logging
import multiprocessing
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.repo import Repo

from benchmarks.common import files
from benchmarks.common.files import (
    DamagedError,
    clear_parts,
    locked,
    part_path,
    read_sealed,
    write_atomic,
    write_sealed,
)

ROOT = Path(__file__).parents[3]
NOBODY = 2**22 + 1  # above the largest process number that Linux gives
# The parent holds the lock; its forked worker inherits it, and is stopped.
STOPPED = """
import os, signal, sys, time
from pathlib import Path
from benchmarks.common.files import locked
from benchmarks.common.workers import worker_pool
with locked(Path(sys.argv[1]), "first"):
    pool = worker_pool(1)
    worker = pool.submit(os.getpid).result()
    os.kill(worker, signal.SIGSTOP)
    print(worker, flush=True)
    time.sleep(60)
"""
# The worker itself takes the lock, as the cells of a run do, and is stopped while it holds it.
STOPPED_INSIDE = """
import os, signal, sys
from pathlib import Path
from benchmarks.common.files import locked
from benchmarks.common.workers import worker_pool
def work():
    with locked(Path(sys.argv[1]), "first"):
        print(os.getpid(), flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
worker_pool(1).submit(work).result()
"""


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death")
@pytest.mark.parametrize("program", [STOPPED, STOPPED_INSIDE])
def test_a_stopped_worker_of_a_killed_parent_frees_the_lock(tmp_path, program):
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    deadline = time.monotonic() + 20
    while _state(worker) != "T":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    taken = time.monotonic()
    with locked(tmp_path / "lock", "second"):
        assert time.monotonic() - taken < 20  # for ever, without the kernel's signal
    assert _state(worker) in ("Z", "gone")


def test_whoever_waits_names_the_holder_and_the_way_out(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(files, "REMIND", 0.0)
    path = tmp_path / "lock"
    fork = multiprocessing.get_context("fork")
    inside, leave = fork.Event(), fork.Event()

    def hold():
        with locked(path, "first"):
            inside.set()
            leave.wait(20)

    holder = fork.Process(target=hold)
    holder.start()
    assert inside.wait(20)
    monkeypatch.setattr(files.time, "sleep", lambda _: leave.set() if caplog.messages[1:] else None)
    with caplog.at_level(logging.INFO), locked(path, "cell x"):
        holder.join()
    line = caplog.messages[0]
    assert f"cell x: waiting for process {holder.pid} on {platform.node()} since 20" in line
    assert f"`kill -9 {holder.pid}`" in line and str(path) in line
    assert caplog.messages[1].startswith("cell x: waiting for process")  # again, after REMIND
    assert path.read_text().startswith(f"{os.getpid()} on ")  # the new holder's


def _part(name: str, host: str, pid: int) -> str:
    return f".{name}.{host}-{pid}.part"


def test_parts_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path):
    here = platform.node()
    dead = [_part("model.pt", here, NOBODY), _part("a-b.json", here, os.getpid())]
    alive = [_part("model.pt", here, os.getppid()), _part("model.pt", "far-away", NOBODY)]
    old = _part("scores.npz", "far-away", NOBODY)
    kept = ["model.pt", ".hidden", ".x.part", "y.part"]  # none of them a part of ours
    for name in (*dead, *alive, *kept, old):
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / old, (0, 0))
    clear_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*alive, *kept}


def test_a_killed_writer_that_nobody_has_waited_for_is_dead(tmp_path):
    writer = subprocess.Popen(["true"])
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and has its number yet
    (tmp_path / _part("shard-00002.npy", platform.node(), writer.pid)).write_text("x")
    clear_parts(tmp_path)
    assert not list(tmp_path.iterdir())
    writer.wait()


@pytest.mark.parametrize("name", ["model.pt", "v1m-train-seed0.overlays.npz", ".world.json"])
def test_a_killed_write_leaves_a_part_that_is_known_as_one(tmp_path, name, monkeypatch):
    def killed():
        monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        write_atomic(tmp_path / name, "new")

    write_atomic(tmp_path / name, "old")
    writer = multiprocessing.get_context("fork").Process(target=killed)
    writer.start()
    writer.join()
    (part,) = set(tmp_path.iterdir()) - {tmp_path / name}
    assert files.is_part(part) and not files.is_part(tmp_path / name)
    assert part.name == part_path(tmp_path / name).name.replace(str(os.getpid()), str(writer.pid))
    clear_parts(tmp_path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


CONTENT = {"value": 0.1234567890123, "seed": 3, "history": [{"loss": 1e-9}], "draw": None}


def test_sealed_json_comes_back_as_it_was(tmp_path):
    path = tmp_path / "record.json"
    write_sealed(path, CONTENT)
    assert read_sealed(path) == CONTENT
    write_sealed(path, read_sealed(path) | {"variant": "x"})
    assert read_sealed(path) == CONTENT | {"variant": "x"}
    path.write_text(json.dumps(json.loads(path.read_text())))  # other spaces, the same content
    assert read_sealed(path)["seed"] == 3


def test_records_of_equal_work_are_equal_apart_from_their_run_block(tmp_path):
    for seconds in (1.5, 2.5):
        write_sealed(tmp_path / f"{seconds}.json", CONTENT | {"run": {"seconds": seconds}})
    first, second = (json.loads((tmp_path / f"{s}.json").read_text()) for s in (1.5, 2.5))
    assert first.pop("run") != second.pop("run")
    assert first == second == CONTENT | {"history": [{"loss": 1e-9}]}
    path = tmp_path / "1.5.json"
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(DamagedError, match="its content has the checksum"):
        read_sealed(path)


def test_every_flipped_bit_of_sealed_json_is_seen(tmp_path):
    path = tmp_path / "record.json"
    write_sealed(path, CONTENT)
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        for bit in (1, 16):
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            try:
                assert read_sealed(path) == CONTENT  # a space or a line's end
            except DamagedError as error:
                assert str(error).startswith(f"{path}: ")
                refused += 1
    assert refused > 1.5 * len(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "holds a list, expected keys and values"),
        ('{"seed": 1}', "checksum .* but None was recorded"),
        ("[" * 100_000, "can't be read as JSON: "),
        ('{"seed": 1', "can't be read as JSON: "),
    ],
)
def test_what_is_no_sealed_json_is_named(tmp_path, text, message):
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(DamagedError, match=f"model.json: .*{message}.*; do this"):
        read_sealed(path, "do this")


def test_dvc_sees_no_part_in_an_output(tmp_path):
    """A part that a kill left in records/ would change dvc.lock."""
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    project = Repo.init(str(tmp_path), no_scm=True)
    record = tmp_path / "records" / "v1m-train-seed0.json"
    assert project.dvcignore.is_ignored_file(str(part_path(record)))
    assert not project.dvcignore.is_ignored_file(str(record))


def test_a_link_takes_no_room_and_a_write_to_one_name_leaves_the_other(tmp_path):
    source, path = tmp_path / "a", tmp_path / "folder" / "b"
    source.write_bytes(b"first")
    write_atomic(path, b"old")
    for _ in range(2):  # again: it is linked already
        files.link(path, source)
        assert path.samefile(source) and path.read_bytes() == b"first"
    write_atomic(source, b"second")
    assert path.read_bytes() == b"first"
    files.link(path, source)
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_where_links_fail_it_is_a_copy(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source, path = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"content")
    files.link(path, source)
    assert path.read_bytes() == b"content" and not path.samefile(source)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(FileNotFoundError):
        files.link(path, tmp_path / "none")
