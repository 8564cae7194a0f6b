"""Profiles: params.yaml is the current one, `profiles/` beside it has the others."""

from pathlib import Path

from benchmarks.common.files import write_atomic
from benchmarks.common.paths import PathError, below, check_name
from benchmarks.params import load
from benchmarks.params.errors import ParamsError
from benchmarks.params.files import read_yaml

FOLDER = "profiles"


def profile_file(name: str, params: Path = Path("params.yaml")) -> Path:
    """File of a profile: `params` if it is the current one, else one in `profiles/` beside it.

    Raises:
        ParamsError: there is no such profile.
    """
    if _name(params) == name:
        return params
    try:
        path = below(params.parent / FOLDER, f"{check_name(name)}.yaml")
    except PathError as error:
        raise ParamsError(f"no profile {error}") from None
    if not path.exists():
        known = sorted({_name(params), *(p.stem for p in path.parent.glob("*.yaml"))})
        raise ParamsError(f"no profile '{name}'; known: {', '.join(known)}")
    return path


def switch_profile(name: str, params: Path) -> str:
    """Make a profile the current one; returns a line that says what was done.

    The current params.yaml goes to `profiles/<its profile>.yaml`, byte for byte, and
    `profiles/<name>.yaml` becomes params.yaml, so that switching back restores both. A copy is
    written before anything is replaced: a kill in between loses nothing, and the same command
    completes the switch.

    Raises:
        ParamsError: there is no such profile, it isn't valid, or it has another name than its file;
            or another file has the place of the current profile's; or it extends another profile.
    """
    source, current = profile_file(name, params), _name(params)
    if source == params:
        return f"{params}: profile {name} already"
    if "extends" in read_yaml(source):
        raise ParamsError(
            f"{source}: says only what differs from another profile, and DVC reads whole files; "
            f"run it as it is: `python -m benchmarks --params {source} launch --on local`"
        )
    if (stated := load(source).profile) != name:
        raise ParamsError(f"{source}: profile is '{stated}'; expected '{name}', as the file's name")
    saved, content = below(source.parent, f"{current}.yaml"), params.read_bytes()
    if saved.exists() and saved.read_bytes() != content:
        raise ParamsError(
            f"{saved}: exists and differs from {params}, whose profile is '{current}' too; delete "
            "one of the two, or give it a profile name of its own"
        )
    write_atomic(saved, content)
    source.replace(params)
    return f"{params}: profile {name}; {current} is saved in {saved}"


def _name(params: Path) -> str:
    """Read the name of a parameter file's profile, whatever else is wrong in the file.

    Raises:
        ParamsError: it can't be read, or its profile has no name that a file can have.
    """
    try:
        return check_name(str(read_yaml(params).get("profile")))
    except PathError as error:
        raise ParamsError(f"{params}: profile: {error}") from None
