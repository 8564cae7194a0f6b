"""The smallest of the bounds on memory, read from files as Linux writes them."""

import errno
import os
import resource
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from benchmarks.common.memory import GIB, free_memory, ran_out

STAT = "anon 5\ninactive_file 1073741824\ntotal_inactive_file 1073741824\n"


@pytest.fixture
def machine(tmp_path):
    """machine(groups, files): a /proc and a control-group tree; 8 GiB are available."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  8388608 kB\n")
    (tmp_path / "proc/self/statm").write_text("262144 1 1 1 0 1 0\n")  # pages: 1 GiB of 4096

    def make(groups: str, files: dict[str, str]):
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return free_memory(tmp_path / "proc", tmp_path / "cgroup")

    return make


@pytest.mark.parametrize(
    ("groups", "files", "gib", "name"),
    [
        ("0::/\n", {}, 8, "MemAvailable"),
        ("0::/a\n", {"a/memory.max": "max\n", "a/memory.current": "5"}, 8, "MemAvailable"),
        (
            "0::/a/b\n",  # the group above bounds it; 1 of its 2 GiB is cache
            {
                "a/b/memory.max": "max",
                "a/memory.max": str(4 * GIB),
                "a/memory.current": str(2 * GIB),
                "a/memory.stat": STAT,
            },
            3,
            "a/memory.max",
        ),
        (
            "4:memory:/x\n3:cpuset:/x\n0::/\n",
            {
                "memory/x/memory.limit_in_bytes": str(2 * GIB),
                "memory/x/memory.usage_in_bytes": str(2 * GIB),
                "memory/x/memory.stat": STAT,
                "memory/memory.limit_in_bytes": str(2**63 - 4096),  # none
                "memory/memory.usage_in_bytes": "0",
                "memory/memory.stat": STAT,
            },
            1,
            "memory/x/memory.limit_in_bytes",
        ),
    ],
)
def test_the_tightest_bound_is_named(machine, groups, files, gib, name):
    bound = machine(groups, files)
    assert bound.free == gib * GIB and name in str(bound)
    assert f"{gib}.0 GiB are free here" in str(bound)


def test_a_limit_of_the_process_bounds_it_too(machine, monkeypatch):
    limits = (3 * GIB, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits)
    monkeypatch.setattr(os, "sysconf", lambda name: 4096)
    bound = machine("0::/\n", {})
    assert bound.free == 2 * GIB and "ulimit -v" in bound.name


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (BrokenProcessPool("terminated abruptly"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 12 bytes"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12 GiB"), True),
        (RuntimeError("can't start new thread"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
    ],
)
def test_an_allocators_words_are_known(error, expected):
    assert ran_out(error) is expected
