"""Folders of finished work, a model or a run: whole as they were written, or made again."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.files import (
    DamagedError,
    clear_parts,
    read_sealed,
    sha256,
    write_sealed,
)

LOCK = "lock"
log = logging.getLogger(__name__)


def finish(folder: Path, name: str, content: dict[str, Any], members: Sequence[str]) -> None:
    """Write the JSON that marks a folder as finished, with the checksums of its other files."""
    files = {member: sha256(folder / member) for member in members}
    write_sealed(folder / name, content | {"files": files})


def discard_damaged(folder: Path, name: str) -> None:
    """Empty a finished folder any file of which isn't as it was written, and say so.

    What a killed writer has left goes as well. The caller holds the folder's lock.
    """
    clear_parts(folder)
    if not (folder / name).is_file():
        return
    try:
        for member, recorded in read_sealed(folder / name)["files"].items():
            if not (folder / member).is_file():
                raise DamagedError(f"{folder / member}: missing")
            if (checksum := sha256(folder / member)) != recorded:
                raise DamagedError(
                    f"{folder / member}: its checksum is {checksum[:12]}, but {name} has "
                    f"{recorded[:12]}"
                )
    except DamagedError as error:
        log.warning("%s; the folder is made again", error)
        empty(folder)


def empty(folder: Path) -> None:
    """Remove all files of a folder but its lock, which the caller holds."""
    for path in folder.iterdir():
        if path.name != LOCK:
            path.unlink()
