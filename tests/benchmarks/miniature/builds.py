"""Folders of a world, compared byte by byte, and a build that is killed."""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def digests(root: Path) -> dict[str, str]:
    """Checksums of all files, by path."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def killed(build: Callable[[], None], root: Path, clips: str, least: int) -> dict[Path, int]:
    """Kill a build once `least` files match `clips`; their times of change."""
    process = multiprocessing.get_context("fork").Process(target=build)
    process.start()
    while len(there := [*root.glob(clips)]) < least:
        assert process.is_alive()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return {path: path.stat().st_mtime_ns for path in there}
