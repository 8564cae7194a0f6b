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
import json
import sys
from pathlib import Path
for name in {blocked}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
from benchmarks.cli import main
for words in (["list"], ["params", "scoring"], ["compare", ".", "HEAD"]):
    assert main(words) == 0, words
import benchmarks.params.profile
import benchmarks.predictions.card_check
import benchmarks.predictions.compare
import benchmarks.predictions.imported
import splits.__main__
import numpy as np
from PIL import Image
for name in ("predictions", "masks"):
    folder = Path({folder!r}) / name / "clip"
    folder.mkdir(parents=True)
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(folder / "0.png")
folders = ["--predictions", str(folder.parents[1] / "predictions"), "--masks", str(folder.parent)]
assert main(["score", *folders, "--all-rules"]) == 0
annotations = Path({folder!r}) / "vggss.json"
box = {{"file": "a" * 11 + "_000001", "class": "dog", "bbox": [[0, 0, 0.5, 0.5]]}}
annotations.write_text(json.dumps([box]))
assert main(["vggss-baselines", "--annotations", str(annotations)]) == 0
assert main(["card", "--check"]) == 0
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


def test_without_the_extra_the_rest_works_and_the_extra_is_named(tmp_path):
    script = CHECK.format(blocked=train_extra(), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "miou                     1.0000" in done.stdout
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
