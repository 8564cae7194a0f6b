"""Names that become folders and files: one pattern, and one function that joins them."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
LONGEST = 100  # characters; a record's file name holds two names and the setting
Name = Annotated[str, StringConstraints(pattern=PATTERN, max_length=LONGEST)]


class PathError(ValueError):
    """A name that can't be a file or a folder."""


def check_name(name: str) -> str:
    """`name`, which can be a folder's.

    Raises:
        PathError: it has other characters than letters, digits, `_` and `-`.
    """
    if len(name) > LONGEST or not re.fullmatch(PATTERN, name):
        raise PathError(
            f"{ascii(name):.120}: no name for a file or folder; expected letters, digits, '_' and "
            f"'-', a letter or digit first, {LONGEST} characters at most"
        )
    return name


def below(folder: Path, *names: str) -> Path:
    """`folder/name/…`: every name is one part of the path, so none leaves the folder.

    A file's name may have dots too, but for the first character.

    Raises:
        PathError: a name has other characters, or a link on the way leads out of the folder.
    """
    for name in names:
        check_name(name[:1] + name[1:].replace(".", "-"))
    path = folder.joinpath(*names)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PathError(f"{path}: leads to {path.resolve()}, outside {folder}")
    return path
