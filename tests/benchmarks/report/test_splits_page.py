"""Page splits.md: the clips that leak are listed once per test."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from benchmarks.params import load
from benchmarks.report.splits_page import splits_page
from splits import audit

ROOT = Path(__file__).parents[3]


class Sets:
    """Sets of one clip each; of V2's splits only train shares a video with VGG-SS."""

    index = pd.DataFrame()

    def __getitem__(self, name):
        return pd.DataFrame({"classes": ["dog"], "video": ["v"], "frames": [5]})

    def leaks(self):
        rows = [("a" * 11, "train", "v2"), ("b" * 11, "test", "v2"), ("c" * 11, "test", "v1s")]
        metadata = pd.DataFrame(
            [
                {"uid": f"{vid}_0_10", "vid": vid, "s_min": "0", "s_sec": "0", "a_obj": "dog"}
                | {"split": split, "label": label}
                for vid, split, label in rows
            ]
        )
        vggss = pd.DataFrame({"file": [f"{letter * 11}_000000" for letter in "acd"]})
        return audit.markdown(audit.audit(metadata, vggss=vggss))


def test_clips_that_several_sets_share_with_a_test_are_listed_once():
    data = SimpleNamespace(labels=["v2"], vggss=None, vggsound=None)
    params = load(ROOT / "params.yaml").model_copy(update={"data": data})
    lines = splits_page(params, Sets()).splitlines()
    assert [line for line in lines if " → " in line] == [
        "**v2 train, v2 → VGG-SS**: `aaaaaaaaaaa_000000`",
        "**v1s → VGG-SS**: `ccccccccccc_000000`",
    ]
    assert "| v2 train | VGG-SS | 3 | 1 | 1 | 0 | 1 |" in lines
