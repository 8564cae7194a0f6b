"""The clip index as a file: damage is told, never read as other clips."""

import numpy as np
import pytest

from benchmarks.data.avsbench import read_avsbench
from benchmarks.data.index import DataError, load_index, write_index
from benchmarks.data.vggss import read_vggss
from benchmarks.preflight.fake_data import write_avsbench_semantic

V2 = "b0000022003_65000_75000"


@pytest.fixture(scope="module")
def semantic(tmp_path_factory):
    """Four clips per split."""
    folder = tmp_path_factory.mktemp("semantic")
    write_avsbench_semantic(folder, 4)
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("v2,test,horse", "v2,test,mouse"),
        lambda text: text.replace(",test,", ",tess,", 1),
        lambda text: "".join(text.splitlines(keepends=True)[:-1]),
        lambda text: text + text.splitlines(keepends=True)[-1],
        lambda text: "".join(np.array(text.splitlines(keepends=True))[[0, 2, 1, *range(3, 37)]]),
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("seal", "sea1"),
        lambda text: text.split("\n")[0],
        lambda text: text.replace(V2, V2.replace("6", "\0")),
        lambda text: "",
    ],
)
def test_a_damaged_index_is_no_other_store(semantic, tmp_path, damage):
    path = tmp_path / "index.csv"
    content = write_index(read_avsbench(semantic)).decode()
    assert damage(content) != content
    path.write_text(damage(content))
    with pytest.raises(DataError, match="index.csv: .*(.|\n)*make it again with") as caught:
        load_index(path)
    assert "python -m benchmarks data`" in str(caught.value)


@pytest.mark.parametrize("name", ["vggss.json", "metadata.csv"])
def test_a_broken_list_ends_in_no_advice_for_clips(tmp_path, name):
    (tmp_path / name).write_text("{")
    with pytest.raises(DataError) as caught:
        read_vggss(tmp_path) if name == "vggss.json" else read_avsbench(tmp_path)
    assert name in str(caught.value) and "exclude" not in str(caught.value)
