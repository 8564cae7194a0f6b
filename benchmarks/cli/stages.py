"""Which of the graph's stages a command is: DVC runs each as a process of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.common.paths import PathError


def stage_line(graph: Path = Path("dvc.yaml")) -> str:
    """Say "stage 4 of 11: run@table1", in the order of `graph`; "" for a command that DVC didn't
    start, or of another graph."""
    name = os.environ.get("DVC_STAGE")
    if not name or not graph.is_file():
        return ""
    from benchmarks.params.files import read_yaml

    names = stage_names(read_yaml(graph))
    return f"stage {names.index(name) + 1} of {len(names)}: {name}" if name in names else ""


def check_records(records: Path) -> None:
    """Refuse to start a graph whose records lie outside the project: DVC, which caches them, would
    say so after the first table is trained.

    Raises:
        PathError: with what to link in their place.
    """
    if "DVC_STAGE" in os.environ and not records.resolve().is_relative_to(Path.cwd().resolve()):
        raise PathError(
            f"{records}: leads to {records.resolve()}, but DVC caches records inside the project "
            "only; link the folders that are large (features, models, runs, the data), or run the "
            "tables without DVC: `python -m benchmarks launch --on local`"
        )


def stage_names(graph: Mapping) -> list[str]:
    """Names of a graph's stages in its order, those of a `foreach` as DVC calls them."""
    names = []
    for name, stage in graph["stages"].items():
        names += [f"{name}@{key}" for key in stage["foreach"]] if "foreach" in stage else [name]
    return names
