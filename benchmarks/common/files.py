"""Atomic text and JSON, locks between processes, checksums."""

import fcntl
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """One process at a time. The kernel frees the lock of a killed one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: waiting for the process that is running it", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write so that a reader, or a kill, finds the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{platform.node()}-{os.getpid()}"  # machines that share a disk share process numbers
    part = path.with_name(f".{path.name}.{writer}.part")
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


def write_json(path: Path, content: Any) -> None:
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def sha256(*contents: bytes | Path) -> str:
    """Checksum of byte strings and files, in order."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content.read_bytes() if isinstance(content, Path) else content)
    return digest.hexdigest()
