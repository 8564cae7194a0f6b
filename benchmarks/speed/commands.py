"""Start-up: CPU seconds of commands that a user waits for, against an import of PyTorch."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.common.closure import ROOT
from benchmarks.speed.clock import cpu_of_commands
from benchmarks.speed.compare import Line, compare

COMMANDS = {"list": 0.3, "stale": 1.5}  # most times the import's CPU seconds
IMPORT = ("-c", "import torch")


def lines() -> Iterator[Line]:
    """Measure each command in turn with the import."""
    for name, most in COMMANDS.items():
        yield compare(
            f"`python -m benchmarks {name}`",
            "`python -c 'import torch'`",
            partial(python, ("-m", "benchmarks", name)),
            partial(python, IMPORT),
            wanted=1 / most,
            bound=None,
            repeats=3,
            remark="CPU seconds, no output compared",
            clock=cpu_of_commands,
        )


def python(arguments: Sequence[str]) -> float:
    """Run Python; returns 0.

    Raises:
        RuntimeError: it fails; `stale` may end with 1, which says that something is.
    """
    process = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if process.returncode > 1 or "Traceback" in process.stderr:
        raise RuntimeError(f"{' '.join(arguments)} failed: {process.stderr[-300:]}")
    return 0.0
