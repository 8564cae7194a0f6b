import pytest

from benchmarks.common.paths import PathError, below

NAMES = [
    "..",
    ".",
    "",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "a b",
    "a\n",
    "\x1b[2J",
    ".x",
    "-x",
    "x" * 101,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(PathError, match="no name for a file or folder"):
        below(tmp_path, "records", name)


def test_names_of_records_are_taken(tmp_path):
    stem = "avsbench-v2-fraction-0.1-draw0-seed0"
    assert below(tmp_path, "figure3", stem) == tmp_path / "figure3" / stem
