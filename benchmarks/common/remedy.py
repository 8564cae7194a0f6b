"""Commands in messages, as they are spelled for the parameter file in use.

A text names commands as for params.yaml, wherever in the project it stands. Who prints it spells
it for the file in use, so that the remedy repairs the profile that the message is about.
"""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

DEFAULT = Path("params.yaml")
RUN = "python -m benchmarks "
_file = ContextVar("parameter file in use", default=DEFAULT)


@contextmanager
def in_use(file: Path) -> Iterator[None]:
    """Spell commands for this parameter file."""
    token = _file.set(file)
    try:
        yield
    finally:
        _file.reset(token)


def is_default() -> bool:
    """Whether the file in use is params.yaml of this folder, all that `dvc repro` reads."""
    return _file.get().absolute() == DEFAULT.absolute()


def spelled(text: str) -> str:
    """Text with its commands and mentions for the file in use; `launch` in the place of DVC."""
    if is_default():
        return text
    file = shlex.quote(str(_file.get()))
    run = f"{RUN}--params {file} "
    text = re.sub(rf"{RUN}(?!-)", lambda _: run, text)
    text = re.sub(r"(?<= in | of | by )params\.yaml(?! or )", lambda _: file, text)
    return text.replace("`dvc repro`", f"`{run}launch --on local`, then `report`")
