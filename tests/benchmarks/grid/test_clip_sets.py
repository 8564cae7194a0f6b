from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks.grid.clip_sets import ClipSets
from benchmarks.miniature.clips import CLASSES, clip_keys, draw_clip
from benchmarks.miniature.config import WorldConfig
from splits.avs_v3 import read_unseen

UNSEEN = Path(__file__).parents[3] / "splits/miniature/unseen_0.csv"


@pytest.fixture(scope="module")
def drawn():
    config = WorldConfig(clips={"v1m": {"test": 80}, "v2": {"test": 120}})
    return [draw_clip(config, key) for key in clip_keys(config, ["v1m", "v2"])]


def sets(drawn, shows: bool, says: bool = True) -> ClipSets:
    """Clip sets of an index of the drawn clips; `says` whether it has what is in view."""
    rows = [
        {"uid": c.uid, "vid": c.vid, "s_min": "0", "s_sec": str(c.start), "a_obj": c.classes}
        | {"split": "test", "label": c.key.benchmark}
        for c in drawn
    ]
    metadata = pd.DataFrame(rows)
    index = metadata.rename(columns={"label": "benchmark", "a_obj": "classes", "vid": "video"})
    if says:
        facts = [{name: c.facts[name] for name in ("heard", "shown")} for c in drawn]
        index = index.join(pd.DataFrame(facts))
    protocol = SimpleNamespace(unseen=UNSEEN, official=None, strict=False, shots=[1])
    protocol.seen_test_folds, protocol.seen_shows_unseen = 3, shows
    params: object = SimpleNamespace(protocol=protocol, draws=lambda name: [(0, 0)])
    result = ClipSets(params, index)  # type: ignore[arg-type]
    result.metadata = metadata
    return result


def test_seen_clips_neither_show_nor_play_an_unseen_class_unless_asked(drawn):
    strict, loose = (sets(drawn, shows) for shows in (False, True))
    unseen = {*read_unseen(UNSEEN)[1]}
    present = {  # from the things themselves
        c.uid: {CLASSES[t.label] for t in (*c.scene.things, *c.heard) if t.label >= 0}
        for c in drawn
    }

    def seen(of: ClipSets) -> set[str]:
        return {uid for part in ("train", "val", "seen_test") for uid in of[f"v3/{part}"].uid}

    assert seen(strict) == {uid for uid in seen(loose) if not present[uid] & unseen}
    assert 0 < len(seen(strict)) < len(seen(loose))
    for part in ("unseen", "pool", "1-shot-0", "test-0"):
        assert [*strict[f"v3/{part}"].uid] == [*loose[f"v3/{part}"].uid]
    assert seen(sets(drawn, False, says=False)) == seen(loose)  # real data: all of them
