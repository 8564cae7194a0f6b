"""Files that are whole or not there, whatever stops the writer: a full disk, a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give the block a file to write, which then becomes `path`.

    Raises:
        OSError: it can't be written; the error names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid4().hex}.part")  # short: `path` may be as long as names can be
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno and error.filename in (None, str(part)):  # a failed write names no file
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, as `writing`."""
    with writing(path) as part:
        part.write_bytes(content)
