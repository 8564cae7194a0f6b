"""Libraries that only training needs: the one answer to a missing one."""

PROJECT = ("gavs", "baselines", "benchmarks", "splits")
REMEDY = "pip install 'gavs-benchmark[train]'"


def missing_extra(error: BaseException) -> str | None:
    """Line that names a library that isn't installed and what installs it.

    None for any other error: a module of this project, or a name that a library lacks.
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    name = error.name.partition(".")[0]
    if name in PROJECT:
        return None
    return f"this needs {name}, which the extra `train` brings: {REMEDY}"
