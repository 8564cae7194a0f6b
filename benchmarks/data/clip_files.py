"""The files of an indexed clip, each compared with the index when a process first reads it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from benchmarks.common.files import sha256
from benchmarks.data.files import frame_file

LENGTH = 16  # hex digits of a file's checksum in the index
REMEDY = (
    "put the original back (of the miniature world: delete it and run `python -m benchmarks "
    "data`), or, if the change is meant, run `python -m benchmarks data`, then `features`"
)


class ClipFileError(ValueError):
    """A clip's file that isn't the one that was indexed; the message names it and the remedy."""


def file_digests(files: Sequence[Path], boxes: str) -> dict[str, str]:
    """The index's columns `digest` and `checksums` of a clip's frames, masks and audio, in order.

    Raises:
        OSError: a file can't be read.
    """
    contents = [path.read_bytes() for path in files]
    return {
        "digest": sha256(*contents, boxes.encode()),
        "checksums": " ".join(sha256(content)[:LENGTH] for content in contents),
    }


def clip_file(clip: Any, kind: Literal["frame", "mask", "audio"], number: int = 0) -> Path:
    """The path of a clip's file, whose content is the one that was indexed.

    Args:
        clip: a row of the clip index, as a tuple or a series.
        number: of the frame or mask, from 0.

    Raises:
        ClipFileError: the file is missing, or another one than when the index was made.
    """
    if kind == "audio":
        return _verified(clip.audio_path, 0, clip.checksums, -1)
    if kind == "mask":
        return _verified(clip.mask_path, number, clip.checksums, clip.frames + number)
    return _verified(clip.frame_path, number, clip.checksums, number)


@cache  # once per process; forked workers share the parent's
def _verified(pattern: str, number: int, checksums: str, place: int) -> Path:
    path, recorded = frame_file(pattern, number), checksums.split(" ")
    if place >= len(recorded) - 1:
        raise ClipFileError(f"{path}: the clip index has no such file; it can't be learned from")
    if not path.is_file():
        raise ClipFileError(f"{path}: missing, though it was indexed; {REMEDY}")
    checksum = sha256(path)[:LENGTH]
    if checksum != recorded[place]:
        raise ClipFileError(
            f"{path}: its checksum is {checksum}, but the clip index has {recorded[place]}; "
            f"{REMEDY}"
        )
    return path
