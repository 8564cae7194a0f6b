"""Files that belong together: made in a folder of their own, swapped in at the end."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from benchmarks.common.files import locked


def publish(
    folder: Path, contents: Mapping[str, bytes | str], obsolete: Iterable[str] = ()
) -> None:
    """Write files below a folder, all or (but for a kill in the middle of the renames) none.

    One process at a time does so in a folder.

    Args:
        contents: content by path below `folder`, in the order in which they are swapped in.
        obsolete: paths below `folder` that are removed in the end, where they are still there.

    Raises:
        ValueError: a path leads out of `folder`; nothing is written then.
    """
    former = [_inside(folder, name) for name in obsolete]
    targets = {name: _inside(folder, name) for name in contents}
    part = folder.with_name(f".{folder.name}.part")  # beside it: the same disk, in no DVC output
    with locked(part.with_suffix(".lock"), f"files of {folder}"):
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        try:
            for name, content in contents.items():
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            for name, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                (part / name).replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        for path in former:
            path.unlink(missing_ok=True)


def _inside(folder: Path, name: str) -> Path:
    path, pure = folder / name, PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or pure == PurePosixPath():
        raise ValueError(f"{name!r} isn't a path below {folder}")
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_dir():
        raise ValueError(f"{path}: a folder, or behind a link that leads out of {folder}")
    return path
