"""Closures of a small made-up project, worked out by hand."""

from pathlib import Path

import pytest

from benchmarks.common.closure import Sources

FILES = {
    "gavs/__init__.py": "from gavs.model import Model\n__all__ = ['Model']\nSEED = 1\n",
    "gavs/model.py": "from gavs import sam\nclass Model:\n    width: int = 8\n",
    "gavs/sam.py": "def decode(x):\n    return 2 * x\n",
    "gavs/media.py": "import gavs.sam\n",
    "baselines/__init__.py": "",
    "baselines/one.py": "from gavs.sam import decode\n",
    "baselines/two.py": "def forward():\n    from . import one\n    return one\n",
    "baselines/three.py": "from gavs import Model\n",
    "benchmarks/__init__.py": "",
    "benchmarks/data/__init__.py": "from benchmarks.data.read import read\n",
    "benchmarks/data/read.py": "import gavs.media\nread = None\n",
    "benchmarks/data/names.py": "NAMES = ()\n",
}


@pytest.fixture
def edited(tmp_path):
    """edited(file, old, new): the sources after an edit, which is not undone."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def edit(name: str | None = None, old: str = "", new: str = "") -> Sources:
        if name:
            text = (tmp_path / name).read_text()
            assert old in text
            (tmp_path / name).write_text(text.replace(old, new, 1))
        return Sources(tmp_path)

    return edit


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("gavs.sam", {"gavs.sam"}),  # the package's re-exports are not followed
        ("baselines.one", {"baselines.one", "gavs.sam"}),
        ("baselines.two", {"baselines.two", "baselines.one", "gavs.sam"}),  # within a function
        ("baselines.three", {"baselines.three", "gavs", "gavs.model", "gavs.sam"}),  # through them
        ("benchmarks.data.names", {"benchmarks.data.names"}),
        ("benchmarks.data.read", {"benchmarks.data.read", "gavs.media", "gavs.sam"}),
    ],
)
def test_what_a_module_imports(edited, root, expected):
    assert set(edited().closure([root])) == expected


def test_a_closure_ends_at_its_stops(edited):
    sources = edited()
    assert sources.closure(["baselines.three"], ["gavs.model"]) == ["baselines.three", "gavs"]
    assert sources.closure(["benchmarks.data.read"], ["gavs"]) == ["benchmarks.data.read"]
    assert sources.closure(["gavs.media"], ["gavs.sa"]) == ["gavs.media", "gavs.sam"]
    with pytest.raises(ValueError, match="baselines.four: no module of gavs, baselines"):
        sources.closure(["baselines.four"])


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("gavs/sam.py", "2 * x", "3 * x", True),
        ("gavs/sam.py", "2 * x", "2 * x  # twice", False),
        ("gavs/sam.py", "def decode(x):\n", 'def decode(x):\n    """Twice."""\n', False),
        ("gavs/sam.py", "def decode(x):\n", "def decode(x: int) -> int:\n", False),
        ("gavs/sam.py", "    return", "    y: int\n    return", False),
        ("gavs/sam.py", "    return", "    log.info('%d', x)\n    return", False),
        ("gavs/sam.py", "    return", "    if not x:\n        raise ValueError\n    return", True),
        ("gavs/__init__.py", "['Model']", "['Model', 'sam']", False),  # what it hands on
        ("gavs/__init__.py", "SEED = 1", "SEED = 2", True),  # what it does
        ("gavs/media.py", "sam", "sam, gavs.model", False),  # not in the closure
        ("baselines/two.py", "return one", "return 1", False),
    ],
)
def test_which_edits_change_a_checksum(edited, name, old, new, changes):
    before = edited().checksum(("baselines.one",))
    assert (edited(name, old, new).checksum(("baselines.one",)) != before) == changes


def test_words_of_an_error_and_fields_of_a_class(edited):
    error = "    if not x:\n        raise ValueError('{}')\n    return"
    first = edited("gavs/sam.py", "    return", error.format("none")).checksum(("gavs.model",))
    assert edited("gavs/sam.py", "none", "no x").checksum(("gavs.model",)) == first
    assert edited("gavs/sam.py", "ValueError", "KeyError").checksum(("gavs.model",)) != first
    second = edited().checksum(("gavs.model",))
    assert edited("gavs/model.py", "width: int", "width: float").checksum(("gavs.model",)) != second


def test_a_module_that_goes_or_comes(edited, tmp_path):
    before = edited().checksum(("baselines.three",))
    (tmp_path / "gavs/sam.py").rename(tmp_path / "gavs/decoder.py")
    after = edited("gavs/model.py", "import sam", "import decoder")
    assert "gavs.decoder" in after.closure(["baselines.three"])
    assert after.checksum(("baselines.three",)) != before


def test_the_projects_own_closures_hold_what_decides():
    sources = Sources(Path(__file__).parents[3])
    assert "gavs.sam" in sources.closure(["gavs.model"])
    assert "baselines._tpavi" in sources.closure(["baselines.avsbench"])
    assert "benchmarks.training.loop" in sources.closure(["benchmarks.grid.models"])
