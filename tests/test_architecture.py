"""The shape of the house: who may import whom, and what every file must have."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.common.closure import Sources

ROOT = Path(__file__).parents[1]
ORDER = (  # each imports only from what stands before it
    *("gavs", "splits", "baselines"),
    *("common", "data", "miniature", "features", "scoring", "training", "experiments", "params"),
    *(
        "grid",
        "predictions",
        "report",
        "preflight",
        "studies",
        "launch",
        "speed",
        "benchmarks",
        "cli",
        "__main__",
    ),
)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(ROOT)


def room(module: str) -> str:
    """A package, or a folder or file of `benchmarks`."""
    package, _, rest = module.partition(".")
    return rest.split(".")[0] if package == "benchmarks" and rest else package


def faults(sources: Sources) -> list[str]:
    """Imports that run against the order, and of underscore names across packages."""
    arrows = [(m, target) for m in sources.paths for target in sources.imports(m)]
    upward = [
        f"{module} imports {target}"
        for module, target in arrows
        if ORDER.index(room(target)) > ORDER.index(room(module))
    ]
    private = [
        f"{module} imports {name}"
        for module, path in sources.paths.items()
        for name in project_names(path)
        if any(part.startswith("_") for part in name.replace("__main__", "").split("."))
        and room(name) != room(module)
    ]
    return upward + private


def project_names(path: Path) -> list[str]:
    """Full names of what a file imports from the project by absolute imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
    ]
    names += [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    return [name for name in names if room(name) in ORDER]


def test_rooms_import_in_one_direction_and_no_private_name(sources):
    assert {room(module) for module in sources.paths} == {*ORDER}
    assert faults(sources) == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("gavs/new.py", "from benchmarks.params import load", "gavs.new imports benchmarks.params"),
        (
            "benchmarks/data/new.py",
            "def f():\n    from benchmarks.grid import cells",
            "benchmarks.data.new imports benchmarks.grid.cells",
        ),
        (
            "benchmarks/speed/new.py",
            "from baselines._tpavi import TPAVI",
            "benchmarks.speed.new imports baselines._tpavi.TPAVI",
        ),
        (
            "benchmarks/grid/new.py",
            "from benchmarks.common.files import _seal",
            "benchmarks.grid.new imports benchmarks.common.files._seal",
        ),
    ],
)
def test_an_import_against_the_order_is_named(tmp_path, file, text, fault):
    for name in ("benchmarks/params.py", "benchmarks/grid/cells.py", "benchmarks/common/files.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert faults(Sources(tmp_path)) == [fault]


def test_every_module_says_what_it_is_and_is_of_a_readable_length(sources):
    texts = {str(p.relative_to(ROOT)): p.read_text() for p in sources.paths.values()}
    assert [n for n, text in texts.items() if text and not ast.get_docstring(ast.parse(text))] == []
    assert [n for n, text in texts.items() if len(text.splitlines()) > 400] == []


def test_a_name_of_a_class_means_one_thing(sources):
    names = Counter(
        node.name
        for path in sources.paths.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} == set()
