"""The code behind a number: a module and all of the project that it imports, as syntax trees.

Imports count wherever they stand, in functions too. What decides nothing doesn't count: comments,
docstrings, annotations of functions and variables, the words of errors and of the log.
"""

import ast
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

PACKAGES = ("gavs", "baselines", "splits", "benchmarks")
ROOT = Path(__file__).parents[2]


class Sources:
    """The project's modules by name, as they stand when this is made."""

    def __init__(self, root: Path) -> None:
        self.paths: dict[str, Path] = {}
        for package in PACKAGES:
            for path in sorted((root / package).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                self.paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._texts = {name: path.read_text() for name, path in self.paths.items()}
        self.checksum = lru_cache(maxsize=None)(self._checksum)

    def closure(self, roots: Iterable[str], stops: Sequence[str] = ()) -> list[str]:
        """Names of the modules that `roots` import, directly or not, and of `roots` themselves.

        Args:
            stops: modules, or packages with all below, that are left out with what they import.

        Raises:
            ValueError: a root is no module of the project.
        """
        queue, names = list(roots), set()
        for name in queue:
            if name not in self.paths:
                raise ValueError(f"{name}: no module of {', '.join(PACKAGES)}; its code is unknown")
        while queue:
            name = queue.pop()
            if name in names or any(name == s or name.startswith(f"{s}.") for s in stops):
                continue
            names.add(name)
            queue += self.imports(name)
        return sorted(names)

    def _checksum(self, roots: tuple[str, ...], stops: tuple[str, ...] = ()) -> str:
        """Checksum of a closure's trees, and of what its packages do beside handing on names."""
        names = self.closure(roots, stops)
        packages = {name[:end] for name in names for end, c in enumerate(name) if c == "."}
        digest = hashlib.sha256()
        for name in sorted({*names, *packages}):
            digest.update(f"{name} {_essence(self._texts[name], name in names)}\n".encode())
        return digest.hexdigest()

    def imports(self, name: str) -> list[str]:
        """Modules of the project that a module names in its import statements."""
        package = name if self.paths[name].name == "__init__.py" else name.rpartition(".")[0]
        modules = []
        for base, level, alias in _imported(self._texts[name]):
            if level:
                parent = package.split(".")[: len(package.split(".")) - level + 1]
                base = ".".join([*parent, *([base] if base else [])])
            module = f"{base}.{alias}"
            modules += [
                m for m in ([module] if module in self.paths else [base]) if m in self.paths
            ]
        return modules


@cache
def project() -> Sources:
    """The sources of this very project, read once per process."""
    return Sources(ROOT)


@cache
def _imported(text: str) -> list[tuple[str, int, str]]:
    """(module, level, name) of every import; an `import a.b` has no name."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names += [(node.module or "", node.level, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [(alias.name, 0, "") for alias in node.names]
    return names


@cache
def _essence(text: str, whole: bool) -> str:
    """Checksum of a module's syntax tree, the same in every version of Python; unless `whole`,
    without imports and `__all__`."""
    module = ast.parse(text)
    if not whole:
        module.body = [node for node in module.body if not _hands_on(node)]
    return hashlib.sha256(repr(_plain(_Essence().visit(module))).encode()).hexdigest()


def _hands_on(node: ast.stmt) -> bool:
    names = [ast.unparse(target) for target in getattr(node, "targets", [])]
    return isinstance(node, ast.Import | ast.ImportFrom) or names == ["__all__"]


def _plain(node: Any) -> Any:
    """Nested tuples of a tree's fields; those that are empty, as newer versions add, left out."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = ((k, v) for k, v in ast.iter_fields(node) if k != "ctx" and v is not None and v != [])
    return type(node).__name__, *((key, _plain(value)) for key, value in fields)


class _Essence(ast.NodeTransformer):
    """Takes out of a tree what has no effect on a result."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        call = node.value
        text = isinstance(call, ast.Constant) and isinstance(call.value, str)
        logged = isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log.")
        return None if text or logged else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        self.generic_visit(node)
        node.body += fields  # of dataclasses and parameter blocks, where annotations have effects
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            node.exc, node.cause = node.exc.func, None
        return node
