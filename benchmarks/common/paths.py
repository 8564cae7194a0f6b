"""Names that become folders and files: one pattern, and one function that joins them."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=PATTERN)]


class PathError(ValueError):
    """A name that can't be a file or folder, or a path outside the folder that it belongs to."""


def below(folder: Path, *names: str) -> Path:
    """Return `folder/name/…`, where no name leaves the folder.

    Raises:
        PathError: a name has other characters than letters, digits, `_`, `-` and (not first) `.`,
            or a link on the way leads out of the folder.
    """
    for name in names:
        if not re.fullmatch(PATTERN, name):
            raise PathError(
                f"{name!r} can't name a file or folder: expected letters, digits, '_', '-' or '.', "
                "a letter or digit first"
            )
    path = folder.joinpath(*names)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PathError(f"{path}: leads to {path.resolve()}, outside {folder}")
    return path
