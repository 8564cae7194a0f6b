"""What an install without the extra `train` can do, and what it says where it can't."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gavs.extras import missing_extra

ROOT = Path(__file__).parents[1]
MODULES = {"segment-anything": "segment_anything", "scikit-learn": "sklearn"}
CHECK = """
import sys
for name in {blocked}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
from benchmarks.cli import main
import benchmarks.params.profile
import splits.__main__
for words in (["list"], ["params", "scoring"]):
    assert main(words) == 0, words
assert main(["pretrain", "sam"]) == 1
"""


def train_extra() -> list[str]:
    """Modules of the extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=\[]", line)[0] for line in project["optional-dependencies"]["train"]]
    return [MODULES.get(name, name) for name in names]


def test_every_declared_library_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    declared = {re.split(r"[<>=\[]", line)[0] for line in lines} - {"gavs-benchmark"}
    pins = re.findall(r"(?m)^([^#=]+)==", (ROOT / "constraints.txt").read_text())
    assert declared - set(pins) == set()


def test_the_sites_navigation_has_every_page_of_docs():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]
    pages = re.findall(r"\S+\.md", navigation)
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").rglob("*.md"))


def test_without_the_extra_the_extra_is_named():
    script = CHECK.format(blocked=train_extra())
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "needs torch, which the extra `train` brings: pip install" in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        ImportError("cannot import name 'x'", name="torch"),
        ModuleNotFoundError("No module named 'benchmarks.x'", name="benchmarks.x"),
        OSError("disk"),
    ],
)
def test_other_errors_are_not_the_extras(error):
    assert missing_extra(error) is None
