"""Files that are whole or not there, JSON that carries its checksum, locks between processes."""

import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gavs.reading import reading

REMIND = 60.0  # seconds between two lines of a process that waits for a lock
DAY = 86_400.0  # seconds; no write takes as long, so an older part has no writer
CHECKSUM = "checksum"  # key of a sealed JSON file
_PART = re.compile(r"\..+\.(?P<host>[^/]*)-(?P<pid>\d+)\.part")
log = logging.getLogger(__name__)


class DamagedError(ValueError):
    """A file whose content isn't what was written; the message names it."""


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Let one process at a time run the block; the kernel frees the lock of a killed one.

    The file says who holds the lock; whoever waits repeats that every minute. Forked workers
    inherit the lock, but none outlives its parent, not even a stopped one (`common.workers`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        reminder = 0.0
        while not _acquired(file.fileno()):
            if time.monotonic() >= reminder:
                log.info("%s: waiting for %s", name, _holder(path))
                reminder = time.monotonic() + REMIND
            time.sleep(0.1)
        with suppress(OSError):  # a full disk: the lock holds without its note
            file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            file.write(f"{os.getpid()} on {platform.node()} since {since}\n".encode())
        yield


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    """Text that names the holder of a lock and the way out."""
    note = path.read_text(errors="replace").strip()
    pid = note.split(" ")[0]
    if not pid.isdecimal():
        return f"the process that holds {path}"
    return (
        f"process {note}, which holds {path}; if it hangs or is stopped, end it there with "
        f"`kill -9 {pid}`: nothing is lost"
    )


def part_path(path: Path) -> Path:
    """File that this process writes and that becomes `path` once it is whole."""
    # Machines that share a disk share process numbers.
    return path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}.part")


def is_part(path: Path) -> bool:
    """True for a file that a writer has not finished."""
    return _PART.fullmatch(path.name) is not None


def clear_parts(folder: Path) -> None:
    """Remove the parts of killed writers in a folder: of dead processes here, or a day old."""
    for path in folder.glob(".*.part"):
        match = _PART.fullmatch(path.name)
        with suppress(FileNotFoundError):  # its writer, or another process, is quicker
            old = time.time() - path.stat().st_mtime > DAY
            if match and (old or (match["host"] == platform.node() and _dead(int(match["pid"])))):
                path.unlink()


def _dead(pid: int) -> bool:
    """True if no process has this number, or this very one, which is writing nothing now."""
    if pid == os.getpid():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    stat = Path(f"/proc/{pid}/stat")  # of Linux: a killed process that nobody has waited for
    with suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
    return False


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write so that a reader, or a kill, finds the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(path)
    try:
        with part.open("wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if error.errno:
            error.filename = error.filename or str(path)  # a failed write names no file
        raise
    finally:
        part.unlink(missing_ok=True)


def link(path: Path, source: Path) -> None:
    """Make `path` the same file as `source`, atomically; a copy where the disk has no links.

    From then on neither may be written to, only replaced, as all writers here do.

    Raises:
        FileNotFoundError: there is no source.
    """
    if path.exists() and path.samefile(source):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(path)
    try:
        part.unlink(missing_ok=True)
        os.link(source, part)
        part.replace(path)
    except OSError:  # another disk, one without links, too many of one file
        write_atomic(path, source.read_bytes())
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, keys sorted."""
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with the checksum of its content under the key `checksum`.

    It stands in the block `run` if there is one: the rest is equal whenever the work is run again.
    """
    content = json.loads(json.dumps(content))  # keys are strings, tuples are lists
    block = _sealed_block(content)
    block.pop(CHECKSUM, None)
    block[CHECKSUM] = _seal(content)
    write_json(path, content)


def read_sealed(path: Path, remedy: str = "") -> dict[str, Any]:
    """Read what `write_sealed` wrote, without its checksum.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedError: not JSON, or its content isn't what was written.
    """
    with reading(path, DamagedError, "as JSON", remedy):
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError(f"holds a {type(content).__name__}, expected keys and values")
        problem = seal_problem(content)
    if problem:
        raise DamagedError(f"{path}: {problem}" + (f"; {remedy}" if remedy else ""))
    del _sealed_block(content)[CHECKSUM]
    return content


def seal_problem(content: dict[str, Any]) -> str | None:
    """Difference between JSON and the checksum that it carries; None if there is none."""
    content = json.loads(json.dumps(content))
    recorded = _sealed_block(content).pop(CHECKSUM, None)
    checksum = _seal(content)
    if recorded == checksum:
        return None
    return f"its content has the checksum {checksum[:12]}, but {str(recorded)[:12]} was recorded"


def _sealed_block(content: dict[str, Any]) -> dict[str, Any]:
    run = content.get("run")
    return run if isinstance(run, dict) else content


def _seal(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())


def sha256(*contents: bytes | Path) -> str:
    """Checksum of byte strings and files, in order."""
    digest = hashlib.sha256()
    for content in contents:
        if isinstance(content, Path):
            with content.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        else:
            digest.update(content)
    return digest.hexdigest()
