"""One context for reading any file: whatever a decoder raises becomes the caller's error.

Decoders are open-ended: Pillow, FFmpeg, libsndfile, zipfile, pickle and json raise what they like
(zlib.error, RecursionError, MemoryError, struct.error, ...), seldom with the file's name.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
LENGTH = 300  # characters of a decoder's message that are repeated


@contextmanager
def reading(
    path: str | os.PathLike, error: type[Exception], what: str = "", remedy: str = ""
) -> Iterator[None]:
    """Run the block that reads a file; any exception in it becomes `error` with path and reason.

    Only a regular file is opened: a FIFO or a device would wait for ever. An `error` that the block
    raises itself passes as it is (it names the file), and so do KeyboardInterrupt and SystemExit.

    Args:
        error: the calling module's own class, made from one string; no builtin, since decoders
            raise those too.
        what: what the file should be, after "can't be read", e.g. "as an image".
        remedy: what mends it, e.g. "delete it and run `python -m benchmarks data`".

    Raises:
        FileNotFoundError: there is no such file, naming it.
        error: "PATH: can't be read WHAT: REASON; REMEDY".
    """
    name, ending = shown(path), f"; {remedy}" if remedy else ""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = KINDS.get(stat.S_IFMT(mode), "no regular file")
            raise error(f"{name}: is {kind}, expected a file{ending}")
        yield
    except error:
        raise
    except Exception as problem:
        if isinstance(problem, FileNotFoundError) and not os.path.lexists(path):
            raise FileNotFoundError(f"{name}: no such file{ending}") from None
        words = f"can't be read {what}".rstrip()
        raise error(f"{name}: {words}: {reason(problem)}{ending}") from problem


def reason(problem: BaseException) -> str:
    """Say in one printable line why, without the path that an error may repeat."""
    for key in ("strerror", "error_string"):  # of OSError and FFmpeg; of libsndfile
        if text := getattr(problem, key, None):
            return shown(str(text)).rstrip(".")
    lines = str(problem).strip().splitlines()
    text = shown(lines[0])[:LENGTH].rstrip(".") if lines else ""
    if " " in text:
        return text
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def shown(name: str | os.PathLike) -> str:
    """Escape what doesn't print: a name with ESC or a newline clears no screen, breaks no table."""
    text = os.fspath(name) if isinstance(name, os.PathLike) else name
    text = os.fsdecode(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
