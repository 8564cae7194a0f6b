"""Free memory by all that bounds it, and whether an error says that it ran out."""

import errno
import os
import re
import resource
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GIB = 2**30
_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
_WORDS = re.compile(
    "allocate memory|out of memory|bad_alloc|start new thread|failed to map segment"
)


class Bound(NamedTuple):
    """Bytes that one bound leaves free, and what sets it."""

    free: float
    name: str

    def __str__(self) -> str:
        return f"{self.free / GIB:.1f} GiB are free here, by {self.name}"


def free_memory(proc: Path = _PROC, cgroup: Path = _CGROUP) -> Bound:
    """The smallest of what the machine, its control groups and this process's limits leave."""
    bounds = [*_machine(proc), *_groups(proc, cgroup), *_limits(proc)]
    return min(bounds, default=Bound(float("inf"), "no bound that is known"))


def ran_out(error: BaseException) -> bool:
    """True if memory was short: an allocator says so, or the kernel killed a worker."""
    return (
        isinstance(error, MemoryError | BrokenProcessPool)
        or getattr(error, "errno", None) == errno.ENOMEM
        or _WORDS.search(str(error)) is not None
    )


def _machine(proc: Path) -> Iterator[Bound]:
    text = (proc / "meminfo").read_text() if (proc / "meminfo").is_file() else ""
    if available := re.search(r"MemAvailable: +(\d+) kB", text):
        yield Bound(1024.0 * int(available[1]), "what the machine has (MemAvailable)")
    else:
        pages = os.sysconf("SC_PHYS_PAGES")
        yield Bound(float(os.sysconf("SC_PAGE_SIZE") * pages), "what the machine has")


def _groups(proc: Path, cgroup: Path) -> Iterator[Bound]:
    """Bounds of this process's control group and those above it; version 2, then 1."""
    with suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                root, names = cgroup, ("memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                root = cgroup / "memory"
                names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            else:
                continue
            group = root / path.lstrip("/")
            for folder in (group, *group.parents):
                yield from _group(folder, *names)
                if folder == root:
                    break


def _group(folder: Path, limit: str, used: str, cached: str) -> Iterator[Bound]:
    with suppress(OSError, ValueError):  # "max" is no number: no bound
        most = int((folder / limit).read_text())
        bytes_used = int((folder / used).read_text())
        line = re.search(rf"^{cached} (\d+)", (folder / "memory.stat").read_text(), re.M)
        bytes_used -= int(line[1]) if line else 0  # the kernel gives it up
        if most < 2**60:  # version 1 writes a huge number where there is none
            yield Bound(float(most - bytes_used), f"the control group's limit {folder / limit}")


def _limits(proc: Path) -> Iterator[Bound]:
    with suppress(OSError):
        pages = int((proc / "self/statm").read_text().split()[0])
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            free = most - pages * os.sysconf("SC_PAGE_SIZE")
            yield Bound(float(free), "this process's limit (ulimit -v)")
